package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
)

type sessions struct {
	store session.Store
	hook  Hook
}

func (h sessions) Create(ctx context.Context, r *session.Record) error {
	return stored(ctx, h.hook, "session.Create", r, func() error { return h.store.Create(ctx, r) })
}

func (h sessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	return result(ctx, h.hook, "session.Load", func() (*session.Record, error) { return h.store.Load(ctx, id) })
}

func (h sessions) Replace(ctx context.Context, old, new *session.Record) error {
	return stored(ctx, h.hook, "session.Replace", new, func() error { return h.store.Replace(ctx, old, new) })
}

func (h sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	return h.hook(ctx, "session.Touch", func() error { return h.store.Touch(ctx, uses) })
}

func (h sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := h.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover, under the name of Delete.
func (h sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	return result(ctx, h.hook, "session.Delete", func() (bool, error) { return removal.Remove(ctx, h.store, id) })
}

func (h sessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	return result(ctx, h.hook, "session.DeleteUser", func() (int, error) { return h.store.DeleteUser(ctx, user, except) })
}

// DeleteUsers is DeleteUser for many users, under the name of DeleteUser.
func (h sessions) DeleteUsers(ctx context.Context, users []string) (map[string]int, error) {
	return result(ctx, h.hook, "session.DeleteUser", func() (map[string]int, error) { return removal.Sessions(ctx, h.store, users) })
}

func (h sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	return result(ctx, h.hook, "session.List", func() ([]*session.Record, error) { return h.store.List(ctx, q) })
}

func (h sessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "session.DeleteExpired", func() (int, error) { return h.store.DeleteExpired(ctx, now, limit) })
}
