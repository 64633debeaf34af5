// Package federation defines which accounts at other providers are linked to which users, and which sessions were begun through one, and
// the store that keeps both.
package federation

import (
	"context"
	"errors"
)

// Link says that the person with this subject at a provider is the user. Times are Unix times in seconds.
type Link struct {
	ID      string // random
	User    string
	Issuer  string // with Subject the key: an address is none, because providers give it to others
	Subject string
	Email   string // as the provider last said it, for people to tell links apart; "": it says none
	Added   int64
	Used    int64 // 0: never
}

// SessionOrigin says that a session, or a sign-in that is not complete, was begun through a provider.
type SessionOrigin struct {
	Session string // the public ID of the session, or the ID of the pending sign-in in hex
	Pending bool   // it is a sign-in that is not complete
	User    string
	Issuer  string
	Subject string
	SID     string // the session at the provider; "": it doesn't say
	Began   int64  // when the visit to the provider began
	Expires int64  // when the session has ended at the latest
}

// Logout says that a provider has ended a session, or all sessions of a subject.
type Logout struct {
	Token   [32]byte // hash of what names the logout token
	Issuer  string
	Subject string // "": only the session
	SID     string // "": only the sessions of Subject
	At      int64  // when it became known
	Expires int64  // when what began before has run out
}

// Errors that a [Store] returns by these names. Any other error means that the store could not be read or written.
var (
	ErrNotFound = errors.New("federation: there is no such link")
	ErrExists   = errors.New("federation: the account at the provider is linked already")
	ErrTooFew   = errors.New("federation: it is one of the last links of its user")
)

// Store keeps links, origins and logouts. Each method is one step, which is done whole or not at all, and is safe for concurrent use.
// A Store copies what it is given and what it returns.
type Store interface {
	// Add adds a link. ErrExists if its issuer and subject, or its ID, are in a link already, of this user or another.
	Add(ctx context.Context, l *Link) error

	// Find returns the link of an account at a provider. ErrNotFound.
	Find(ctx context.Context, issuer, subject string) (*Link, error)

	// List returns the links of a user, the earliest added first.
	List(ctx context.Context, user string) ([]*Link, error)

	// Use sets when a link was last used, unless a later time is stored, and the address. ErrNotFound.
	Use(ctx context.Context, id string, at int64, email string) error

	// Remove deletes a link of a user if at least keep others are left. Of several calls at the same time, those that are done
	// leave so many. ErrNotFound, ErrTooFew.
	Remove(ctx context.Context, user, id string, keep int) error

	// DeleteUser deletes all links and origins of a user, and returns how many links there were.
	DeleteUser(ctx context.Context, user string) (int, error)

	// AddOrigin adds an origin, or replaces the one of the same session.
	AddOrigin(ctx context.Context, l *SessionOrigin) error

	// Origins returns the origins at an issuer: those of a subject, or if it is "" those with a SID.
	Origins(ctx context.Context, issuer, subject, sid string) ([]*SessionOrigin, error)

	// Origin returns the origin of a session or of a pending sign-in. ErrNotFound.
	Origin(ctx context.Context, session string) (*SessionOrigin, error)

	// Note records a logout, and returns it. If its Token was noted before, nothing changes, and Note returns the logout of then.
	Note(ctx context.Context, l *Logout) (*Logout, error)

	// LoggedOut returns the latest time at which an issuer was noted to have ended the session sid, or all sessions of the
	// subject; 0: no such logout is noted.
	LoggedOut(ctx context.Context, issuer, subject, sid string) (int64, error)

	// DeleteExpired deletes at most limit origins and logouts whose Expires is at or before now, and returns how many it has
	// deleted.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}
