package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/signin"
)

type signins struct {
	store signin.Store
	hook  Hook
}

func (h signins) Create(ctx context.Context, p *signin.Pending, most int) error {
	return h.hook(ctx, "signin.Create", func() error { return h.store.Create(ctx, p, most) })
}

func (h signins) Load(ctx context.Context, id signin.ID) (*signin.Pending, error) {
	return result(ctx, h.hook, "signin.Load", func() (*signin.Pending, error) { return h.store.Load(ctx, id) })
}

func (h signins) Fail(ctx context.Context, id signin.ID) (int, error) {
	return result(ctx, h.hook, "signin.Fail", func() (int, error) { return h.store.Fail(ctx, id) })
}

func (h signins) Spend(ctx context.Context, id signin.ID) error {
	return h.hook(ctx, "signin.Spend", func() error { return h.store.Spend(ctx, id) })
}

func (h signins) MarkSpent(ctx context.Context, hash [32]byte, expires int64) error {
	return h.hook(ctx, "signin.MarkSpent", func() error { return h.store.MarkSpent(ctx, hash, expires) })
}

func (h signins) DeleteUser(ctx context.Context, user string) (int, error) {
	return result(ctx, h.hook, "signin.DeleteUser", func() (int, error) { return h.store.DeleteUser(ctx, user) })
}

func (h signins) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "signin.DeleteExpired", func() (int, error) { return h.store.DeleteExpired(ctx, now, limit) })
}
