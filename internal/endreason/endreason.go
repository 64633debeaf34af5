// Package endreason names the reasons for which sessions end. They are the words of session.EndEvent, of the events for open pages, of
// the metric and of the log.
package endreason

// The reasons. Package session gives the first four by itself.
const (
	SignedOut       = "signed_out"
	SignedInAgain   = "signed_in_again" // the browser signed in again
	EndedElsewhere  = "ended_elsewhere" // its user ended it from another session
	Replaced        = "replaced"        // a newer session took its place: MaxSessions
	Expired         = "expired"
	PasswordChanged = "password_changed"
	AccountChanged  = "account_changed" // its user changed the factors or the address of the account from another session
	Disabled        = "disabled"        // the account was disabled
	Deleted         = "deleted"         // the account was deleted
	Administrator   = "administrator"   // an administrator ended it
)
