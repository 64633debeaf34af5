package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type faultyGrants struct {
	store federation.GrantStore
	plan  *FaultPlan
}

func (f faultyGrants) Put(ctx context.Context, g *federation.Grant) error {
	return attempt(f.plan, "grant.Put", func() error { return f.store.Put(ctx, g) })
}

func (f faultyGrants) Get(ctx context.Context, session string) (*federation.Grant, error) {
	return value(f.plan, "grant.Get", func() (*federation.Grant, error) { return f.store.Get(ctx, session) })
}

func (f faultyGrants) Swap(ctx context.Context, old, new *federation.Grant) error {
	return attempt(f.plan, "grant.Swap", func() error { return f.store.Swap(ctx, old, new) })
}

func (f faultyGrants) Delete(ctx context.Context, g *federation.Grant) error {
	return attempt(f.plan, "grant.Delete", func() error { return f.store.Delete(ctx, g) })
}

func (f faultyGrants) List(ctx context.Context, user, after string, limit int) ([]*federation.Grant, error) {
	return value(f.plan, "grant.List", func() ([]*federation.Grant, error) { return f.store.List(ctx, user, after, limit) })
}

func (f faultyGrants) Due(ctx context.Context, now int64, limit int) ([]*federation.Grant, error) {
	return value(f.plan, "grant.Due", func() ([]*federation.Grant, error) { return f.store.Due(ctx, now, limit) })
}
