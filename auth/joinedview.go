package auth

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// viewer returns what reads the session; nil: its store does.
func (q *request) viewer() session.CheckLoader {
	q.joined = nil
	if q.resolver.c.JoinedView == nil {
		return nil
	}
	return (*joinedView)(q)
}

// joinedView is a request whose session and user are read in one step.
type joinedView request

// LoadCached implements session.CheckLoader. It keeps the user for loadUser.
func (q *joinedView) LoadCached(ctx context.Context, id session.ID, now int64) (r *session.Record, err error) {
	r, q.joined, err = q.resolver.c.JoinedView(ctx, id, now)
	return r, err
}

// loadUser returns the user of the session, who may be signed in.
func (q *request) loadUser(ctx context.Context, id string) (*account.User, error) {
	if u := q.joined; u != nil && u.ID == id {
		return mayBeSignedIn(u, nil)
	}
	return q.resolver.load(ctx, id)
}
