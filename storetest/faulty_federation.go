package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type faultyLinks struct {
	store federation.Store
	plan  *FaultPlan
}

func (f faultyLinks) Add(ctx context.Context, l *federation.Link) error {
	return attempt(f.plan, "federation.Add", func() error { return f.store.Add(ctx, l) })
}

func (f faultyLinks) Find(ctx context.Context, issuer, subject string) (*federation.Link, error) {
	return value(f.plan, "federation.Find", func() (*federation.Link, error) { return f.store.Find(ctx, issuer, subject) })
}

func (f faultyLinks) List(ctx context.Context, user string) ([]*federation.Link, error) {
	return value(f.plan, "federation.List", func() ([]*federation.Link, error) { return f.store.List(ctx, user) })
}

func (f faultyLinks) Use(ctx context.Context, id string, at int64, email string) error {
	return attempt(f.plan, "federation.Use", func() error { return f.store.Use(ctx, id, at, email) })
}

func (f faultyLinks) Remove(ctx context.Context, user, id string, keep int) error {
	return attempt(f.plan, "federation.Remove", func() error { return f.store.Remove(ctx, user, id, keep) })
}

func (f faultyLinks) DeleteUser(ctx context.Context, user string) (int, error) {
	return value(f.plan, "federation.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user) })
}

func (f faultyLinks) AddLogin(ctx context.Context, o *federation.Login) error {
	return attempt(f.plan, "federation.AddLogin", func() error { return f.store.AddLogin(ctx, o) })
}

func (f faultyLinks) Logins(ctx context.Context, issuer, subject, sid string) ([]*federation.Login, error) {
	return value(f.plan, "federation.Logins", func() ([]*federation.Login, error) { return f.store.Logins(ctx, issuer, subject, sid) })
}

func (f faultyLinks) Login(ctx context.Context, session string) (*federation.Login, error) {
	return value(f.plan, "federation.Login", func() (*federation.Login, error) { return f.store.Login(ctx, session) })
}

func (f faultyLinks) Note(ctx context.Context, l *federation.Logout) (*federation.Logout, error) {
	return value(f.plan, "federation.Note", func() (*federation.Logout, error) { return f.store.Note(ctx, l) })
}

func (f faultyLinks) LoggedOut(ctx context.Context, issuer, subject, sid string) (int64, error) {
	return value(f.plan, "federation.LoggedOut", func() (int64, error) { return f.store.LoggedOut(ctx, issuer, subject, sid) })
}

func (f faultyLinks) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "federation.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}
