package session

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// The errors that a [Store] returns. Any other error is an outage: nothing is known about the session, and the answer must
// be 503.
var (
	// ErrNotFound says that no session has this ID.
	ErrNotFound = errors.New("session not found")
	// ErrExists says that there already is a session with this ID or public ID.
	ErrExists = errors.New("session exists already")
	// ErrConflict says that the session was changed since it was read.
	ErrConflict = errors.New("session was changed meanwhile")
)

// ID is the key of a session in a [Store]. [TicketFormat] derives it from the ticket; with the default tickets, the ticket can't
// be computed from it.
type ID [32]byte

// Record is a session as a [Store] keeps it. All times are whole seconds since 1970 UTC.
//
// A Store copies what it takes and returns: the caller owns every Record that it passes or receives.
type Record struct {
	ID                ID
	PublicID          string   // names the session in lists and logs; random, and independent of ID
	User              string   // the account's ID
	Epoch             string   // the account's epoch at the sign-in; opaque
	Method            Interned // how the user signed in: "password", "basic", "token" …
	Browser           bool     // the cookie ends with the browser
	Bound             bool     // the session is in use by a browser that has proven to hold the key of Binding, and counts in no other
	Created           int64    // when the user signed in
	ReauthenticatedAt int64    // when a factor, such as the password, was last shown in this session; 0: never
	SecondAt          int64    // when two factors, or one that is both, were last shown together; 0: never
	Methods           Interned // how the user has proven who they are in this session: words of signin.Method, separated by spaces
	Seen              int64    // last use, exact to a minute
	Idle              int64    // seconds from the last use to the end
	Deadline          int64    // the session ends then even if it is used
	Expires           int64    // the session ends then unless it is used: the earlier of Seen+Idle and Deadline
	IP                string   // at sign-in
	Agent             Interned // the User-Agent at sign-in
	Binding           string   // the key of the browser that the session is or may be bound to, as [Manager.Device] has written it; "": none
	Values            []byte   // a JSON object, or empty
	Version           string   // set by the Store at Create and Replace; opaque
}

// LastUse is one use of a session, for [Store.Touch].
type LastUse struct {
	ID      ID
	At      int64 // the time of the use
	Expires int64 // the end of the session, counted from that use
}

// Query selects sessions for [Store.List]. Zero fields select everything.
type Query struct {
	User     string // only this user's
	PublicID string // only this one
	FormerID ID     // only the session that has this ID, or had it before a rotation
	After    string // only sessions whose public ID sorts after this one; for paging
	Limit    int    // at most so many; 0: all
}

// Store stores sessions. Implementations are safe for concurrent use, never read the clock, and keep these promises, which
// package storetest checks:
//
//   - what a method acknowledged survives a crash of the process, and for stores on a disk a power cut;
//   - a session that was deleted stays deleted: only Create creates;
//   - each method takes effect in one step, or not at all if it returns an error other than an unknown outcome
//     (a connection lost in commit), which the caller must treat as "perhaps".
//
// Expired sessions are returned like others until DeleteExpired removes them: the [Manager] compares the times with its own
// clock.
type Store interface {
	// Create adds a session and sets r.Version. ErrExists if the ID or the public ID is taken.
	Create(ctx context.Context, r *Record) error

	// Load returns the session. ErrNotFound if there is none. The error may have a method Anonymous() bool. If that returns true, there is
	// something under the ID, but no session of a user, so no session had the ID before a rotation.
	Load(ctx context.Context, id ID) (*Record, error)

	// Replace replaces old by new if the store still has old at old.Version, and sets new.Version. If new has another ID,
	// the ticket is rotated: the store forgets the old ID and knows the new one in one step. If the public ID stays, List
	// still finds the session by its old ID until it ends: see Query.FormerID. If the public ID changes as well, it is
	// another session. Under an unchanged ID, Seen and Expires never go back. ErrNotFound if old is gone, ErrConflict if it
	// has another version, ErrExists if the new ID or public ID is taken.
	Replace(ctx context.Context, old, new *Record) error

	// Touch records uses: it sets Seen and Expires if the use is later than the recorded one and the session had not expired
	// by then. It changes no version and no data, and creates nothing; unknown IDs are skipped.
	Touch(ctx context.Context, uses []LastUse) error

	// Delete removes a session. It is no error if there is none. A Store may also have
	//
	//	Remove(ctx context.Context, id ID) (removed bool, err error)
	//
	// which is Delete and tells whether there was one. Then the [Manager] needn't look whether it has ended the session, or has
	// missed it because its ticket was rotated meanwhile. Remove may report false although it has removed the session; never
	// true if there was none.
	Delete(ctx context.Context, id ID) error

	// DeleteUser removes all sessions of a user except the one with the ID except (the zero ID excepts none), and returns
	// how many. A Store may have a method DeleteUsers(ctx, users []string) (map[string]int, error), which removes all sessions of many
	// users at once, and returns how many each had.
	DeleteUser(ctx context.Context, user string, except ID) (int, error)

	// List returns the selected sessions in the order of their public IDs.
	List(ctx context.Context, q Query) ([]*Record, error)

	// DeleteExpired removes at most limit sessions with Expires <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

// isAnonymous reports whether an error of [Store.Load] says that no session had the ID before a rotation.
func isAnonymous(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Anonymous() bool
	}](err)
	return ok && e.Anonymous()
}

// CheckLoader is a [Store] with a cache for checks.
type CheckLoader interface {
	// LoadCached is Load for a check. The result includes every change that was acknowledged before the call. The Record is
	// shared: don't change it. A record that has expired by now, in seconds, is the store's own.
	LoadCached(ctx context.Context, id ID, now int64) (*Record, error)
}

// view loads a session for a check, and returns the time to compare its limits with. It asks from, or if that is nil the store's
// cache, if it is a [CheckLoader].
func view(ctx context.Context, s Store, from CheckLoader, id ID) (r *Record, now int64, err error) {
	if from == nil {
		from, _ = s.(CheckLoader)
	}
	if from != nil {
		now = time.Now().Unix()
		r, err = from.LoadCached(ctx, id, now)
		return r, now, err
	}
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	r, err = s.Load(ctx, id)
	return r, time.Now().Unix(), err
}
