package account

import "context"

// Query selects users for [Store.List].
type Query struct {
	Search string // part of the username, e-mail or name, without regard to case; empty: everybody
	Group  string // only members of this group; empty: everybody
	After  string // only users that come after the one with this ID, in the order of their IDs; for paging
	Limit  int    // 0: all
}

// Store keeps users and groups. Implementations are safe for concurrent use, never read the clock, keep each promise
// that a session.Store keeps about durability and steps, and copy what they take and give.
//
// Uniqueness is by [CanonicalLogin]: no two users share a key, be it that of a username or of an e-mail address.
type Store interface {
	// Create adds a user and sets u.ID. *TakenError if the username or e-mail is somebody's.
	// Groups that don't exist: ErrNotFound. Permissions are created by being named.
	Create(ctx context.Context, u *User) error

	// CreateFirst adds the first user, in one step with checking that there is none yet and that the set-up secret with
	// this hash is valid at now (seconds), and with spending it. ErrSetupSpent if either doesn't hold.
	CreateFirst(ctx context.Context, u *User, secretHash [32]byte, now int64) error

	// SetSetup stores the hash of the set-up secret and when it expires, in place of any earlier one.
	SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error

	// SetReset stores the hash of a secret with which the user's password can be reset, and when it expires, in place of
	// any earlier one of the user's. It is void once the user's epoch moves, and for as long as the user exceeds the rights
	// that they have now (see [User.Exceeds]). ErrNotFound.
	SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error

	// FindReset returns the user whose reset secret has this hash and is valid at now (seconds). It spends nothing.
	// ErrResetSpent if there is no such secret.
	FindReset(ctx context.Context, secretHash [32]byte, now int64) (*User, error)

	// SpendReset changes, like Change, the user whose reset secret has this hash and is valid at now (seconds), and spends
	// the secret in the same step. An error of change spends nothing. ErrResetSpent if there is no such secret.
	SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*User) error) (*User, error)

	// Load returns the user with this ID. ErrNotFound.
	Load(ctx context.Context, id string) (*User, error)

	// Find returns the user whose username or e-mail has this key (see [CanonicalLogin]). ErrNotFound.
	Find(ctx context.Context, key string) (*User, error)

	// Change reads a user, lets change alter it, and writes it back, in one step that no other write to this user
	// comes between. An error of change is returned as it is, and nothing is written. change must be quick, do no I/O,
	// and may be called more than once. ErrNotFound, *TakenError.
	Change(ctx context.Context, id string, change func(*User) error) (*User, error)

	// NoteSignIn applies a sign-in to a user, in one step like Change, and returns the user as stored. It revokes nothing,
	// so other nodes may learn of it later. ErrNotFound.
	NoteSignIn(ctx context.Context, id string, s SignIn) (*User, error)

	// Delete removes a user. ErrNotFound if there is none.
	Delete(ctx context.Context, id string) error

	// List returns the selected users in the order of their IDs (decimal IDs by value).
	List(ctx context.Context, q Query) ([]*User, error)

	// Groups returns all groups in the order of their names.
	Groups(ctx context.Context) ([]Group, error)

	// Transact calls do, and keeps what it has written, all of it, if it returns no error. It is one step: nothing that do
	// has read, the permissions of groups and the members of groups included, is changed by any other write before do's
	// own writes are there. An error of do is returned as it is, and nothing is written. do must be quick, do no I/O but
	// through tx, return an error after one of tx's writes has failed, and may be called more than once.
	Transact(ctx context.Context, do func(tx Tx) error) error

	// SetGroup creates the group or gives it exactly these permissions.
	SetGroup(ctx context.Context, g Group) error

	// DeleteGroup removes a group; its members lose it. ErrNotFound.
	DeleteGroup(ctx context.Context, name string) error
}

// SignIn is what a sign-in changes of a user.
type SignIn struct {
	At       int64  // seconds; LastLogin never goes back, so 0 leaves it as it is
	Verified string // the encoded hash against which the password was verified
	Rehash   string // a stronger hash of the same password; it replaces Verified if that is still stored. Empty: none
}

// Apply makes the changes in u. A [Store] calls it in the step that writes the user back.
func (s SignIn) Apply(u *User) {
	u.LastLogin = max(u.LastLogin, s.At)
	if s.Rehash != "" && u.Password == s.Verified {
		u.Password = s.Rehash
	}
}

// Tx reads and writes users and groups in one step of a [Store]. It sees what it has written, and ends with the call that it
// was made for. It is not safe for concurrent use.
type Tx interface {
	// Load returns the user with this ID. ErrNotFound.
	Load(id string) (*User, error)

	// Create adds a user and sets u.ID, as the Store's Create does. ErrNotFound, *TakenError.
	Create(u *User) error

	// Change writes back a user that Load has returned. ErrNotFound if the user, or one of the groups, is not there;
	// *TakenError.
	Change(u *User) error

	// Delete removes a user. ErrNotFound.
	Delete(id string) error

	// SetReset stores the hash of a reset secret, as the Store's SetReset does. ErrNotFound.
	SetReset(id string, secretHash [32]byte, expires int64) error

	// Group returns the group of this name. ErrNotFound.
	Group(name string) (Group, error)

	// CreateGroup adds a group. ErrGroupExists.
	CreateGroup(g Group) error

	// ChangeGroup gives a group exactly these permissions. ErrNotFound.
	ChangeGroup(g Group) error

	// DeleteGroup removes a group; its members lose it. ErrNotFound.
	DeleteGroup(name string) error
}

// LoginFinder has its own idea of which names are the same: that of another program, which fills the same tables, and in
// which two users may have one [CanonicalLogin].
type LoginFinder interface {
	// FindLogin returns the user who signs in by this name, as it was typed but for blanks around it. ErrNotFound.
	FindLogin(ctx context.Context, name string) (*User, error)
}

// Viewer is a [Store] that can answer checks from memory.
type Viewer interface {
	// View is Load, for a check that must know of everything that was acknowledged before it began, but not more: a note
	// of the last sign-in may come later. The User is shared: nobody may change it.
	View(ctx context.Context, id string) (*User, error)
}

// View loads a user for a check, from memory where the store has one.
func View(ctx context.Context, s Store, id string) (*User, error) {
	if v, ok := s.(Viewer); ok {
		return v.View(ctx, id)
	}
	return s.Load(ctx, id)
}
