package auth

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

// JoinedView reads a session for a check, as a session.Viewer does, and its user in the same step. u is nil if the user wasn't read,
// or doesn't exist: then the user is read by itself. Both are shared: don't change them. Both are from one state of the stores that
// includes every change acknowledged before the call, but for the times of uses and sign-ins, which may be older.
type JoinedView func(ctx context.Context, id session.ID, now int64) (r *session.Record, u *account.User, err error)

// JoinViews returns a JoinedView for two stores in the same database; nil if they can't do that. Such a session.Store has a method
// JoinedView, which knows whether the account.Store is one of its own database, and returns nil if it isn't. ErrNotFound is
// that of sessions.
func JoinViews(sessions session.Store, accounts account.Store) JoinedView {
	s, ok := sessions.(interface {
		JoinedView(account.Store) func(context.Context, session.ID) (*session.Record, *account.User, error)
	})
	if !ok {
		return nil
	}
	read := s.JoinedView(accounts)
	if read == nil {
		return nil
	}
	return func(ctx context.Context, id session.ID, _ int64) (*session.Record, *account.User, error) {
		ctx, cancel := resilience.LimitCheck(ctx)
		defer cancel()
		return read(ctx, id)
	}
}

// viewer returns what reads the session; nil: its store does.
func (q *request) viewer() session.Viewer {
	q.joined = nil
	if q.resolver.c.JoinedView == nil {
		return nil
	}
	return (*joinedView)(q)
}

// joinedView is a request whose session and user are read in one step.
type joinedView request

// View implements session.Viewer. It keeps the user for loadUser.
func (q *joinedView) View(ctx context.Context, id session.ID, now int64) (r *session.Record, err error) {
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
