package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type links struct {
	store federation.Store
	hook  Hook
}

func (h links) Add(ctx context.Context, l *federation.Link) error {
	return h.hook(ctx, "federation.Add", func() error { return h.store.Add(ctx, l) })
}

func (h links) Find(ctx context.Context, issuer, subject string) (*federation.Link, error) {
	return result(ctx, h.hook, "federation.Find", func() (*federation.Link, error) { return h.store.Find(ctx, issuer, subject) })
}

func (h links) List(ctx context.Context, user string) ([]*federation.Link, error) {
	return result(ctx, h.hook, "federation.List", func() ([]*federation.Link, error) { return h.store.List(ctx, user) })
}

func (h links) Use(ctx context.Context, id string, at int64, email string) error {
	return h.hook(ctx, "federation.Use", func() error { return h.store.Use(ctx, id, at, email) })
}

func (h links) Remove(ctx context.Context, user, id string, keep int) error {
	return h.hook(ctx, "federation.Remove", func() error { return h.store.Remove(ctx, user, id, keep) })
}

func (h links) DeleteUser(ctx context.Context, user string) (int, error) {
	return result(ctx, h.hook, "federation.DeleteUser", func() (int, error) { return h.store.DeleteUser(ctx, user) })
}

func (h links) AddOrigin(ctx context.Context, o *federation.SessionOrigin) error {
	return h.hook(ctx, "federation.AddOrigin", func() error { return h.store.AddOrigin(ctx, o) })
}

func (h links) Origins(ctx context.Context, issuer, subject, sid string) ([]*federation.SessionOrigin, error) {
	return result(ctx, h.hook, "federation.Origins", func() ([]*federation.SessionOrigin, error) { return h.store.Origins(ctx, issuer, subject, sid) })
}

func (h links) Origin(ctx context.Context, session string) (*federation.SessionOrigin, error) {
	return result(ctx, h.hook, "federation.Origin", func() (*federation.SessionOrigin, error) { return h.store.Origin(ctx, session) })
}

func (h links) Note(ctx context.Context, l *federation.Logout) (*federation.Logout, error) {
	return result(ctx, h.hook, "federation.Note", func() (*federation.Logout, error) { return h.store.Note(ctx, l) })
}

func (h links) LoggedOut(ctx context.Context, issuer, subject, sid string) (int64, error) {
	return result(ctx, h.hook, "federation.LoggedOut", func() (int64, error) { return h.store.LoggedOut(ctx, issuer, subject, sid) })
}

func (h links) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "federation.DeleteExpired", func() (int, error) { return h.store.DeleteExpired(ctx, now, limit) })
}
