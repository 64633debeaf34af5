package token

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// The errors of a [Store]. Any other error is an outage: the result is unknown.
var (
	// ErrNotFound says that no token has this ID.
	ErrNotFound = errors.New("token not found")
	// ErrExists says that there already is a token with this ID or public ID.
	ErrExists = errors.New("token exists already")
	// ErrConflict says that the token has changed since it was read.
	ErrConflict = errors.New("token was changed meanwhile")
	// ErrEpochChanged says that the account no longer has the token's epoch, or was deleted.
	ErrEpochChanged = errors.New("the account's epoch has changed: the user was signed out")
	// ErrLimit says that the user already has the maximum number of tokens of this kind.
	ErrLimit = errors.New("too many tokens")
)

// ID is the key of a token in a [Store]. [Service] derives it from the token's text; with the default derivation the text
// can't be computed from it.
type ID [32]byte

// Kind is what a token is for. Each route accepts certain kinds.
type Kind string

// The kinds of tokens.
const (
	DRF      Kind = "drf"      // Django REST framework's TokenAuthentication
	Knox     Kind = "knox"     // django-rest-knox
	Personal Kind = "personal" // for scripts; created by the owner
	Refresh  Kind = "refresh"  // a family of JWTs, each refreshed from the last
	UsedJTI  Kind = "jti"      // marks the ID of a single-use JWT as used; has no text
)

// Record is a token as a [Store] stores it. All times are whole seconds since 1970 UTC.
//
// A Store copies what it takes and returns: the caller owns every Record it passes or receives.
type Record struct {
	ID       ID
	PublicID string // for lists and logs; random, independent of ID
	User     string // the owner: the account's ID
	Epoch    string // the account's epoch when the token was created; opaque
	Kind     Kind
	Name     string   // chosen by the owner; may be empty
	Scopes   []string // those of its owner's permissions, "app.codename", that it may use, sorted; empty: all
	Created  int64
	Used     int64  // the last use, exact to a minute; 0: never
	Expires  int64  // 0: never
	IP       string // of the client that requested it
	Agent    string // the User-Agent of the client that requested it
	Data     []byte // additional data of its kind; opaque
	Version  string // set by the Store at Create and Replace; opaque
}

// Limit limits how many tokens of one kind a user has. The zero Limit allows any number.
type Limit struct {
	Max   int   // the maximum of unexpired tokens, including the new one; 0: no limit
	Now   int64 // the time at which expiry is judged, in seconds
	Evict bool  // at the limit the oldest tokens are deleted, instead of ErrLimit
}

// LastUse is one use of a token, for [Store.Touch].
type LastUse struct {
	ID ID
	At int64
}

// Query selects tokens for [Store.List]. Zero fields select everything.
type Query struct {
	User     string // only tokens of this owner
	Kind     Kind   // only of this kind
	PublicID string // only this one
	After    string // only those whose public ID sorts after this one; for paging
	Limit    int    // at most this many; 0: all
}

// Store stores tokens. Implementations are safe for concurrent use, never read the clock, and keep the promises of
// session.Store about durability and atomic steps.
//
// Expired tokens are returned like others until DeleteExpired deletes them: the [Service] decides by its own clock.
type Store interface {
	// Create adds a token and sets r.Version. In the same step it counts the user's other tokens of the kind, so that
	// parallel calls can't exceed the limit. ErrExists, ErrLimit. A Store that can't store the epoch compares it with the
	// account's in the same step: ErrEpochChanged.
	Create(ctx context.Context, r *Record, limit Limit) error

	// Load returns the token. ErrNotFound if there is none.
	Load(ctx context.Context, id ID) (*Record, error)

	// Replace replaces old by new, if old is still stored with old.Version, and sets new.Version. ID and public ID don't
	// change, and Used never decreases. ErrNotFound if old was deleted, ErrConflict if it has another version.
	Replace(ctx context.Context, old, new *Record) error

	// Touch records uses: it sets Used where that is later than the stored one. It changes no version and no data, and
	// creates nothing; it skips unknown IDs.
	Touch(ctx context.Context, uses []LastUse) error

	// Delete deletes a token. It returns nil if there is none.
	Delete(ctx context.Context, id ID) error

	// DeleteUser deletes the tokens of a user, of these kinds or, without kinds, of all, and returns how many. A Store may have a
	// method DeleteUsers(ctx, users []string, kinds ...Kind) (map[string]int, error), which does so for many users at once, and returns
	// how many each had.
	DeleteUser(ctx context.Context, user string, kinds ...Kind) (int, error)

	// List returns the selected tokens, ordered by public ID.
	List(ctx context.Context, q Query) ([]*Record, error)

	// DeleteExpired deletes at most limit tokens with 0 < Expires <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

// CheckLoader is a [Store] with a cache for checks.
type CheckLoader interface {
	// LoadCached is Load for a check. The result includes every change that was acknowledged before the call, and maybe later
	// ones. The Record is shared: don't change it.
	LoadCached(ctx context.Context, id ID) (*Record, error)
}

// LoadCached returns a token for a check, from the store's cache if it is a [CheckLoader].
func LoadCached(ctx context.Context, s Store, id ID) (*Record, error) {
	if v, ok := s.(CheckLoader); ok {
		return v.LoadCached(ctx, id)
	}
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	return s.Load(ctx, id)
}
