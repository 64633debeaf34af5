// Package signin defines sign-ins that are not complete: what a person has proven so far, and the store that keeps it until the
// rest is proven. A pending sign-in is no session and no credential; it opens the routes of its kind and nothing else.
package signin

import (
	"context"
	"errors"
)

// Method is one method by which a person has proven who they are: a word of RFC 8176, or one of ours.
type Method string

const (
	Password     Method = "pwd"  // RFC 8176
	OneTimeCode  Method = "otp"  // RFC 8176: a code of an authenticator app
	HardwareKey  Method = "hwk"  // RFC 8176: a WebAuthn credential that can't leave its device
	SyncedKey    Method = "swk"  // RFC 8176: a WebAuthn credential that is synchronized between devices
	UserPresent  Method = "user" // RFC 8176: the user did something at the device
	MultiFactor  Method = "mfa"  // RFC 8176
	MailedCode   Method = "mail" // a code that was sent to the user's address
	RecoveryCode Method = "rec"
	Federated    Method = "fed" // another provider has signed the user in
)

// Proof is what a person has shown in one sign-in. Times are Unix times in seconds.
type Proof struct {
	User     string
	Epoch    string // of the account, as it was read before the first factor was checked
	Methods  []Method
	FirstAt  int64 // when the first factor was shown
	SecondAt int64 // when the second factor was shown, or one that is both; 0: not yet
}

// Kind says what a pending sign-in waits for, and so which routes it opens. It never changes.
type Kind string

const (
	SecondStep Kind = "second" // a second factor
	Enrolment  Kind = "enrol"  // the enrolment of a second factor, which is required and which the user doesn't have
	Code       Kind = "code"   // a code that was mailed; its user isn't known before
	Link       Kind = "link"   // a proof of the account to which an account at a provider is to be linked

	EnrolmentCode Kind = "enrol_code" // a code that was mailed, after which another pending sign-in waits for the Enrolment
)

// ID is the SHA-256 of the secret that the client of a pending sign-in holds.
type ID [32]byte

// Pending is a sign-in that is not complete. Times are Unix times in seconds.
type Pending struct {
	ID   ID
	Kind Kind
	Proof

	Remember bool   // the session is to outlive the browser
	App      bool   // the session is for a program that is no browser
	Device   string // the known device that the first factor came from; "": none
	Address  string // the client's, for people to read; "": unknown

	Created int64
	Expires int64
	Tries   int    // how many wrong second factors were given
	Data    []byte // what the way of signing in needs besides; none of it secret
}

// Errors that a [Store] returns by these names. Any other error means that the store could not be read or written.
var (
	ErrNotFound = errors.New("signin: there is no such pending sign-in")
	ErrExists   = errors.New("signin: the pending sign-in exists already")
	ErrSpent    = errors.New("signin: this has been spent already")
)

// Store keeps pending sign-ins, and marks of what counts only once. Each method is one step, which is done whole or not at all,
// and is safe for concurrent use. A Store copies what it is given and what it returns.
type Store interface {
	// Create adds a pending sign-in. If the user then has more than most that have not expired by p.Created, the oldest of
	// them are deleted. ErrExists if the ID is stored already.
	Create(ctx context.Context, p *Pending, most int) error

	// Load returns a pending sign-in, expired or not. ErrNotFound.
	Load(ctx context.Context, id ID) (*Pending, error)

	// Fail adds one to the Tries of a pending sign-in, and returns their number. ErrNotFound.
	Fail(ctx context.Context, id ID) (tries int, err error)

	// Spend deletes a pending sign-in. Of several calls at the same time one succeeds. ErrNotFound.
	Spend(ctx context.Context, id ID) error

	// MarkSpent records that something with this hash has been spent, and keeps the mark until it expires. ErrSpent if there is a
	// mark already; of several calls at the same time one succeeds.
	MarkSpent(ctx context.Context, hash [32]byte, expires int64) error

	// DeleteUser deletes all pending sign-ins of a user, and returns how many there were.
	DeleteUser(ctx context.Context, user string) (int, error)

	// DeleteExpired deletes at most limit pending sign-ins and marks whose Expires is at or before now, and returns how many
	// it has deleted.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}
