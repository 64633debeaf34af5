package federation

import (
	"context"
	"errors"
)

// Grant is the tokens that a provider has given for a session, or for a sign-in that is not complete. Times are Unix times in seconds.
type Grant struct {
	Session string // the public ID of the session, or the ID of the pending sign-in in hex; the key
	Pending bool   // it is a sign-in that is not complete
	User    string
	Issuer  string
	Box     []byte // the tokens, sealed; a store doesn't look into it

	Version int64 // counts the changes, so that none is made to what has changed meanwhile
	Lease   int64 // until when one process alone renews or revokes the tokens; 0: none does
	Due     int64 // when to look next whether the session has ended
	Ended   int64 // when it was found that it has; 0: it wasn't
}

// Errors that a [GrantStore] returns by these names. Any other error means that the store could not be read or written.
var (
	ErrNoGrant      = errors.New("federation: there is no such grant")
	ErrGrantExists  = errors.New("federation: the session has a grant already")
	ErrGrantChanged = errors.New("federation: the grant has changed meanwhile, or is gone")
)

// GrantStore keeps grants. Each method is one step, which is done whole or not at all, and is safe for concurrent use. A GrantStore
// copies what it is given and what it returns.
type GrantStore interface {
	// Put adds a grant. ErrGrantExists if its session has one.
	Put(ctx context.Context, g *Grant) error

	// Get returns the grant of a session. ErrNoGrant.
	Get(ctx context.Context, session string) (*Grant, error)

	// Swap replaces a grant, also by one of another session, if its Version is still that of old. The Version of new must be another.
	// Of several calls at the same time with the same old, one succeeds. ErrGrantChanged if it isn't, or if the session of new has a
	// grant already.
	Swap(ctx context.Context, old, new *Grant) error

	// Delete deletes a grant if its Version is still that of g. ErrGrantChanged.
	Delete(ctx context.Context, g *Grant) error

	// List returns at most limit grants in the order of their sessions, those after the given session: of a user, or if user is "" of
	// all.
	List(ctx context.Context, user, after string, limit int) ([]*Grant, error)

	// Due returns at most limit grants whose Due is at or before now, the earliest first.
	Due(ctx context.Context, now int64, limit int) ([]*Grant, error)
}
