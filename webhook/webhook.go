// Package webhook defines the endpoints that events are delivered to, and the store that knows how far each of them has got.
package webhook

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// Endpoint is an address that gets the events of the audit log, in their order.
type Endpoint struct {
	URL      string
	Position string // the ID of the last event that was delivered, dropped, or not for the endpoint; "": none
	Tries    int    // failed attempts since the last one that succeeded
	Due      int64  // Unix time in seconds; no earlier attempt is made
	Dropped  int    // how many events were dropped because they could not be delivered in time
}

// ErrNotFound reports that there is no such endpoint, or none that the caller may have.
var ErrNotFound = errors.New("webhook: there is no such endpoint, or another process has it")

// Store keeps endpoints beside the audit log, from which it reads what is to be delivered. Each method is one step, which is done
// whole or not at all, and is safe for concurrent use. A Store never reads the clock, and copies what it is given and what it
// returns. Times are Unix times in seconds.
type Store interface {
	// AddEndpoint adds an endpoint whose position is the last event so far. An endpoint that is there already isn't changed.
	AddEndpoint(ctx context.Context, url string) error

	// Find returns an endpoint. ErrNotFound.
	Find(ctx context.Context, url string) (*Endpoint, error)

	// List returns all endpoints in the order of their URLs.
	List(ctx context.Context) ([]*Endpoint, error)

	// Claim gives an endpoint to a holder until a time, and returns it. ErrNotFound if there is none, if it isn't due at now, or if
	// another holder has it at now.
	Claim(ctx context.Context, url, holder string, now, until int64) (*Endpoint, error)

	// Save stores an endpoint for the holder that has claimed it last, and gives it to the holder until a time; 0 gives it back.
	// ErrNotFound if another one has claimed it since, or if it was removed.
	Save(ctx context.Context, e *Endpoint, holder string, until int64) error

	// Remove removes an endpoint. It is no error if there is none.
	Remove(ctx context.Context, url string) error

	// Events returns at most limit events that were recorded after the one with this ID, the earliest first; "" begins with the
	// first that is kept. It returns no event while one with a smaller ID may still be added, so that a reader who goes on after
	// the last one misses none. A limit of 0 or less returns none.
	Events(ctx context.Context, after string, limit int) ([]*audit.Event, error)
}
