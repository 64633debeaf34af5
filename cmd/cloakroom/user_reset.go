package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/api"
)

type userReset struct {
	userArg
	URL string `name:"url" placeholder:"URL" standard:"that of the server that ran last" help:"The server's public address."`
}

func (userReset) Help() string {
	return `The link works once, within an hour. Anyone who has the link can take over the account, so give it only to the user.
Nothing changes until it is used; then all sessions and tokens of the user end. A new link replaces the older one.

Examples:
  cloakroom user reset ada --url https://app.example.com
  cloakroom user reset ada --json | jq -r .link`
}

type resetOut struct {
	UserID    json.RawMessage `json:"user_id"`
	Username  string          `json:"username"`
	Link      string          `json:"link"`
	ExpiresAt time.Time       `json:"expires_at"`
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
		s.Audit.Record(ctx, audit.Token.Created, append(admin.AboutUser(u), slog.String("kind", "reset"))...)
		if a.JSON {
			return a.json(resetOut{api.ID(u.ID), u.Username, link, expires})
		}
		a.say("On this page %s can set a new password once, until %s:\n\n  %s", u.Username, expires.Local().Format("15:04"), link)
		return nil
	})
}
