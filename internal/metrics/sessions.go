package metrics

import (
	"context"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/session"
)

// sessions measures the calls of a store of sessions.
type sessions struct {
	session.Store
	m *Metrics
}

var sessionAnswers = oneOf(session.ErrNotFound, session.ErrExists, session.ErrConflict)

// Sessions returns the store with its calls measured.
func (m *Metrics) Sessions(s session.Store) session.Store {
	if m == nil {
		return s
	}
	return sessions{s, m}
}

func (s sessions) call(name string, do func() error) error {
	return s.m.call("sessions", name, sessionAnswers, do)
}

func (s sessions) Create(ctx context.Context, r *session.Record) error {
	return s.call("create", func() error { return s.Store.Create(ctx, r) })
}

func (s sessions) Load(ctx context.Context, id session.ID) (r *session.Record, err error) {
	reqinfo.NoteStored(ctx)
	err = s.call("load", func() error { r, err = s.Store.Load(ctx, id); return err })
	return r, err
}

// JoinedView returns the read of sessions with their users measured, as a load of a session; nil for nil.
func (m *Metrics) JoinedView(read func(context.Context, session.ID, int64) (*session.Record, *account.User, error)) func(context.Context, session.ID, int64) (*session.Record, *account.User, error) {
	if m == nil || read == nil {
		return read
	}
	return func(ctx context.Context, id session.ID, now int64) (r *session.Record, u *account.User, err error) {
		reqinfo.NoteStored(ctx)
		err = m.call("sessions", "load", sessionAnswers, func() error { r, u, err = read(ctx, id, now); return err })
		return r, u, err
	}
}

func (s sessions) Replace(ctx context.Context, old, new *session.Record) error {
	return s.call("replace", func() error { return written(ctx, func() error { return s.Store.Replace(ctx, old, new) }) })
}

func (s sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	return s.call("touch", func() error { return s.Store.Touch(ctx, uses) })
}

func (s sessions) Delete(ctx context.Context, id session.ID) error {
	return s.call("delete", func() error { return written(ctx, func() error { return s.Store.Delete(ctx, id) }) })
}

func (s sessions) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = s.call("delete_user", func() error {
		return written(ctx, func() error { n, err = s.Store.DeleteUser(ctx, user, except); return err })
	})
	return n, err
}

func (s sessions) List(ctx context.Context, q session.Query) (all []*session.Record, err error) {
	err = s.call("list", func() error { all, err = s.Store.List(ctx, q); return err })
	return all, err
}

func (s sessions) DeleteExpired(ctx context.Context, now int64, limit int) (n int, err error) {
	err = s.call("delete_expired", func() error { n, err = s.Store.DeleteExpired(ctx, now, limit); return err })
	return n, err
}

// revocations measures how long it takes to end sessions. It wraps the cache.
type revocations struct {
	session.Store
	m *Metrics
}

// seen is a revocations whose store is a session.CheckLoader.
type seen struct {
	revocations
	session.CheckLoader
}

// Revocations returns the store with each call measured that ends a session. It wraps the fence, which wraps [Metrics.Sessions]:
// the difference is how long the fence waited.
func (m *Metrics) Revocations(s session.Store) session.Store {
	if m == nil {
		return s
	}
	r := revocations{s, m}
	if v, ok := s.(session.CheckLoader); ok {
		return seen{r, v}
	}
	return r
}

func (r revocations) Replace(ctx context.Context, old, new *session.Record) error {
	if new.ID == old.ID {
		return r.Store.Replace(ctx, old, new)
	}
	return r.m.revoke(ctx, func(ctx context.Context) error { return r.Store.Replace(ctx, old, new) })
}

func (r revocations) Delete(ctx context.Context, id session.ID) error {
	return r.m.revoke(ctx, func(ctx context.Context) error { return r.Store.Delete(ctx, id) })
}

func (r revocations) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = r.m.revoke(ctx, func(ctx context.Context) error { n, err = r.Store.DeleteUser(ctx, user, except); return err })
	return n, err
}

// writing is the context key of how long the store took to write a revocation.
type writing struct{}

// revoke measures a revocation, and how much of its time was not spent in the store.
func (m *Metrics) revoke(ctx context.Context, do func(context.Context) error) error {
	var wrote time.Duration
	began := time.Now()
	err := do(context.WithValue(ctx, writing{}, &wrote))
	if err == nil {
		took := time.Since(began)
		m.lag.Observe(took.Seconds())
		m.waits.Observe((took - wrote).Seconds())
	}
	return err
}

// written measures a write for revoke.
func written(ctx context.Context, write func() error) error {
	began := time.Now()
	err := write()
	if wrote, ok := ctx.Value(writing{}).(*time.Duration); ok {
		*wrote += time.Since(began)
	}
	return err
}
