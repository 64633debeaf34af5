// Package session keeps people signed in: each signed-in browser has a record in a store, and a cookie with an opaque ticket
// that names the record.
//
// [Manager] does all of it. Its Handler reads the ticket of each request, [FromContext] loads the [Session] that the ticket
// names, and SignIn, Reauthenticate, Rotate and SignOut are the only calls that write the cookie. A session is revoked by deleting
// it; all sessions of an account are revoked by changing the account's epoch, which each check compares.
//
// The rules are those of OWASP ASVS 5.0 chapter 7 and NIST SP 800-63B-4 section 5: tickets are random, the server's clock
// keeps an idle and an absolute limit, each change of assurance brings a new ticket, and the store knows only the ticket's
// hash. A store that can't answer is an error, never an anonymous request: answer 503.
package session
