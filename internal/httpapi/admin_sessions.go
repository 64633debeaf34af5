package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/session"
)

// adminSessionOut is a session as an administrator sees it.
type adminSessionOut struct {
	sessionOut
	UserID   json.RawMessage `json:"user_id"`
	Username string          `json:"username"`
}

type adminSessionsOut struct {
	Sessions []adminSessionOut `json:"sessions"`
	Next     *string           `json:"next"`
}

// listAllSessions lists the sessions of all users.
func listAllSessions(c *call, _ none) (adminSessionsOut, error) {
	after, limit, err := c.page()
	if err != nil {
		return adminSessionsOut{}, err
	}
	page, more, err := c.api.Sessions.Page(c.ctx(), after, limit)
	if err != nil {
		return adminSessionsOut{}, err
	}
	names, err := c.usernames(page)
	if err != nil {
		return adminSessionsOut{}, err
	}
	return c.adminSessions(page, names, more), nil
}

func (c *call) adminSessions(all []*session.Session, names map[string]string, more string) adminSessionsOut {
	out := adminSessionsOut{Sessions: []adminSessionOut{}, Next: nextCursor(more)}
	for _, s := range all {
		out.Sessions = append(out.Sessions, adminSessionOut{
			sessionOut: newSessionOut(s, c.who.Session), UserID: admin.JSONID(s.User), Username: names[s.User],
		})
	}
	return out
}

// usernames maps the IDs of the sessions' users to their names.
func (c *call) usernames(all []*session.Session) (map[string]string, error) {
	names := map[string]string{}
	for _, s := range all {
		if _, known := names[s.User]; known {
			continue
		}
		u, err := c.api.Accounts.Store.Load(c.ctx(), s.User)
		switch {
		case err == nil:
			names[s.User] = u.Username
		case !errors.Is(err, account.ErrNotFound):
			return nil, err
		}
	}
	return names, nil
}

// listUserSessions lists the sessions of one user.
func listUserSessions(c *call, _ none) (adminSessionsOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return adminSessionsOut{}, err
	}
	all, err := c.api.Sessions.List(c.ctx(), u.ID)
	if err != nil {
		return adminSessionsOut{}, err
	}
	return c.adminSessions(all, map[string]string{u.ID: u.Username}, ""), nil
}

// endUserSessions ends all sessions of a user. The user can sign in again at once.
func endUserSessions(c *call, _ none) (endedOut, error) {
	u, err := c.accounts().ManagedUser(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return endedOut{}, err
	}
	n, err := c.api.Sessions.RevokeAll(session.WithReason(c.ctx(), endreason.Administrator), u.ID, nil)
	if err != nil {
		return endedOut{}, err
	}
	c.record(audit.AuthzKinds.Admin, u, slog.String("deed", "sessions ended"), slog.Int("sessions", n))
	return endedOut{n}, nil
}

// endAnySession ends a session of any user.
func endAnySession(c *call, _ none) (none, error) {
	s, err := c.api.Sessions.Find(c.ctx(), c.r.PathValue("id"))
	if errors.Is(err, session.ErrEnded) {
		return none{}, errNotFound
	}
	if err != nil {
		return none{}, err
	}
	u, err := c.accounts().ManagedUser(c.ctx(), s.User)
	if err != nil {
		return none{}, err // the sessions of a deleted user have ended, too
	}
	err = c.api.Sessions.Revoke(session.WithReason(c.ctx(), endreason.Administrator), u.ID, s.ID)
	if errors.Is(err, session.ErrEnded) {
		return none{}, errNotFound
	}
	if err != nil {
		return none{}, err
	}
	c.record(audit.AuthzKinds.Admin, u, slog.String("deed", "session ended"), slog.String("session", s.ID))
	return none{}, nil
}
