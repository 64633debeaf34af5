package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/token"
)

type tokenCmd struct {
	Create tokenCreate `cmd:"" help:"Make a personal token for a user, and print it once."`
	List   tokenList   `cmd:"" help:"List the live tokens of a user, the newest first."`
	Revoke tokenRevoke `cmd:"" help:"End a token."`
}

type tokenCreate struct {
	User  string        `arg:"" help:"The owner: a username, e-mail address or ID."`
	Name  string        `required:"" placeholder:"TEXT" help:"What the token is for."`
	TTL   time.Duration `name:"ttl" default:"2160h" placeholder:"TIME" help:"How long it is valid; 0: until it is revoked."`
	Scope []string      `placeholder:"PERMISSION" help:"A permission of the owner that the token may use. Repeat it or separate by commas." standard:"all of them"`
}

func (tokenCreate) Help() string {
	return `The token is shown once. Programs send it as "Authorization: Bearer TOKEN".

Examples:
  cloakroom token create ada --name backup
  cloakroom token create ada --name reports --scope shop.view_order --ttl 24h
  cloakroom token create ada --name ci --json`
}

// createdToken is what the command prints.
type createdToken struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Token     string     `json:"token"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (c *tokenCreate) Run(ctx context.Context, a *app) error {
	return userArg{c.User}.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		if !u.IsActive {
			return fmt.Errorf("%s is disabled, so the token could not be used", u.Username)
		}
		text, t, err := s.Auth.NewPersonalToken(ctx, u, auth.PersonalTokenOptions{Name: c.Name, Scopes: c.Scope, TTL: c.TTL, Agent: "cloakroom token create"})
		if errors.Is(err, token.ErrLimit) {
			return fmt.Errorf("%s has as many tokens as are allowed; end one with cloakroom token revoke", u.Username)
		}
		if err != nil {
			return err
		}
		if a.JSON {
			return a.json(createdToken{t.ID, t.Name, text, admin.OrNull(t.ExpiresAt)})
		}
		a.say("Made the token %q for %s. It is shown only now:", t.Name, u.Username)
		a.say("\n  %s\n", text)
		a.say("It ends: %s", when(t.ExpiresAt))
		return nil
	})
}

type tokenList struct {
	User string `arg:"" help:"A username, e-mail address or ID."`
}

func (tokenList) Help() string {
	return `Example:
  cloakroom token list ada`
}

// tokenOut is a token as JSON: as in the API, and with its owner.
type tokenOut struct {
	admin.Token
	UserID   json.RawMessage `json:"user_id"`
	Username string          `json:"username"`
}

func (c *tokenList) Run(ctx context.Context, a *app) error {
	return userArg{c.User}.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		all, err := s.Tokens.List(ctx, u.ID)
		if err != nil {
			return err
		}
		out := []tokenOut{}
		for _, t := range all {
			if t.Epoch == u.Epoch {
				out = append(out, tokenOut{admin.NewToken(t), admin.JSONID(u.ID), u.Username})
			}
		}
		if a.JSON {
			return a.json(out)
		}
		return a.printTokens(u, out)
	})
}

func (a *app) printTokens(u *account.User, tokens []tokenOut) error {
	if len(tokens) == 0 {
		a.say("%s has no tokens.", u.Username)
		return nil
	}
	now := time.Now()
	far := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return distance(*t, now)
	}
	var rows [][]string
	for _, t := range tokens {
		scopes := "everything"
		if len(t.Scopes) > 0 {
			scopes = strings.Join(t.Scopes, " ")
		}
		rows = append(rows, []string{t.ID, string(t.Kind), shorten(t.Name, 30), distance(t.CreatedAt, now), far(t.LastUsedAt),
			far(t.ExpiresAt), shorten(scopes, 60)})
	}
	return a.table([]string{"ID", "KIND", "NAME", "MADE", "LAST USED", "ENDS", "MAY USE"}, rows)
}

type tokenRevoke struct {
	ID string `arg:"" name:"id" help:"The token's ID, from cloakroom token list."`
}

func (tokenRevoke) Help() string {
	return `The next request with the token is answered 401.

Example:
  cloakroom token revoke E4YHMBPFRL5L5ZF3QUZWYGN6QA`
}

func (c *tokenRevoke) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		err := a.act(ctx, s, []slog.Attr{slog.String("token", logged(c.ID))}, func(ctx context.Context) error {
			return s.Tokens.Revoke(ctx, "", c.ID)
		})
		if errors.Is(err, token.ErrNotFound) {
			return fmt.Errorf("there is no token %q; cloakroom token list shows a user's", c.ID)
		}
		if err != nil {
			return err
		}
		return a.printEnded(1, "ended the token")
	})
}
