// Package factor defines what users prove themselves by besides a password, and the store that keeps it: authenticator apps,
// passkeys, security keys and recovery codes.
package factor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Kind is a kind of factor.
type Kind string

const (
	// TOTP is an authenticator app (RFC 6238). A user has at most one.
	TOTP Kind = "totp"

	// Passkey is a WebAuthn credential that verifies its user by itself, so it is two factors in one.
	Passkey Kind = "passkey"

	// SecurityKey is a WebAuthn credential that only shows that it is there. It is a second factor and no more.
	SecurityKey Kind = "security_key"
)

// MaxKeys is how many passkeys and security keys a user can have together.
const MaxKeys = 10

// ErrTooManyKeys says that a user has [MaxKeys] passkeys and security keys. The caller of a Store checks it.
var ErrTooManyKeys = fmt.Errorf("factor: a user can have no more than %d passkeys and security keys", MaxKeys)

// State says how far the addition or the removal of a factor has come. Both write the factor first and change the epoch of the
// account second, so that a sign-in which overlaps with them gets a session of the former epoch, which is dead. An addition that
// moves no epoch looks at it second, so that nothing is added after everything was ended.
type State string

const (
	Adding   State = "adding"   // the epoch may not have changed yet; sign-ins already demand the factor, if they do once it is active
	Active   State = "active"   // sign-ins demand or accept the factor
	Removing State = "removing" // the epoch may not have changed yet; sign-ins don't accept the factor
)

// Errors that a [Store] returns by these names. Any other error means that the store could not be read or written.
var (
	ErrNotFound = errors.New("factor: there is no such factor")
	ErrExists   = errors.New("factor: this factor exists already")
	ErrUsed     = errors.New("factor: this code has been used already")
)

// Factor is one factor of a user. Times are Unix times in seconds.
type Factor struct {
	ID    string // unique in the store
	User  string
	Kind  Kind
	Name  string // as the user calls it
	State State
	Epoch string // of the account, when State was written

	Created int64
	Used    int64 // the last use; 0: never

	// Counter never decreases: the time step of the last code of an authenticator app, or the signature counter of a WebAuthn
	// credential.
	Counter int64

	Credential []byte // the ID of a WebAuthn credential, unique in the store; nil for other kinds
	RPID       string // the relying party that a WebAuthn credential was made for; "" for other kinds
	Data       []byte // what verification needs besides; opaque to the store, and sealed where it is a secret
}

// Profile is everything that a user has besides a password. The zero value is that of a user who has nothing.
type Profile struct {
	Factors []*Factor // the earliest first

	RecoveryCodes int    // how many are left
	SecondStep    bool   // the user wants a second step after each password
	Handle        []byte // the user handle of WebAuthn; nil: none was made
}

// Keys returns the passkeys and security keys, the earliest first.
func (p *Profile) Keys() []*Factor {
	return slices.DeleteFunc(slices.Clone(p.Factors), func(f *Factor) bool { return f.Kind == TOTP })
}

// LastUse is one use of a factor.
type LastUse struct {
	At      int64
	Counter int64
	Once    bool   // the use counts only if Counter is greater than the stored one
	Data    []byte // replaces Factor.Data; nil: it stays
}

// Store keeps factors, recovery codes and user handles. Each method is one step, which is done whole or not at all, and is safe
// for concurrent use. A Store copies what it is given and what it returns. It knows no users: a user who has nothing stored is
// like one who doesn't exist. The hashes of recovery codes are made by the caller.
type Store interface {
	// Load returns what a user has.
	Load(ctx context.Context, user string) (*Profile, error)

	// FindCredential returns the factor with a WebAuthn credential ID. ErrNotFound.
	FindCredential(ctx context.Context, credential []byte) (*Factor, error)

	// Add adds a factor. ErrExists if the ID or the credential is stored already, or if the user has a factor of the kind TOTP
	// already and this is another.
	Add(ctx context.Context, f *Factor) error

	// SetState moves a factor from one state to another, and sets its epoch. ErrNotFound if no factor with this ID is in the
	// state from.
	SetState(ctx context.Context, id string, from, to State, epoch string) error

	// Use records a use: Used and Counter become the greater of the stored and the given value. ErrUsed if u.Once is set and
	// u.Counter isn't greater than the stored one; nothing changes then. ErrNotFound.
	Use(ctx context.Context, id string, u LastUse) error

	// Rename sets the name of a factor. ErrNotFound.
	Rename(ctx context.Context, id, name string) error

	// Delete deletes a factor. It is no error if there is none.
	Delete(ctx context.Context, id string) error

	// List returns at most limit factors of a kind, of all users, in the order of their IDs, which come after the given one.
	List(ctx context.Context, kind Kind, after string, limit int) ([]*Factor, error)

	// ReplaceData replaces the Data of a factor if it still is old, and reports whether it did.
	ReplaceData(ctx context.Context, id string, old, new []byte) (bool, error)

	// DeleteUser deletes everything of a user: factors, recovery codes, the handle and SecondStep. It returns how many factors
	// there were.
	DeleteUser(ctx context.Context, user string) (int, error)

	// SetRecoveryCodes replaces all recovery codes of a user.
	SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error

	// SpendRecoveryCode deletes a recovery code, and returns how many are left. ErrUsed if the user has no such code.
	SpendRecoveryCode(ctx context.Context, user string, hash [32]byte) (left int, err error)

	// AddHandle stores a user handle unless the user has one, and returns the one that is stored afterwards. ErrExists if the
	// handle is another user's.
	AddHandle(ctx context.Context, user string, handle []byte) ([]byte, error)

	// FindHandle returns the user with a handle. ErrNotFound.
	FindHandle(ctx context.Context, handle []byte) (user string, err error)

	// SetSecondStep sets whether the user wants a second step after each password.
	SetSecondStep(ctx context.Context, user string, on bool) error
}
