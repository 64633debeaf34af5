package httpapi

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
)

// recheckedStore is an account store that calls check right before each write. It doesn't embed the store, so that every new
// method must be listed here as a read or a write.
type recheckedStore struct {
	store account.Store
	check func(context.Context) error
}

func (s recheckedStore) Create(ctx context.Context, u *account.User) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.Create(ctx, u)
}

func (s recheckedStore) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.CreateFirst(ctx, u, secretHash, now)
}

func (s recheckedStore) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.SetSetup(ctx, secretHash, expires)
}

func (s recheckedStore) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.SetReset(ctx, id, secretHash, expires)
}

func (s recheckedStore) DeleteAllSecrets(ctx context.Context) (int, error) {
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	return s.store.DeleteAllSecrets(ctx)
}

func (s recheckedStore) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.store.SpendReset(ctx, secretHash, now, change)
}

func (s recheckedStore) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.store.Change(ctx, id, change)
}

func (s recheckedStore) NoteSignIn(ctx context.Context, id string, note account.SignInUpdate) (*account.User, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.store.NoteSignIn(ctx, id, note)
}

func (s recheckedStore) Delete(ctx context.Context, id string) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.Delete(ctx, id)
}

func (s recheckedStore) Transact(ctx context.Context, do func(account.Tx) error) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.Transact(ctx, do)
}

func (s recheckedStore) SetGroup(ctx context.Context, g account.Group) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.SetGroup(ctx, g)
}

func (s recheckedStore) DeleteGroup(ctx context.Context, name string) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.store.DeleteGroup(ctx, name)
}

func (s recheckedStore) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	return s.store.FindReset(ctx, secretHash, now)
}

func (s recheckedStore) Load(ctx context.Context, id string) (*account.User, error) {
	return s.store.Load(ctx, id)
}

func (s recheckedStore) Find(ctx context.Context, key string) (*account.User, error) {
	return s.store.Find(ctx, key)
}

func (s recheckedStore) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	return s.store.List(ctx, q)
}

func (s recheckedStore) Groups(ctx context.Context) ([]account.Group, error) {
	return s.store.Groups(ctx)
}
