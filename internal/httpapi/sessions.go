package httpapi

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/session"
)

type sessionOut struct {
	admin.Session
	Current bool `json:"current"`
}

func newSessionOut(s, current *session.Session) sessionOut {
	out := sessionOut{admin.NewSession(s), s.ID == current.ID}
	out.Bound = s.NeedsDeviceProof()
	return out
}

type sessionsOut struct {
	Sessions []sessionOut `json:"sessions"`
}

func listSessions(c *call, _ none) (sessionsOut, error) {
	return c.api.sessionsOf(c.ctx(), c.who.User.ID, c.who.Session)
}

func (a *API) sessionsOf(ctx context.Context, user string, current *session.Session) (sessionsOut, error) {
	all, err := a.Sessions.List(ctx, user)
	if err != nil {
		return sessionsOut{}, err
	}
	out := sessionsOut{Sessions: []sessionOut{}}
	for _, s := range all {
		out.Sessions = append(out.Sessions, newSessionOut(s, current))
	}
	return out, nil
}

// endSession ends one of the caller's sessions. For the current session that is a sign-out. Ending another requires a fresh
// session, so that a thief can't use a stolen ticket to sign its owner out (ASVS 7.5.2).
func endSession(c *call, _ none) (none, error) {
	id := c.r.PathValue("id")
	if id == c.who.Session.ID {
		return none{}, c.signOut()
	}
	if !c.who.Fresh() {
		return none{}, auth.ErrFreshSignInRequired
	}
	err := c.api.Sessions.Revoke(c.ctx(), c.who.User.ID, id)
	if errors.Is(err, session.ErrEnded) {
		return none{}, errNotFound
	}
	return none{}, err
}

type endedOut struct {
	Ended int `json:"ended"`
}

func endOtherSessions(c *call, _ none) (endedOut, error) {
	n, err := c.api.Sessions.RevokeAll(c.ctx(), c.who.User.ID, c.who.Session)
	return endedOut{n}, err
}
