// Package session keeps people signed in: a record in a store for each signed-in browser, and an opaque ticket in a
// cookie that names it.
//
// A [Manager] is the whole of it. Its Handler notes the ticket of each request, [FromContext] keyLock it into a [Session],
// and SignIn, Reauthenticate and SignOut are the only calls that write the cookie. Sessions are revoked by deleting them,
// or all at once by moving the account's epoch, which each check compares.
//
// The rules are those of OWASP ASVS 5.0 chapter 7 and NIST SP 800-63B-4 section 5: random tickets, an idle and an
// absolute limit kept by the server's clock, a new ticket at each change of assurance, and the store knows the ticket by
// its hash alone. A store that can't answer is an error, never an anonymous request: answer 503.
package session
