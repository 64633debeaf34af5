package metrics

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// accounts measures the calls of a store of accounts that requests wait for.
type accounts struct {
	account.Store
	m *Metrics
}

// Accounts returns the store with its calls measured.
func (m *Metrics) Accounts(s account.Store) account.Store {
	if m == nil {
		return s
	}
	return accounts{s, m}
}

func (a accounts) call(name string, do func() error) error {
	return a.m.call("accounts", name, oneOf(account.ErrNotFound), do)
}

func (a accounts) Load(ctx context.Context, id string) (u *account.User, err error) {
	reqinfo.NoteStored(ctx)
	err = a.call("load", func() error { u, err = a.Store.Load(ctx, id); return err })
	return u, err
}

func (a accounts) Find(ctx context.Context, key string) (u *account.User, err error) {
	err = a.call("find", func() error { u, err = a.Store.Find(ctx, key); return err })
	return u, err
}

func (a accounts) List(ctx context.Context, q account.Query) (all []*account.User, err error) {
	err = a.call("list", func() error { all, err = a.Store.List(ctx, q); return err })
	return all, err
}

// NoteSignIn is measured as a change.
func (a accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (u *account.User, err error) {
	err = a.call("change", func() error { u, err = a.Store.NoteSignIn(ctx, id, s); return err })
	return u, err
}

// Change doesn't count an error of the change function as an outage.
func (a accounts) Change(ctx context.Context, id string, change func(*account.User) error) (u *account.User, err error) {
	var refused error
	answers := func(err error) bool {
		_, taken := errors.AsType[*account.TakenError](err)
		return taken || errors.Is(err, account.ErrNotFound) || refused != nil && errors.Is(err, refused)
	}
	err = a.m.call("accounts", "change", answers, func() error {
		u, err = a.Store.Change(ctx, id, func(u *account.User) error { refused = change(u); return refused })
		return err
	})
	return u, err
}
