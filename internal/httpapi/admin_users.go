package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// adminUserOut is a user as an administrator sees it.
type adminUserOut struct {
	userOut
	IsActive          bool     `json:"is_active"`
	HasPassword       bool     `json:"has_password"`
	DirectPermissions []string `json:"direct_permissions"`
}

func newAdminUserOut(u *account.User) adminUserOut {
	return adminUserOut{
		userOut: newUserOut(u), IsActive: u.IsActive, DirectPermissions: orEmpty(u.UserPermissions),
		HasPassword: u.Password != "" && !strings.HasPrefix(u.Password, "!"),
	}
}

type usersOut struct {
	Users []adminUserOut `json:"users"`
	Next  *string        `json:"next"`
}

func listUsers(c *call, _ none) (usersOut, error) {
	after, limit, err := c.page()
	if err != nil {
		return usersOut{}, err
	}
	q := c.r.URL.Query()
	users, err := c.api.Accounts.Store.List(c.ctx(), account.Query{
		Search: q.Get("search"), Group: q.Get("group"), After: after, Limit: limit + 1,
	})
	if err != nil {
		return usersOut{}, err
	}
	out := usersOut{Users: []adminUserOut{}}
	if len(users) > limit {
		users = users[:limit]
		out.Next = next(users[limit-1].ID)
	}
	for _, u := range users {
		out.Users = append(out.Users, newAdminUserOut(u))
	}
	return out, nil
}

func showUser(c *call, _ none) (adminUserOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminUserOut{}, err
	}
	return newAdminUserOut(u), nil
}

// editUserIn is what can be said about a user; what isn't said stays.
type editUserIn struct {
	Username    *string   `json:"username"`
	Email       *string   `json:"email"`
	FirstName   *string   `json:"first_name"`
	LastName    *string   `json:"last_name"`
	IsStaff     *bool     `json:"is_staff"`
	IsSuperuser *bool     `json:"is_superuser"`
	Groups      *[]string `json:"groups"`
	Permissions *[]string `json:"direct_permissions"`
}

func (in editUserIn) apply(u *account.User) {
	set(&u.Username, in.Username)
	set(&u.Email, in.Email)
	set(&u.FirstName, in.FirstName)
	set(&u.LastName, in.LastName)
	set(&u.IsStaff, in.IsStaff)
	set(&u.IsSuperuser, in.IsSuperuser)
	set(&u.Groups, in.Groups)
	set(&u.UserPermissions, in.Permissions)
}

// set changes a field if a value for it was given.
func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

type createUserIn struct {
	Username    *string   `json:"username"`
	Password    *string   `json:"password"`
	Email       *string   `json:"email"`
	FirstName   *string   `json:"first_name"`
	LastName    *string   `json:"last_name"`
	IsStaff     *bool     `json:"is_staff"`
	IsSuperuser *bool     `json:"is_superuser"`
	Groups      *[]string `json:"groups"`
	Permissions *[]string `json:"direct_permissions"`
}

// createUser makes a user. Without a password nobody can sign in before one is set, by a reset link say.
func createUser(c *call, in createUserIn) (adminUserOut, error) {
	if err := required(map[string]*string{"username": in.Username}); err != nil {
		return adminUserOut{}, err
	}
	var wanted account.User
	editUserIn{in.Username, in.Email, in.FirstName, in.LastName, in.IsStaff, in.IsSuperuser, in.Groups, in.Permissions}.apply(&wanted)
	n := account.NewUser{
		Username: wanted.Username, Email: wanted.Email, FirstName: wanted.FirstName, LastName: wanted.LastName,
		IsStaff: wanted.IsStaff, IsSuperuser: wanted.IsSuperuser, Groups: wanted.Groups, Permissions: wanted.UserPermissions,
		NoPassword: in.Password == nil,
	}
	set(&n.Password, in.Password)
	u, err := c.accounts().Create(c.ctx(), n)
	if err != nil {
		return adminUserOut{}, err
	}
	c.making(func(ctx context.Context) error {
		if err := c.api.Accounts.Delete(ctx, u.ID); err != nil {
			return err
		}
		c.did(audit.User.Deleted, u, slog.String("reason", "its maker had been signed out"))
		return nil
	})
	c.did(audit.User.Created, u, slog.String("change", shorten(u.DescribeRightsChange(&account.User{}))))
	return newAdminUserOut(u), nil
}

// editUser changes names, flags, groups and permissions. Nobody is signed out by it.
func editUser(c *call, in editUserIn) (adminUserOut, error) {
	return c.edit(c.r.PathValue("id"), func(u *account.User) error {
		in.apply(u)
		return nil
	})
}

// edit changes a user within what the caller may do, and logs what is different then.
func (c *call) edit(id string, change func(*account.User) error) (adminUserOut, error) {
	var before account.User
	u, err := c.accounts().Edit(c.ctx(), id, func(u *account.User) error {
		before = *u
		before.UserPermissions, before.Groups = slices.Clone(u.UserPermissions), slices.Clone(u.Groups)
		return change(u)
	})
	if err != nil {
		return adminUserOut{}, err
	}
	c.didEdit(&before, u)
	return newAdminUserOut(u), nil
}

func (c *call) didEdit(before, after *account.User) {
	if before.Username != after.Username || before.Email != after.Email || before.FirstName != after.FirstName || before.LastName != after.LastName {
		c.did(audit.User.Updated, after)
	}
	if change := after.DescribeRightsChange(before); change != "" {
		c.did(audit.Privilege.PermissionsChanged, after, slog.String("change", shorten(change)))
	}
}

func removeUser(c *call, _ none) (none, error) {
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	if err := c.accounts().Delete(c.ctx(), u.ID); err != nil {
		return none{}, err
	}
	c.removeAll(u.ID, auth.Deleted)
	c.did(audit.User.Deleted, u)
	return none{}, nil
}

func disableUser(c *call, _ none) (adminUserOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminUserOut{}, err
	}
	if err := c.accounts().SetActive(c.ctx(), u.ID, false); err != nil {
		return adminUserOut{}, err
	}
	c.removeAll(u.ID, auth.Disabled)
	c.did(audit.User.Archived, u)
	return showUser(c, none{})
}

func enableUser(c *call, _ none) (adminUserOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminUserOut{}, err
	}
	if err := c.accounts().SetActive(c.ctx(), u.ID, true); err != nil {
		return adminUserOut{}, err
	}
	c.did(audit.User.Updated, u, slog.String("change", "enabled"))
	return showUser(c, none{})
}

type setPasswordIn struct {
	Password *string `json:"password"`
}

// setPassword gives a user a new password, which ends everything of theirs.
func setPassword(c *call, in setPasswordIn) (none, error) {
	if err := required(map[string]*string{"password": in.Password}); err != nil {
		return none{}, err
	}
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	if err := c.accounts().SetPassword(c.ctx(), u.ID, *in.Password); err != nil {
		return none{}, err
	}
	c.removeAll(u.ID, auth.PasswordChanged)
	c.did(audit.Password.Change, u)
	return none{}, nil
}

type linkOut struct {
	Link      string    `json:"link"`
	ExpiresAt time.Time `json:"expires_at"`
}

var errDisabled = problem.New(http.StatusConflict, "user_disabled", "The user is disabled. Enable the account first.")

// resetLink makes a one-time link on which a user sets a new password. Earlier ones are void.
func resetLink(c *call, _ none) (linkOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return linkOut{}, err
	}
	secret, expires, err := c.accounts().ResetSecret(c.ctx(), u.ID)
	if errors.Is(err, account.ErrDisabled) {
		return linkOut{}, errDisabled
	}
	if err != nil {
		return linkOut{}, err
	}
	c.making(c.neverShown("reset"))
	c.did(audit.Token.Created, u, slog.String("kind", "reset"))
	return linkOut{c.api.URL + "/auth/reset#" + secret, expires}, nil
}

// endEverything ends every session and token of a user.
func endEverything(c *call, _ none) (none, error) {
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	if err := c.accounts().RevokeAll(c.ctx(), u.ID); err != nil {
		return none{}, err
	}
	c.removeAll(u.ID, auth.Administrator)
	c.did(audit.Token.Revoked, u, slog.String("kind", "everything"))
	return none{}, nil
}
