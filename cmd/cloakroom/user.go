package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

type userCmd struct {
	Add         userAdd         `cmd:"" help:"Add a user."`
	List        userList        `cmd:"" help:"List the users."`
	Show        userShow        `cmd:"" help:"Show a user."`
	Invite      userInvite      `cmd:"" help:"Mail a link on which a person makes an account."`
	Verify      userVerify      `cmd:"" help:"Confirm a user's address."`
	Set         userSet         `cmd:"" help:"Change a user's names, roles, permissions and groups."`
	Password    userPassword    `cmd:"" help:"Set a user's password, and end all of the user's sessions."`
	Reset       userReset       `cmd:"" help:"Make a one-time link on which a user sets a new password."`
	Compromised userCompromised `cmd:"" help:"Take an account back from all who can get into it, and make a link for its owner."`
	Factors     userFactors     `cmd:"" help:"Show or remove a user's passkeys, authenticator app and recovery codes."`
	Disable     userDisable     `cmd:"" help:"Keep users from signing in, and end all of their sessions."`
	Enable      userEnable      `cmd:"" help:"Let a disabled user sign in again."`
	Delete      userDelete      `cmd:"" help:"Delete a user, and end all of the user's sessions."`
}

// userArg is the argument of the commands about one user.
type userArg struct {
	Name string `arg:"" help:"The username, e-mail address or ID."`
}

// about calls do with the database open and the user found.
func (n userArg) about(ctx context.Context, a *app, do func(*cloakroom.Server, *account.User) error) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		u, err := s.Accounts.Lookup(ctx, n.Name)
		if errors.Is(err, account.ErrNotFound) {
			return fmt.Errorf("there is no user %q; cloakroom user list shows all", n.Name)
		}
		if err != nil {
			return err
		}
		return do(s, u)
	})
}

// userOut is a user as JSON: as in the API, and whether the user is active.
type userOut struct {
	ID          json.RawMessage `json:"id"`
	Username    string          `json:"username"`
	Email       string          `json:"email"`
	FirstName   string          `json:"first_name"`
	LastName    string          `json:"last_name"`
	Language    string          `json:"language,omitempty"`
	IsActive    bool            `json:"is_active"`
	IsStaff     bool            `json:"is_staff"`
	IsSuperuser bool            `json:"is_superuser"`
	DateJoined  time.Time       `json:"date_joined"`
	LastLogin   *time.Time      `json:"last_login"`
	Groups      []string        `json:"groups"`
	Permissions []string        `json:"permissions"`

	Extra        json.RawMessage `json:"extra,omitempty"`
	PrivateExtra json.RawMessage `json:"private_extra,omitempty"`
}

func newUserOut(u *account.User) userOut {
	out := userOut{
		ID: admin.JSONID(u.ID), Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Language: u.Language,
		IsActive: u.IsActive, IsStaff: u.IsStaff, IsSuperuser: u.IsSuperuser, DateJoined: time.Unix(u.DateJoined, 0).UTC(),
		Groups: append([]string{}, u.Groups...), Permissions: append([]string{}, u.Permissions...),
		Extra: json.RawMessage(u.Extra.Public), PrivateExtra: json.RawMessage(u.Extra.Private),
	}
	if u.LastLogin != 0 {
		at := time.Unix(u.LastLogin, 0).UTC()
		out.LastLogin = &at
	}
	return out
}

// printUser prints the result of a command that has changed a user.
func (a *app) printUser(u *account.User, format string, args ...any) error {
	if a.JSON {
		return a.json(newUserOut(u))
	}
	a.say(format, args...)
	return nil
}

type userList struct{}

func (userList) Help() string {
	return `Examples:
  cloakroom user list
  cloakroom user list --json | jq '.[] | select(.is_superuser).username'`
}

func (userList) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		users, err := s.Accounts.Store.List(ctx, account.Query{})
		if err != nil {
			return err
		}
		if a.JSON {
			out := []userOut{}
			for _, u := range users {
				out = append(out, newUserOut(u))
			}
			return a.json(out)
		}
		if len(users) == 0 {
			a.say("There are no users yet. The first one: cloakroom user add NAME --superuser")
			return nil
		}
		var rows [][]string
		for _, u := range users {
			rows = append(rows, []string{u.ID, u.Username, u.Email, roles(u), state(u), ago(u.LastLogin)})
		}
		return a.table([]string{"ID", "USERNAME", "E-MAIL", "ROLES", "STATE", "LAST LOGIN"}, rows)
	})
}

func roles(u *account.User) string {
	var all []string
	if u.IsSuperuser {
		all = append(all, "superuser")
	}
	if u.IsStaff {
		all = append(all, "staff")
	}
	return strings.Join(all, ", ")
}

func state(u *account.User) string {
	switch {
	case !u.IsActive:
		return "disabled"
	case !u.HasPassword():
		return "no password"
	}
	return "active"
}

// ago says how long ago a time in seconds was.
func ago(seconds int64) string {
	if seconds == 0 {
		return "never"
	}
	return distance(time.Unix(seconds, 0), time.Now())
}

type userShow struct{ userArg }

func (userShow) Help() string {
	return `Example:
  cloakroom user show ada`
}

func (c *userShow) Run(ctx context.Context, a *app) error {
	return c.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		if a.JSON {
			return a.json(newUserOut(u))
		}
		sessions, err := s.Sessions.List(ctx, u.ID)
		if err != nil {
			return err
		}
		var last time.Time
		if u.LastLogin != 0 {
			last = time.Unix(u.LastLogin, 0)
		}
		rows := [][2]string{
			{"id", u.ID},
			{"e-mail", u.Email},
			{"name", strings.TrimSpace(u.FirstName + " " + u.LastName)},
			{"roles", roles(u)},
			{"state", state(u)},
			{"groups", strings.Join(u.Groups, ", ")},
			{"permissions", strings.Join(u.Permissions, ", ")},
			{"joined", when(time.Unix(u.DateJoined, 0))},
			{"last login", when(last)},
			{"sessions", strconv.Itoa(len(sessions))},
		}
		for _, extra := range [][2]string{{"language", u.Language}, {"extra", u.Extra.Public}, {"private extra", u.Extra.Private}} {
			if extra[1] != "" {
				rows = append(rows, extra)
			}
		}
		return a.card(u.Username, rows)
	})
}
