package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

type secrets struct {
	store sealed.Store
	hook  Hook
}

func (h secrets) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	return result(ctx, h.hook, "sealed.Sealed", func() ([]sealed.Secret, error) { return h.store.Sealed(ctx) })
}

func (h secrets) PutSealed(ctx context.Context, s []sealed.Secret) error {
	return h.hook(ctx, "sealed.PutSealed", func() error { return h.store.PutSealed(ctx, s) })
}

func (h secrets) ReplaceAllSealed(ctx context.Context, s []sealed.Secret) error {
	return h.hook(ctx, "sealed.ReplaceAllSealed", func() error { return h.store.ReplaceAllSealed(ctx, s) })
}

func (h secrets) AddSealed(ctx context.Context, s sealed.Secret) (sealed.Secret, error) {
	return result(ctx, h.hook, "sealed.AddSealed", func() (sealed.Secret, error) { return h.store.AddSealed(ctx, s) })
}
