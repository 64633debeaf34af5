package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type grants struct {
	store federation.GrantStore
	hook  Hook
}

func (h grants) Put(ctx context.Context, g *federation.Grant) error {
	return h.hook(ctx, "grant.Put", func() error { return h.store.Put(ctx, g) })
}

func (h grants) Get(ctx context.Context, session string) (*federation.Grant, error) {
	return result(ctx, h.hook, "grant.Get", func() (*federation.Grant, error) { return h.store.Get(ctx, session) })
}

func (h grants) Swap(ctx context.Context, old, new *federation.Grant) error {
	return h.hook(ctx, "grant.Swap", func() error { return h.store.Swap(ctx, old, new) })
}

func (h grants) Delete(ctx context.Context, g *federation.Grant) error {
	return h.hook(ctx, "grant.Delete", func() error { return h.store.Delete(ctx, g) })
}

func (h grants) List(ctx context.Context, user, after string, limit int) ([]*federation.Grant, error) {
	return result(ctx, h.hook, "grant.List", func() ([]*federation.Grant, error) { return h.store.List(ctx, user, after, limit) })
}

func (h grants) Due(ctx context.Context, now int64, limit int) ([]*federation.Grant, error) {
	return result(ctx, h.hook, "grant.Due", func() ([]*federation.Grant, error) { return h.store.Due(ctx, now, limit) })
}
