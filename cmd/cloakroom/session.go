package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/session"
)

type sessionCmd struct {
	List      sessionList      `cmd:"" help:"List the live sessions, the newest first."`
	Revoke    sessionRevoke    `cmd:"" help:"End a session."`
	RevokeAll sessionRevokeAll `cmd:"" help:"End all sessions of a user."`
}

// sessionOut is a session as JSON: as in the API, and with its user.
type sessionOut struct {
	admin.Session
	UserID   json.RawMessage `json:"user_id"`
	Username string          `json:"username"`
}

type endedOut struct {
	Ended int `json:"ended"`
}

type sessionList struct {
	User string `arg:"" optional:"" help:"Only sessions of this user: a username, e-mail address or ID."`
}

func (sessionList) Help() string {
	return `Examples:
  cloakroom session list
  cloakroom session list ada`
}

func (c *sessionList) Run(ctx context.Context, a *app) error {
	if c.User != "" {
		return userArg{c.User}.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
			return a.listSessions(ctx, s, u.ID)
		})
	}
	return with(ctx, a.open, func(s *cloakroom.Server) error { return a.listSessions(ctx, s, "") })
}

// listSessions lists the sessions of a user, or of all users if user is empty.
func (a *app) listSessions(ctx context.Context, s *cloakroom.Server, user string) error {
	sessions, err := s.Sessions.List(ctx, user)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, one := range sessions {
		if err := name(ctx, s, names, one.User); err != nil {
			return err
		}
	}
	out := []sessionOut{}
	for _, one := range sessions {
		out = append(out, sessionOut{admin.NewSession(one), admin.JSONID(one.User), names[one.User]})
	}
	if a.JSON {
		return a.json(out)
	}
	return a.printSessions(out)
}

// name adds the username of a user to names, by its ID; "" if the user is gone.
func name(ctx context.Context, s *cloakroom.Server, names map[string]string, id string) error {
	if _, known := names[id]; known {
		return nil
	}
	u, err := s.Accounts.Store.Load(ctx, id)
	switch {
	case err == nil:
		names[id] = u.Username
	case errors.Is(err, account.ErrNotFound):
		names[id] = ""
	default:
		return err
	}
	return nil
}

func (a *app) printSessions(sessions []sessionOut) error {
	if len(sessions) == 0 {
		a.say("There are no live sessions.")
		return nil
	}
	now := time.Now()
	var rows [][]string
	for _, s := range sessions {
		rows = append(rows, []string{s.ID, s.Username, distance(s.CreatedAt, now), distance(s.LastSeenAt, now),
			distance(s.ExpiresAt, now), s.IP, s.Method, strconv.Itoa(s.Level), shorten(s.UserAgent, 60)})
	}
	return a.table([]string{"ID", "USER", "SIGNED IN", "LAST SEEN", "ENDS", "ADDRESS", "METHOD", "FACTORS", "BROWSER"}, rows)
}

type sessionRevoke struct {
	ID string `arg:"" name:"id" help:"The session's ID, from cloakroom session list."`
}

func (sessionRevoke) Help() string {
	return `The next request with the session's cookie is answered 401.

Example:
  cloakroom session revoke E4YHMBPFRL5L5ZF3QUZWYGN6QA`
}

func (c *sessionRevoke) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		err := a.act(ctx, s, []slog.Attr{slog.String("session", logged(c.ID))}, func(ctx context.Context) error {
			return s.Sessions.Revoke(ctx, "", c.ID)
		})
		if errors.Is(err, session.ErrEnded) {
			return fmt.Errorf("there is no session %q; cloakroom session list shows all", c.ID)
		}
		if err != nil {
			return err
		}
		return a.printEnded(1, "ended the session")
	})
}

type sessionRevokeAll struct {
	User string `arg:"" help:"A username, e-mail address or ID."`
}

func (sessionRevokeAll) Help() string {
	return `Also ends the tokens that a sign-in has made: knox's and refreshable JWTs. Tokens for programs stay. The user can
sign in again at once; see cloakroom user disable.

Example:
  cloakroom session revoke-all ada`
}

func (c *sessionRevokeAll) Run(ctx context.Context, a *app) error {
	return userArg{c.User}.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		n, err := s.Auth.EndSignIns(ctx, u.ID)
		if err != nil {
			return err
		}
		return a.printEnded(n, "ended %s of %s", count(n, "session"), u.Username)
	})
}

func (a *app) printEnded(n int, format string, args ...any) error {
	if a.JSON {
		return a.json(endedOut{n})
	}
	a.say(format, args...)
	return nil
}
