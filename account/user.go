// Package account manages who may sign in: users, groups and permissions, with Django's fields and semantics.
//
// It knows no sessions. Whatever must end a user's sessions and tokens changes the user's epoch, which every session and
// token is compared with.
package account

import (
	"errors"
	"slices"
	"strings"
)

// The errors of a [Store]. Any other error means that the result is unknown.
var (
	// ErrNotFound says that there is no such user or group.
	ErrNotFound = errors.New("account not found")
	// ErrGroupExists says that a group with this name already exists.
	ErrGroupExists = errors.New("group exists already")
)

// SpentErrors are the errors for one-time secrets:
//
//   - Setup: the set-up secret is wrong, expired or used up, or a user already exists.
//   - Reset: the reset secret is wrong, expired, used up or invalid.
//   - Link: the link of a sign-up or an invitation was spent, withdrawn or replaced already.
var SpentErrors = struct{ Setup, Reset, Link error }{
	errors.New("set-up link is not valid"), errors.New("reset link is not valid"), errors.New("the link has been spent"),
}

// AddressErrors are the errors for addresses:
//
//   - Taken: the address is the name of another user: as address or, in a database in which usernames may be addresses, as username.
//   - Changed: the user has another address by now.
//   - WrongName: the name that was given beside an address isn't the user's.
var AddressErrors = struct{ Taken, Changed, WrongName error }{
	errors.New("the address belongs to another user"), errors.New("the address of the user has changed"),
	errors.New("the name is not the user's"),
}

// TakenError says that a username or e-mail address already belongs to another user, as username or as e-mail address.
type TakenError struct {
	Field string // "username" or "email"
}

func (e *TakenError) Error() string { return e.Field + " is taken" }

// User is an account. The fields are those of Django's AbstractUser, and Epoch.
type User struct {
	ID          string // assigned by the Store; decimal for our own accounts
	Username    string // NFKC, at most 150 characters, unique regardless of case
	Email       string // may be empty; else unique regardless of case, across usernames too
	EmailProven string // an address that the user has proven to receive mail at; it counts only while it is Email. Empty: none
	FirstName   string
	LastName    string
	Language    string // of messages to the user and of the pages, such as "de" (BCP 47); empty: that of the client that causes a message. Empty beside Django
	Password    string // encoded hash; empty or beginning with "!": no password matches
	IsActive    bool

	// PasswordWithheld says that an administrator has left the user without a password, so that the user can't set one by mail alone. It
	// has no effect on a user with a password.
	PasswordWithheld bool

	IsStaff     bool
	IsSuperuser bool
	DateJoined  int64  // seconds since 1970 UTC
	LastLogin   int64  // likewise; 0: never
	Extra       Extra  // what the program keeps with the user
	Epoch       string // opaque; a new one ends every session and token of the user

	Groups          []string // names, sorted
	UserPermissions []string // permissions given to the user directly, "app.codename", sorted
	Permissions     []string // UserPermissions and the groups' together, sorted; computed by the Store on reading, ignored on writing
}

// HasProvenEmail reports whether the user has proven to receive mail at Email.
func (u *User) HasProvenEmail() bool { return u.Email != "" && u.EmailProven == u.Email }

// ownEpoch begins an epoch that a user's own change has moved to. No random epoch and no hash of Django's begins like this.
const ownEpoch = "own."

// ChangedByOwner reports whether the epoch was last moved by the user's own change of a factor or the address. It is false after a
// change of the password, and always beside Django, whose epoch is a hash of the password.
func (u *User) ChangedByOwner() bool { return strings.HasPrefix(u.Epoch, ownEpoch) }

// HasPassword reports whether the user has a password, which may be right or wrong. Without one, every password is wrong.
func (u *User) HasPassword() bool { return u.Password != "" && !strings.HasPrefix(u.Password, "!") }

// Has reports whether the user has a permission such as "app.codename". An inactive user has none, and a superuser has all,
// as in Django's ModelBackend.
func (u *User) Has(permission string) bool {
	if !u.IsActive {
		return false
	}
	return u.IsSuperuser || slices.Contains(u.Permissions, permission)
}

// Group is a named set of permissions.
type Group struct {
	Name        string   // unique, at most 150 characters
	Permissions []string // "app.codename", sorted
}
