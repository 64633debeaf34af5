package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/token"
)

type tokens struct {
	store token.Store
	hook  Hook
}

func (h tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	return stored(ctx, h.hook, "token.Create", r, func() error { return h.store.Create(ctx, r, limit) })
}

func (h tokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	return result(ctx, h.hook, "token.Load", func() (*token.Record, error) { return h.store.Load(ctx, id) })
}

func (h tokens) Replace(ctx context.Context, old, new *token.Record) error {
	return stored(ctx, h.hook, "token.Replace", new, func() error { return h.store.Replace(ctx, old, new) })
}

func (h tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	return h.hook(ctx, "token.Touch", func() error { return h.store.Touch(ctx, uses) })
}

func (h tokens) Delete(ctx context.Context, id token.ID) error {
	return h.hook(ctx, "token.Delete", func() error { return h.store.Delete(ctx, id) })
}

func (h tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	return result(ctx, h.hook, "token.DeleteUser", func() (int, error) { return h.store.DeleteUser(ctx, user, kinds...) })
}

// DeleteUsers is DeleteUser for many users, under the name of DeleteUser.
func (h tokens) DeleteUsers(ctx context.Context, users []string, kinds ...token.Kind) (map[string]int, error) {
	return result(ctx, h.hook, "token.DeleteUser", func() (map[string]int, error) {
		return removal.Tokens(ctx, h.store, users, kinds...)
	})
}

func (h tokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	return result(ctx, h.hook, "token.List", func() ([]*token.Record, error) { return h.store.List(ctx, q) })
}

func (h tokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "token.DeleteExpired", func() (int, error) { return h.store.DeleteExpired(ctx, now, limit) })
}
