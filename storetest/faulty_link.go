package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/link"
)

type faultyLinks struct {
	store link.Store
	plan  *Plan
}

func (f faultyLinks) Add(ctx context.Context, l *link.Link) error {
	return attempt(f.plan, "link.Add", func() error { return f.store.Add(ctx, l) })
}

func (f faultyLinks) Find(ctx context.Context, issuer, subject string) (*link.Link, error) {
	return value(f.plan, "link.Find", func() (*link.Link, error) { return f.store.Find(ctx, issuer, subject) })
}

func (f faultyLinks) List(ctx context.Context, user string) ([]*link.Link, error) {
	return value(f.plan, "link.List", func() ([]*link.Link, error) { return f.store.List(ctx, user) })
}

func (f faultyLinks) Use(ctx context.Context, id string, at int64, email string) error {
	return attempt(f.plan, "link.Use", func() error { return f.store.Use(ctx, id, at, email) })
}

func (f faultyLinks) Remove(ctx context.Context, user, id string, keep int) error {
	return attempt(f.plan, "link.Remove", func() error { return f.store.Remove(ctx, user, id, keep) })
}

func (f faultyLinks) DeleteUser(ctx context.Context, user string) (int, error) {
	return value(f.plan, "link.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user) })
}

func (f faultyLinks) AddOrigin(ctx context.Context, o *link.Origin) error {
	return attempt(f.plan, "link.AddOrigin", func() error { return f.store.AddOrigin(ctx, o) })
}

func (f faultyLinks) Origins(ctx context.Context, issuer, subject, sid string) ([]*link.Origin, error) {
	return value(f.plan, "link.Origins", func() ([]*link.Origin, error) { return f.store.Origins(ctx, issuer, subject, sid) })
}

func (f faultyLinks) Origin(ctx context.Context, session string) (*link.Origin, error) {
	return value(f.plan, "link.Origin", func() (*link.Origin, error) { return f.store.Origin(ctx, session) })
}

func (f faultyLinks) Note(ctx context.Context, l *link.Logout) (*link.Logout, error) {
	return value(f.plan, "link.Note", func() (*link.Logout, error) { return f.store.Note(ctx, l) })
}

func (f faultyLinks) LoggedOut(ctx context.Context, issuer, subject, sid string) (int64, error) {
	return value(f.plan, "link.LoggedOut", func() (int64, error) { return f.store.LoggedOut(ctx, issuer, subject, sid) })
}

func (f faultyLinks) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "link.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}
