package metrics

import (
	"context"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
)

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

// Revocations returns the store with each call measured that ends a session. It wraps the fence, which wraps the store of [Metrics.Stores]:
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
	_, err := r.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover.
func (r revocations) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	err = r.m.revoke(ctx, func(ctx context.Context) error { removed, err = removal.Remove(ctx, r.Store, id); return err })
	return removed, err
}

func (r revocations) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = r.m.revoke(ctx, func(ctx context.Context) error { n, err = r.Store.DeleteUser(ctx, user, except); return err })
	return n, err
}

// DeleteUsers is DeleteUser for many users.
func (r revocations) DeleteUsers(ctx context.Context, users []string) (n map[string]int, err error) {
	err = r.m.revoke(ctx, func(ctx context.Context) error { n, err = removal.Sessions(ctx, r.Store, users); return err })
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

// noteWritten tells revoke how long the store took.
func noteWritten(ctx context.Context, took time.Duration) {
	if wrote, ok := ctx.Value(writing{}).(*time.Duration); ok {
		*wrote += took
	}
}
