package session

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/timelimit"
)

// The errors a [Store] answers with. Any other error from a Store is an outage: nothing is known about the session,
// and the only honest answer is 503.
var (
	// ErrNotFound says that no session has this ID.
	ErrNotFound = errors.New("session not found")
	// ErrExists says that a session with this ID or public ID is there already.
	ErrExists = errors.New("session exists already")
	// ErrConflict says that the session was changed since it was read.
	ErrConflict = errors.New("session was changed meanwhile")
)

// ID is what a [Store] knows a session by. It is derived from the ticket by [Tickets] and, with the default tickets,
// can't be turned back into it.
type ID [32]byte

// Record is a session as a [Store] keeps it. All times are whole seconds since 1970 UTC.
//
// A Store copies what it is given and what it hands out: the caller owns every Record it passes or receives.
type Record struct {
	ID                ID
	PublicID          string // names the session in lists and logs; random, says nothing about ID
	User              string // who signed in: the account's ID
	Epoch             string // the account's epoch at that moment; opaque
	Method            string // how: "password", "basic", "token" …
	Browser           bool   // the cookie ends with the browser
	Created           int64  // sign-in
	ReauthenticatedAt int64  // when a password was last typed into this session; 0: never
	Seen              int64  // last use, exact to a minute
	Idle              int64  // seconds from the last use to the end
	Deadline          int64  // the end, whatever happens
	Expires           int64  // the end as things stand: the earlier of Seen+Idle and Deadline
	IP                string // at sign-in
	Agent             string // the User-Agent at sign-in
	Values            []byte // a JSON object, or empty
	Version           string // set by the Store at Create and Replace; opaque
}

// Use is one use of a session, for [Store.Touch].
type Use struct {
	ID      ID
	At      int64 // the time of the use
	Expires int64 // the end of the session, counted from that use
}

// Query selects sessions for [Store.List]. Zero fields select everything.
type Query struct {
	User     string // only this user's
	PublicID string // only this one
	FormerID ID     // only the one that has this ID, or had it before a rotation
	After    string // only those whose public ID sorts after this one; for paging
	Limit    int    // at most so many; 0: all
}

// Store keeps sessions. Implementations are safe for concurrent use, never read the clock, and keep these promises,
// which package storetest checks:
//
//   - what a method acknowledged survives a crash of the process, and for stores on a disk a power cut;
//   - a session that was deleted stays deleted: only Create creates;
//   - each method takes effect in one step, or not at all if it returns an error other than an unknown outcome
//     (a connection lost in commit), which the caller must treat as "perhaps".
//
// Expired sessions are returned like others until DeleteExpired removes them: the [Manager] decides by its own clock.
type Store interface {
	// Create adds a session and sets r.Version. ErrExists if the ID or the public ID is taken.
	Create(ctx context.Context, r *Record) error

	// Load returns the session. ErrNotFound if there is none.
	Load(ctx context.Context, id ID) (*Record, error)

	// Replace puts new in the place of old, if old is still there at old.Version, and sets new.Version.
	// If new has another ID, the ticket is rotated: the old ID is unknown and the new one known from one step to the next.
	// If the public ID stays, the old ID leads to the session in List until it ends: see Query.FormerID. The public ID may change
	// as well: then it is another session. Under an unchanged ID, Seen and Expires never go back.
	// ErrNotFound if old is gone, ErrConflict if it is at another version, ErrExists if the new ID or public ID is taken.
	Replace(ctx context.Context, old, new *Record) error

	// Touch records uses: it sets Seen and Expires where the use is later than the stored one and the session had not
	// expired by then. It changes no version, no data, and creates nothing; unknown IDs are skipped.
	Touch(ctx context.Context, uses []Use) error

	// Delete removes a session. It is no error if there is none.
	Delete(ctx context.Context, id ID) error

	// DeleteUser removes all sessions of a user but the one with the ID except (the zero ID spares none),
	// and returns how many.
	DeleteUser(ctx context.Context, user string, except ID) (int, error)

	// List returns the selected sessions in the order of their public IDs.
	List(ctx context.Context, q Query) ([]*Record, error)

	// DeleteExpired removes at most limit sessions with Expires <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

// Viewer is a [Store] that can answer checks from memory.
type Viewer interface {
	// View is Load, for a check that must know of everything that was acknowledged before it began, but not more. The
	// Record is shared: nobody may change it. One that has expired by now, in seconds, is as the store has it.
	View(ctx context.Context, id ID, now int64) (*Record, error)
}

// view loads a session for a check, from memory where the store has one, and returns the time to judge it by.
func view(ctx context.Context, s Store, id ID) (r *Record, now int64, err error) {
	if v, ok := s.(Viewer); ok {
		now = time.Now().Unix()
		r, err = v.View(ctx, id, now)
		return r, now, err
	}
	ctx, cancel := timelimit.ForCheck(ctx)
	defer cancel()
	r, err = s.Load(ctx, id)
	return r, time.Now().Unix(), err
}
