package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
)

type accounts struct {
	store account.Store
	hook  Hook
}

func (h accounts) Create(ctx context.Context, u *account.User) error {
	return stored(ctx, h.hook, "account.Create", u, func() error { return h.store.Create(ctx, u) })
}

func (h accounts) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	return stored(ctx, h.hook, "account.CreateFirst", u, func() error { return h.store.CreateFirst(ctx, u, secretHash, now) })
}

func (h accounts) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	return h.hook(ctx, "account.SetSetup", func() error { return h.store.SetSetup(ctx, secretHash, expires) })
}

func (h accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	return h.hook(ctx, "account.SetReset", func() error { return h.store.SetReset(ctx, id, secretHash, expires) })
}

func (h accounts) DeleteAllSecrets(ctx context.Context) (int, error) {
	return result(ctx, h.hook, "account.DeleteAllSecrets", func() (int, error) { return h.store.DeleteAllSecrets(ctx) })
}

func (h accounts) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	return result(ctx, h.hook, "account.FindReset", func() (*account.User, error) { return h.store.FindReset(ctx, secretHash, now) })
}

func (h accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	return changed(ctx, h.hook, "account.SpendReset", change, func(change func(*account.User) error) (*account.User, error) {
		return h.store.SpendReset(ctx, secretHash, now, change)
	})
}

func (h accounts) Load(ctx context.Context, id string) (*account.User, error) {
	return result(ctx, h.hook, "account.Load", func() (*account.User, error) { return h.store.Load(ctx, id) })
}

func (h accounts) Find(ctx context.Context, key string) (*account.User, error) {
	return result(ctx, h.hook, "account.Find", func() (*account.User, error) { return h.store.Find(ctx, key) })
}

func (h accounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	return changed(ctx, h.hook, "account.Change", change, func(change func(*account.User) error) (*account.User, error) {
		return h.store.Change(ctx, id, change)
	})
}

func (h accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	return result(ctx, h.hook, "account.NoteSignIn", func() (*account.User, error) { return h.store.NoteSignIn(ctx, id, s) })
}

func (h accounts) Delete(ctx context.Context, id string) error {
	return h.hook(ctx, "account.Delete", func() error { return h.store.Delete(ctx, id) })
}

func (h accounts) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	return result(ctx, h.hook, "account.List", func() ([]*account.User, error) { return h.store.List(ctx, q) })
}

func (h accounts) Groups(ctx context.Context) ([]account.Group, error) {
	return result(ctx, h.hook, "account.Groups", func() ([]account.Group, error) { return h.store.Groups(ctx) })
}

func (h accounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	_, err := changed(ctx, h.hook, "account.Transact", do, func(do func(account.Tx) error) (struct{}, error) {
		return struct{}{}, h.store.Transact(ctx, do)
	})
	return err
}

func (h accounts) SetGroup(ctx context.Context, g account.Group) error {
	return h.hook(ctx, "account.SetGroup", func() error { return h.store.SetGroup(ctx, g) })
}

func (h accounts) DeleteGroup(ctx context.Context, name string) error {
	return h.hook(ctx, "account.DeleteGroup", func() error { return h.store.DeleteGroup(ctx, name) })
}
