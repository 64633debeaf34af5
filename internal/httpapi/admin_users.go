package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// adminUserOut is a user as an administrator sees it.
type adminUserOut struct {
	userOut
	IsActive          bool     `json:"is_active"`
	HasPassword       bool     `json:"has_password"`
	DirectPermissions []string `json:"direct_permissions"`

	PrivateExtra json.RawMessage `json:"private_extra,omitempty"` // an object
}

func newAdminUserOut(u *account.User) adminUserOut {
	return adminUserOut{
		userOut: newUserOut(u), IsActive: u.IsActive, DirectPermissions: orEmpty(u.UserPermissions),
		HasPassword: u.HasPassword(), PrivateExtra: json.RawMessage(u.Extra.Private),
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
		out.Next = nextCursor(users[limit-1].ID)
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

// editUserIn has the new values of the fields to change. A field that is absent keeps its value.
type editUserIn struct {
	Username    *string   `json:"username"`
	Email       *string   `json:"email"`
	FirstName   *string   `json:"first_name"`
	LastName    *string   `json:"last_name"`
	Language    *string   `json:"language"`
	IsStaff     *bool     `json:"is_staff"`
	IsSuperuser *bool     `json:"is_superuser"`
	Groups      *[]string `json:"groups"`
	Permissions *[]string `json:"direct_permissions"`

	Extra        json.RawMessage `json:"extra"`
	PrivateExtra json.RawMessage `json:"private_extra"`
}

func (in editUserIn) apply(u *account.User) {
	set(&u.Username, in.Username)
	set(&u.Email, in.Email)
	set(&u.FirstName, in.FirstName)
	set(&u.LastName, in.LastName)
	set(&u.Language, in.Language)
	set(&u.IsStaff, in.IsStaff)
	set(&u.IsSuperuser, in.IsSuperuser)
	set(&u.Groups, in.Groups)
	set(&u.UserPermissions, in.Permissions)
	if in.Extra != nil {
		u.Extra.Public = string(in.Extra)
	}
	if in.PrivateExtra != nil {
		u.Extra.Private = string(in.PrivateExtra)
	}
}

// set changes a field if a value for it was given.
func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// changeUserIn besides gives and takes groups and permissions, which leaves the others as they are.
type changeUserIn struct {
	editUserIn
	Join   *[]string `json:"join"`
	Leave  *[]string `json:"leave"`
	Grant  *[]string `json:"grant"`
	Revoke *[]string `json:"revoke"`
}

func (in changeUserIn) apply(u *account.User) {
	in.editUserIn.apply(u)
	u.Groups = changed(u.Groups, in.Join, in.Leave)
	u.UserPermissions = changed(u.UserPermissions, in.Grant, in.Revoke)
}

type createUserIn struct {
	editUserIn
	Password *string `json:"password"`
}

// createUser creates a user. Without a password the user can't sign in until one is set, for example with a reset link.
func createUser(c *call, in createUserIn) (adminUserOut, error) {
	if err := required(map[string]*string{"username": in.Username}); err != nil {
		return adminUserOut{}, err
	}
	if err := c.api.checkLanguage(in.Language, ""); err != nil {
		return adminUserOut{}, err
	}
	var wanted account.User
	in.apply(&wanted)
	n := account.NewUser{
		Username: wanted.Username, Email: wanted.Email, FirstName: wanted.FirstName, LastName: wanted.LastName, Language: wanted.Language,
		IsStaff: wanted.IsStaff, IsSuperuser: wanted.IsSuperuser, Groups: wanted.Groups, Permissions: wanted.UserPermissions, Extra: wanted.Extra,
		NoPassword: in.Password == nil, Withheld: true,
	}
	set(&n.Password, in.Password)
	u, err := c.admin().CreateUser(c.ctx(), n)
	if err != nil {
		return adminUserOut{}, err
	}
	c.undoIfEnded(func(ctx context.Context) error {
		return (&admin.Service{Accounts: c.api.Accounts, Audit: c.api.Audit}).UndoCreate(ctx, u)
	})
	return newAdminUserOut(u), nil
}

// editUser changes names, flags, groups and permissions. The user's sessions go on.
func editUser(c *call, in changeUserIn) (adminUserOut, error) {
	return c.edit(c.r.PathValue("id"), func(u *account.User) error {
		if err := c.api.checkLanguage(in.Language, u.Language); err != nil {
			return err
		}
		in.apply(u)
		return nil
	})
}

// edit changes a user within the caller's rights.
func (c *call) edit(id string, change func(*account.User) error) (adminUserOut, error) {
	u, err := c.admin().EditUser(c.ctx(), id, change)
	if err != nil {
		return adminUserOut{}, err
	}
	return newAdminUserOut(u), nil
}

func removeUser(c *call, _ none) (none, error) {
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	deleted, err := c.admin().DeleteUser(c.ctx(), u)
	if !deleted {
		return none{}, err
	}
	c.logLeft(u, err)
	return none{}, nil
}

func disableUser(c *call, _ none) (adminUserOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminUserOut{}, err
	}
	if err := c.admin().DisableUser(c.ctx(), u); err != nil {
		return adminUserOut{}, err
	}
	return showUser(c, none{})
}

func enableUser(c *call, _ none) (adminUserOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminUserOut{}, err
	}
	if err := c.admin().EnableUser(c.ctx(), u); err != nil {
		return adminUserOut{}, err
	}
	return showUser(c, none{})
}

type setPasswordIn struct {
	Password    *string `json:"password"`
	KeepFactors *bool   `json:"keep_factors"` // absent: false; on one's own account true
}

// setPassword sets a user's password, which ends their sessions and tokens, and removes what else the account can be entered with.
func setPassword(c *call, in setPasswordIn) (none, error) {
	if err := required(map[string]*string{"password": in.Password}); err != nil {
		return none{}, err
	}
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	keep := u.ID == c.who.User.ID
	set(&keep, in.KeepFactors)
	removed, err := c.admin().SetPassword(c.ctx(), u, admin.PasswordOptions{
		Password: *in.Password, KeepFactors: keep, Changed: func() { c.notifyFor(u, letters.PasswordChanged) },
	})
	if removed {
		c.notifyFor(u, letters.FactorRemoved)
	}
	if err != nil || !removed {
		return none{}, err
	}
	if c.api.Steps.LookAgain { // no epoch has ended them
		_, err = c.endWithoutEpoch(c.ctx(), u, nil)
	}
	return none{}, err
}

type linkOut struct {
	Link      string    `json:"link"`
	ExpiresAt time.Time `json:"expires_at"`
}

var errDisabled = problem.New(http.StatusConflict, "user_disabled", "The user is disabled. Enable the account first.")

// resetLink creates a one-time link with which the user can set a new password. Earlier links become invalid.
func resetLink(c *call, _ none) (linkOut, error) { return c.makeLink((*admin.Service).ResetLink) }

type compromisedIn struct {
	KeepFactors *bool `json:"keep_factors"`
}

// declareCompromised takes an account away from everyone who can get into it, and makes the link that opens it again.
func declareCompromised(c *call, in compromisedIn) (linkOut, error) {
	keep := admin.Compromised{KeepFactors: in.KeepFactors != nil && *in.KeepFactors}
	return c.makeLink(func(s *admin.Service, ctx context.Context, u *account.User) (admin.Link, error) {
		return s.DeclareCompromised(ctx, u, keep)
	})
}

func (c *call) makeLink(make func(*admin.Service, context.Context, *account.User) (admin.Link, error)) (linkOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return linkOut{}, err
	}
	link, err := make(c.admin(), c.ctx(), u)
	if errors.Is(err, account.ErrDisabled) {
		return linkOut{}, errDisabled
	}
	if err != nil {
		return linkOut{}, err
	}
	c.undoIfEnded(c.recordUnused("reset"))
	return linkOut{link.URL, link.Expires}, nil
}

// revokeEverything ends every session and token of a user.
func revokeEverything(c *call, _ none) (none, error) {
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	return none{}, c.admin().RevokeAll(c.ctx(), u)
}
