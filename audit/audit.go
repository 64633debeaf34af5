// Package audit records security events: who signed in or tried to, which sessions and tokens ended, who changed whose
// rights. A recorded event never changes. It is deleted when it is older than the log's retention.
//
// Events have the names of OWASP's Logging Vocabulary. [Log.Record] takes the [Kind] of an event, so a misspelled name does
// not compile. It writes the event as a line of the text log and queues it for the [Store], so both logs say the same.
package audit

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// The outcomes of events.
const (
	Success = "success"
	Failure = "failure"
	Attempt = "attempt" // about to be done; see [Log.Act]
)

// CommandLine is the Actor of events caused by a command. No user has it as ID, since no ID contains a space.
const CommandLine = "command line"

// WithActor returns a context whose events are recorded as caused by actor: the ID of a user, or CommandLine. Without an
// actor, a successful event of a request is recorded as caused by the user it is about.
func WithActor(ctx context.Context, actor string) context.Context {
	return reqinfo.WithActor(ctx, actor)
}

// Event is a recorded event. It contains no secret, since nothing that is logged does.
type Event struct {
	ID      string // set by the Store; later events have greater IDs, compared by length and then as text
	At      int64  // milliseconds since 1970 UTC
	Name    string // the name of its Kind, such as "authn_login_fail"
	Outcome string // Success, Failure or Attempt
	Actor   string // the ID of the user who caused it, or CommandLine; "" if unknown
	Subject string // the ID of the user it is about; "" if it is about no account
	Login   string // the user's name at that time, or the name that was typed
	Session string // the public ID of the session
	Address string // the client's IP address
	Agent   string // the client's User-Agent
	Request string // the ID of the request, which its response and the text log have too
	Detail  map[string]string
}

// Is reports whether this is an event of a kind, such as LoginKinds.Fail.
func (e Event) Is(kind Kind) bool { return e.Name == kind.name }

// Query selects events. Zero fields select everything.
type Query struct {
	User   string // only events that this user caused or that are about this user
	Name   string // only events with this name
	From   int64  // only events at or after this time
	To     int64  // only events before this time; 0: no limit
	Before string // only events recorded before the one with this ID; for paging
	Limit  int    // at most this many; 0: all
}

// Store stores events. Implementations are safe for concurrent use, never read the clock, copy what they take and return,
// and keep the promises of session.Store about durability and atomic steps.
type Store interface {
	// Append adds all the events or none, and sets their IDs.
	Append(ctx context.Context, events []*Event) error

	// List returns the selected events, the one added last first.
	List(ctx context.Context, q Query) ([]*Event, error)

	// DeleteOlder deletes at most limit of the events that happened before the given time, and returns how many it deleted.
	DeleteOlder(ctx context.Context, before int64, limit int) (int, error)
}
