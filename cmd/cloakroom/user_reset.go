package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// linkFlags are those of the commands that make a link.
type linkFlags struct {
	URL string `name:"url" placeholder:"URL" standard:"that of the server that ran last" help:"The server's public address."`
}

type userReset struct {
	userArg
	linkFlags
}

func (userReset) Help() string {
	return `The link works once, within an hour. Anyone who has the link can take over the account, so give it only to the user.
Nothing changes until it is used; then all sessions and tokens of the user end. A new link replaces the older one.

Examples:
  cloakroom user reset ada --url https://app.example.com
  cloakroom user reset ada --json | jq -r .link`
}

func (c *userReset) Run(ctx context.Context, a *app) error {
	a.URL = c.URL
	return c.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		link, expires, err := s.ResetLink(ctx, u.ID)
		if errors.Is(err, account.ErrDisabled) {
			return fmt.Errorf("%s is disabled; first: cloakroom user enable %s", u.Username, u.Username)
		}
		if err != nil {
			return err
		}
		return a.printLink(u, link, expires)
	})
}

type userCompromised struct {
	userArg
	linkFlags
	KeepFactors bool `env:"-" help:"Leave authenticator apps, passkeys, security keys and recovery codes as they are."`
}

func (userCompromised) Help() string {
	return `Use it when someone else has got into the account. It ends every session and token of the user, forgets remembered
devices, makes the password and earlier links invalid, and prints a link on which the user sets a new password. Until the
link is used, no one can sign in to the account. If it expires, cloakroom user reset makes another.

Authenticator apps, passkeys, security keys and recovery codes are removed too, because the attacker may have added one of them.
The user can add them again. With --keep-factors they stay, and then a passkey still signs in. Use it only if you know that
each of them is the user's.

The link works once, within an hour. Anyone who has the link can take over the account, so give it only to the user, and not
through a mailbox that someone else may read. A disabled user stays disabled, and the link works once the user is enabled.

Examples:
  cloakroom user compromised ada --url https://app.example.com
  cloakroom user compromised ada --keep-factors
  cloakroom user compromised ada --json | jq -r .link`
}

func (c *userCompromised) Run(ctx context.Context, a *app) error {
	a.URL = c.URL
	return c.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		link, expires, err := s.DeclareCompromised(ctx, u.ID, cloakroom.CompromiseOptions{KeepFactors: c.KeepFactors})
		if err != nil {
			return err
		}
		if !a.JSON {
			a.say("ended every session and token of %s; the password no longer counts", u.Username)
			if c.KeepFactors {
				a.say("kept passkeys, authenticator apps and recovery codes of %s", u.Username)
			}
			if !u.IsActive {
				a.say("%s is disabled, and the link works after: cloakroom user enable %s", u.Username, u.Username)
			}
		}
		return a.printLink(u, link, expires)
	})
}

type resetOut struct {
	UserID    json.RawMessage `json:"user_id"`
	Username  string          `json:"username"`
	Link      string          `json:"link"`
	ExpiresAt time.Time       `json:"expires_at"`
}

// printLink answers a command that has made a link on which a user sets a new password.
func (a *app) printLink(u *account.User, link string, expires time.Time) error {
	if a.JSON {
		return a.json(resetOut{admin.JSONID(u.ID), u.Username, link, expires})
	}
	a.say("On this page %s can set a new password once, until %s:\n\n  %s", u.Username, expires.Local().Format("15:04"), link)
	return nil
}
