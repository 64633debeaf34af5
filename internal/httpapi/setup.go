package httpapi

import (
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/signin"
)

type setupOut struct {
	Needed    bool `json:"needed"`
	MinLength int  `json:"password_min_length"`
}

// setupState returns whether the first user must still be created.
func setupState(c *call, _ none) (setupOut, error) {
	needed, err := c.api.Accounts.NeedsSetup(c.ctx())
	return setupOut{Needed: needed, MinLength: c.api.Accounts.Policy.Length()}, err
}

type setupIn struct {
	Secret   *string `json:"secret"`
	Username *string `json:"username"`
	Email    *string `json:"email"`
	Password *string `json:"password"`
}

// setUp creates the first administrator, who must have the one-time link, and signs them in.
func setUp(c *call, in setupIn) (userOut, error) {
	err := required(map[string]*string{"secret": in.Secret, "username": in.Username, "password": in.Password})
	if err != nil {
		return userOut{}, err
	}
	first := account.NewUser{Username: *in.Username, Password: *in.Password, Language: c.language()}
	if in.Email != nil {
		first.Email = *in.Email
	}
	u, err := c.api.Accounts.CreateFirst(c.ctx(), *in.Secret, first)
	if err != nil {
		return userOut{}, err
	}
	c.api.Audit.Record(c.ctx(), audit.UserKinds.Created, slog.String("user", u.ID), slog.String("login", shorten(u.Username)),
		slog.Bool("superuser", u.IsSuperuser))
	return c.complete(u, firstStep{method: methodSetUp, methods: []signin.Method{signin.Password}, remember: true})
}
