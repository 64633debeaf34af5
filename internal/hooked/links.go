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

func (h links) AddLogin(ctx context.Context, o *federation.Login) error {
	return h.hook(ctx, "federation.AddLogin", func() error { return h.store.AddLogin(ctx, o) })
}

func (h links) Logins(ctx context.Context, issuer, subject, sid string) ([]*federation.Login, error) {
	return result(ctx, h.hook, "federation.Logins", func() ([]*federation.Login, error) { return h.store.Logins(ctx, issuer, subject, sid) })
}

func (h links) Login(ctx context.Context, session string) (*federation.Login, error) {
	return result(ctx, h.hook, "federation.Login", func() (*federation.Login, error) { return h.store.Login(ctx, session) })
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
