package account

import (
	"cmp"
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// Query selects users for [Store.List].
type Query struct {
	Search     string // part of the username, e-mail or name, case-insensitive; "": all users
	Group      string // only members of this group; "": all users
	Superusers bool   // only superusers, also disabled ones; false: all users
	After      string // only users that come after the one with this ID, in the order of their IDs; for paging
	Limit      int    // 0: all
}

// Store stores users and groups. Implementations are safe for concurrent use, never read the clock, keep the promises of
// session.Store about durability and atomic steps, and copy what they take and return.
//
// Names are unique by [CanonicalLogin]: no two users share a canonical login, as username or as e-mail address.
type Store interface {
	// Create adds a user and sets u.ID. *TakenError if the username or e-mail address belongs to another user. ErrNotFound
	// if a group doesn't exist. Permissions need not exist.
	Create(ctx context.Context, u *User) error

	// CreateFirst adds the first user. In the same step it checks that there is no user yet and that the set-up secret with
	// this hash is valid at now (seconds), and uses up the secret. SpentErrors.Setup if a check fails.
	CreateFirst(ctx context.Context, u *User, secretHash [32]byte, now int64) error

	// SetSetup stores the hash and expiry of the set-up secret, and replaces an earlier one.
	SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error

	// SetReset stores the hash and expiry of a secret with which the user's password can be reset, and replaces an earlier
	// one of the user. The secret becomes invalid when the user's epoch changes, and is invalid while the user exceeds the
	// rights that the user has now (see [User.Exceeds]). ErrNotFound.
	SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error

	// FindReset returns the user whose reset secret has this hash and is valid at now (seconds). It changes nothing.
	// SpentErrors.Reset if there is no such secret.
	FindReset(ctx context.Context, secretHash [32]byte, now int64) (*User, error)

	// SpendReset changes, like Change, the user whose reset secret has this hash and is valid at now (seconds), and uses up
	// the secret in the same step. If change fails, the secret stays valid. SpentErrors.Reset if there is no such secret.
	SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*User) error) (*User, error)

	// DeleteAllSecrets removes the set-up secret and all reset secrets, and returns how many there were.
	DeleteAllSecrets(ctx context.Context) (int, error)

	// Load returns the user with this ID. ErrNotFound.
	Load(ctx context.Context, id string) (*User, error)

	// Find returns the user whose username or e-mail address has this [CanonicalLogin]. ErrNotFound.
	Find(ctx context.Context, key string) (*User, error)

	// Change reads a user, calls change to alter it, and writes it back, in one atomic step. It returns an error of change
	// unchanged, and writes nothing then. change must be quick, do no I/O, and may be called more than once. ErrNotFound,
	// *TakenError.
	Change(ctx context.Context, id string, change func(*User) error) (*User, error)

	// NoteSignIn applies a sign-in to a user, in one atomic step like Change, and returns the user as stored. It ends
	// nothing, so other nodes may learn of it later. ErrNotFound.
	NoteSignIn(ctx context.Context, id string, s SignInUpdate) (*User, error)

	// Delete removes a user. ErrNotFound if there is none.
	Delete(ctx context.Context, id string) error

	// List returns the selected users in the order of their IDs (decimal IDs by value).
	List(ctx context.Context, q Query) ([]*User, error)

	// Groups returns all groups in the order of their names.
	Groups(ctx context.Context) ([]Group, error)

	// Transact calls do, and commits all of its writes if it returns nil. It is one atomic step: no other write changes what
	// do has read, including permissions and members of groups, before do's own writes are committed. Transact returns an
	// error of do unchanged, and writes nothing then. do must be quick, do no I/O except through tx, return an error after a
	// write of tx has failed, and may be called more than once.
	Transact(ctx context.Context, do func(tx Tx) error) error

	// SetGroup sets the permissions of a group to exactly these. It creates the group if needed.
	SetGroup(ctx context.Context, g Group) error

	// DeleteGroup removes a group; its members lose it. ErrNotFound.
	DeleteGroup(ctx context.Context, name string) error
}

// SignInUpdate is what a sign-in changes of a user.
type SignInUpdate struct {
	At       int64  // seconds since 1970 UTC; LastLogin never decreases, so 0 leaves it unchanged
	Verified string // the encoded hash against which the password was verified
	Language string // becomes the language of a user who has none, at the first sign-in; a user who has none later has chosen so
	Rehash   string // a stronger hash of the same password; it replaces Verified if that is still stored; "": none
}

// Apply makes the changes in u. A [Store] calls it in the step that writes the user back.
func (s SignInUpdate) Apply(u *User) {
	if u.LastLogin == 0 {
		u.Language = cmp.Or(u.Language, s.Language)
	}
	u.LastLogin = max(u.LastLogin, s.At)
	if s.Rehash != "" && u.Password == s.Verified {
		u.Password = s.Rehash
	}
}

// Tx reads and writes users and groups in one atomic step of a [Store]. It sees its own writes, must not be used after the
// call it was made for, and is not safe for concurrent use.
type Tx interface {
	// Load returns the user with this ID. ErrNotFound.
	Load(id string) (*User, error)

	// LoadEach returns the users with these IDs, by their IDs. It leaves out IDs that no user has.
	LoadEach(ids []string) (map[string]*User, error)

	// Create adds a user and sets u.ID, as the Store's Create does. ErrNotFound, *TakenError.
	Create(u *User) error

	// Change writes back a user that Load has returned. ErrNotFound if the user or one of the groups doesn't exist;
	// *TakenError.
	Change(u *User) error

	// Disable writes back of users that LoadEach has returned, each once, that they are disabled, and their epochs. Nothing else of them
	// changes. ErrNotFound if one of them doesn't exist.
	Disable(users []*User) error

	// Delete removes a user. ErrNotFound.
	Delete(id string) error

	// SetReset stores the hash of a reset secret, as the Store's SetReset does. ErrNotFound.
	SetReset(id string, secretHash [32]byte, expires int64) error

	// Reset returns the hash and the expiry of the user's reset secret that is valid at now (seconds). SpentErrors.Reset if there
	// is none.
	Reset(id string, now int64) (secretHash [32]byte, expires int64, err error)

	// SpendLink spends the link with which a user joins that Create has added in this step, and adds the user's passkey if there is one, with
	// the handle and the recovery codes. SpentErrors.Link if there is no such link; factor.ErrExists if the credential or the handle is
	// another user's. UnsupportedErrors.SpendLink if the Store can't do this in the same step. It isn't called unless the Store says that it can (see
	// the Unsupported of package store).
	SpendLink(user string, j SignUpByLink) error

	// Group returns the group of this name. ErrNotFound.
	Group(name string) (Group, error)

	// CreateGroup adds a group. ErrGroupExists.
	CreateGroup(g Group) error

	// ChangeGroup sets the permissions of a group to exactly these. ErrNotFound.
	ChangeGroup(g Group) error

	// DeleteGroup removes a group; its members lose it. ErrNotFound.
	DeleteGroup(name string) error
}

// LoadCached is Load for a check. A Store with a cache for checks has a method LoadCached(ctx, id), which answers instead: its result
// includes every change that was acknowledged before the call, but for the time of the last sign-in, which may be older. The User is
// shared: don't change it.
func LoadCached(ctx context.Context, s Store, id string) (*User, error) {
	if cached, ok := s.(interface {
		LoadCached(ctx context.Context, id string) (*User, error)
	}); ok {
		return cached.LoadCached(ctx, id)
	}
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	return s.Load(ctx, id)
}
