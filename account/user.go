// Package account knows who may sign in: users, groups and permissions, with Django's fields and semantics.
//
// It knows no sessions. Whatever must end a user's sessions moves the user's epoch; whoever keeps sessions compares it.
package account

import (
	"errors"
	"slices"
)

// The errors a [Store] answers with. Any other error is an outage.
var (
	// ErrNotFound says that there is no such user or group.
	ErrNotFound = errors.New("account not found")
	// ErrSetupSpent says that the one-time set-up secret is wrong, expired or spent, or that a user exists already.
	ErrSetupSpent = errors.New("set-up link is not valid")
	// ErrResetSpent says that a one-time reset secret is wrong, expired, spent or void.
	ErrResetSpent = errors.New("reset link is not valid")
	// ErrGroupExists says that there is a group of this name already.
	ErrGroupExists = errors.New("group exists already")
)

// TakenError says that a username or e-mail address belongs to somebody already, be it as username or as e-mail.
type TakenError struct {
	Field string // "username" or "email"
}

func (e *TakenError) Error() string { return e.Field + " is taken" }

// User is an account. The fields are those of Django's AbstractUser, and Epoch.
type User struct {
	ID          string // assigned by the Store; decimal for our own accounts
	Username    string // NFKC, at most 150 characters, unique without regard to case
	Email       string // may be empty; else unique without regard to case, across usernames too
	FirstName   string
	LastName    string
	Password    string // encoded hash; empty or beginning with "!": none can match
	IsActive    bool
	IsStaff     bool
	IsSuperuser bool
	DateJoined  int64  // seconds since 1970 UTC
	LastLogin   int64  // likewise; 0: never
	Epoch       string // opaque; moves when every session and token of the user must end

	Groups          []string // names, sorted
	UserPermissions []string // permissions given to the user directly, "app.codename", sorted
	Permissions     []string // UserPermissions and the groups' together, sorted; computed by the Store on reading, ignored on writing
}

// Has reports whether the user has a permission such as "app.codename": an inactive user has none,
// a superuser all (django.contrib.auth, ModelBackend).
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
