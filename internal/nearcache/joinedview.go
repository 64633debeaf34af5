package nearcache

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// JoinedView reads a session and its user in one step, and returns the error for the session. u is nil if there is no such user,
// or if it was not read.
type JoinedView = func(ctx context.Context, id session.ID, now int64) (r *session.Record, u *account.User, err error)

// JoinedView returns read behind the cache, for the stores that Sessions and Accounts were called with; nil for nil. A session from
// memory comes without its user, who is in memory too.
func (c *Cache) JoinedView(read JoinedView) JoinedView {
	if read == nil {
		return nil
	}
	return joinedView{c.sessions, c.accounts, read}.view
}

type joinedView struct {
	sessions *sessions
	accounts *accounts
	read     JoinedView
}

func (t joinedView) view(ctx context.Context, id session.ID, now int64) (*session.Record, *account.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	r, err, live := t.sessions.view.cached(id, now)
	if r != nil || err != nil {
		return r, nil, err
	}
	return t.miss(ctx, id, now, live)
}

// miss reads both from the store and caches both. Where several callers miss the same session, one reads for all.
func (t joinedView) miss(ctx context.Context, id session.ID, now int64, live bool) (r *session.Record, u *account.User, err error) {
	load := func(ctx context.Context, id session.ID) (r *session.Record, err error) {
		begun := t.accounts.cache.beginRead()
		if r, u, err = t.read(ctx, id, now); err == nil && u != nil {
			t.accounts.view.keep(begun, u)
		}
		return r, err
	}
	if live {
		r, err = t.sessions.view.readShared(ctx, id, now, load)
	} else {
		r, err = t.sessions.view.read(ctx, id, load)
	}
	return r, u, err
}
