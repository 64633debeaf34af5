package token

import (
	"context"
	"errors"
)

// The errors a [Store] answers with. Any other error is an outage: nothing is known about the token.
var (
	// ErrNotFound says that no token has this ID.
	ErrNotFound = errors.New("token not found")
	// ErrExists says that a token with this ID or public ID is there already.
	ErrExists = errors.New("token exists already")
	// ErrConflict says that the token was changed since it was read.
	ErrConflict = errors.New("token was changed meanwhile")
	// ErrEpochChanged says that the account is no longer at the token's epoch, or gone.
	ErrEpochChanged = errors.New("the account has moved on")
	// ErrLimit says that the user has as many tokens of this kind as are allowed.
	ErrLimit = errors.New("too many tokens")
)

// ID is what a [Store] knows a token by. It is derived from the token's text by [Service] and, with the default
// derivation, can't be turned back into it.
type ID [32]byte

// Kind says what a token is for, and so where it counts.
type Kind string

// The kinds of tokens.
const (
	DRF      Kind = "drf"      // Django REST framework's TokenAuthentication
	Knox     Kind = "knox"     // django-rest-knox
	Personal Kind = "personal" // for scripts, made by their owner
	Refresh  Kind = "refresh"  // a family of JWTs, each refreshed from the last
	UsedJTI  Kind = "jti"      // the mark of a JWT that counts only once; no text leads to it
)

// Record is a token as a [Store] keeps it. All times are whole seconds since 1970 UTC.
//
// A Store copies what it is given and what it hands out: the caller owns every Record it passes or receives.
type Record struct {
	ID       ID
	PublicID string // names the token in lists and logs; random, says nothing about ID
	User     string // the owner: the account's ID
	Epoch    string // the account's epoch when the token was made; opaque
	Kind     Kind
	Name     string   // the owner's word for it; may be empty
	Scopes   []string // permissions, "app.codename", that it may use of its owner's, sorted; none: all of them
	Created  int64
	Used     int64  // the last use, exact to a minute; 0: never
	Expires  int64  // 0: never
	IP       string // of who asked for it
	Agent    string // the User-Agent of who asked for it
	Data     []byte // what else its kind needs; opaque
	Version  string // set by the Store at Create and Replace; opaque
}

// Limit bounds how many tokens of one kind a user has. The zero Limit allows any number.
type Limit struct {
	Max   int   // at most so many that have not expired, the new one included; 0: any number
	Now   int64 // the time at which expiry is judged, in seconds
	Evict bool  // the oldest make room, rather than ErrLimit
}

// Used is one use of a token, for [Store.Touch].
type Used struct {
	ID ID
	At int64
}

// Query selects tokens for [Store.List]. Zero fields select everything.
type Query struct {
	User     string // only this owner's
	Kind     Kind   // only of this kind
	PublicID string // only this one
	After    string // only those whose public ID sorts after this one; for paging
	Limit    int    // at most so many; 0: all
}

// Store keeps tokens. Implementations are safe for concurrent use, never read the clock, and keep each promise that
// a session.Store keeps about durability and steps.
//
// Expired tokens are returned like others until DeleteExpired removes them: the [Service] decides by its own clock.
type Store interface {
	// Create adds a token and sets r.Version, in one step with counting the user's others of its kind: two at the same
	// time can't both take the last place. ErrExists, ErrLimit. A Store that can't keep the epoch compares it with the
	// account's in the same step: ErrEpochChanged.
	Create(ctx context.Context, r *Record, limit Limit) error

	// Load returns the token. ErrNotFound if there is none.
	Load(ctx context.Context, id ID) (*Record, error)

	// Replace puts new in the place of old, if old is still there at old.Version, and sets new.Version. ID and public ID
	// stay; Used never goes back. ErrNotFound if old is gone, ErrConflict if it is at another version.
	Replace(ctx context.Context, old, new *Record) error

	// Touch records uses: it sets Used where that is later than the stored one. It changes no version, no data, and
	// creates nothing; unknown IDs are skipped.
	Touch(ctx context.Context, uses []Used) error

	// Delete removes a token. It is no error if there is none.
	Delete(ctx context.Context, id ID) error

	// DeleteUser removes the tokens of a user, of these kinds or, with none named, of all, and returns how many.
	DeleteUser(ctx context.Context, user string, kinds ...Kind) (int, error)

	// List returns the selected tokens in the order of their public IDs.
	List(ctx context.Context, q Query) ([]*Record, error)

	// DeleteExpired removes at most limit tokens with 0 < Expires <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

// Viewer is a [Store] that can answer checks from memory.
type Viewer interface {
	// View is Load, for a check that must know of everything that was acknowledged before it began, but not more. The
	// Record is shared: nobody may change it.
	View(ctx context.Context, id ID) (*Record, error)
}

// View loads a token for a check, from memory where the store has one.
func View(ctx context.Context, s Store, id ID) (*Record, error) {
	if v, ok := s.(Viewer); ok {
		return v.View(ctx, id)
	}
	return s.Load(ctx, id)
}
