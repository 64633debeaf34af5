// Package audit keeps what happened: who signed in or tried to, what ended, who changed whose rights. Nothing of it is ever
// changed, and it goes only when it is too old to be kept.
//
// Events have the names of OWASP's Logging Vocabulary. A [Log] finds them among the lines that the rest of the program logs
// anyway, so that there is one place at which each is written, and what is in the text log is in the audit log too.
package audit

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// The outcomes of events.
const (
	Success = "success"
	Failure = "failure"
	Attempt = "attempt" // it is about to be done; see [Log.Act]
)

// CommandLine is the Actor of what is done at the command line. No user's ID has a space in it.
const CommandLine = "command line"

// By returns a context in which what happens is the doing of an actor: the ID of a user, or CommandLine. Without it, what
// succeeds within a request is the doing of the user whom it is about.
func By(ctx context.Context, actor string) context.Context { return reqinfo.By(ctx, actor) }

// Event is something that happened. It holds no secret: what is logged doesn't.
type Event struct {
	ID      string // set by the Store: a later event has a greater one, compared by length and then as text
	At      int64  // milliseconds since 1970 UTC
	Name    string // such as "authn_login_fail"
	Outcome string // Success, Failure or Attempt
	Actor   string // the ID of the user who did it, or CommandLine; "": nobody who is known
	Subject string // the ID of the user whom it is about; "": nobody's account
	Login   string // a name as it was typed, or as it was then
	Session string // the public ID of the session
	Address string // the client's
	Agent   string // its User-Agent
	Request string // the ID of the request, which is in its answer and in the text log
	Detail  map[string]string
}

// Query selects events. Zero fields select everything.
type Query struct {
	User   string // only those that this user did, or that are about this user
	Name   string // only those of this name
	From   int64  // only those at or after this time
	To     int64  // only those before this time; 0: no limit
	Before string // only those that came before the one with this ID; for paging
	Limit  int    // at most so many; 0: all
}

// Store keeps events. Implementations are safe for concurrent use, never read the clock, copy what they take and give, and
// keep the promises of session.Store about durability and steps.
type Store interface {
	// Append adds events, all or none, and sets their IDs.
	Append(ctx context.Context, events []*Event) error

	// List returns the selected events, the latest added first.
	List(ctx context.Context, q Query) ([]*Event, error)

	// DeleteOlder removes at most limit of the events that happened before this time, and returns how many.
	DeleteOlder(ctx context.Context, before int64, limit int) (int, error)
}
