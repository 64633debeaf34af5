package httpapi

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
)

// judgedStore is a store of accounts that has the caller judged right before each write. It embeds nothing, so that a new
// method has to say whether it writes.
type judgedStore struct {
	store account.Store
	judge func(context.Context) error
}

func (s judgedStore) Create(ctx context.Context, u *account.User) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.Create(ctx, u)
}

func (s judgedStore) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.CreateFirst(ctx, u, secretHash, now)
}

func (s judgedStore) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.SetSetup(ctx, secretHash, expires)
}

func (s judgedStore) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.SetReset(ctx, id, secretHash, expires)
}

func (s judgedStore) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	if err := s.judge(ctx); err != nil {
		return nil, err
	}
	return s.store.SpendReset(ctx, secretHash, now, change)
}

func (s judgedStore) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	if err := s.judge(ctx); err != nil {
		return nil, err
	}
	return s.store.Change(ctx, id, change)
}

func (s judgedStore) NoteSignIn(ctx context.Context, id string, note account.SignIn) (*account.User, error) {
	if err := s.judge(ctx); err != nil {
		return nil, err
	}
	return s.store.NoteSignIn(ctx, id, note)
}

func (s judgedStore) Delete(ctx context.Context, id string) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.Delete(ctx, id)
}

func (s judgedStore) Transact(ctx context.Context, do func(account.Tx) error) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.Transact(ctx, do)
}

func (s judgedStore) SetGroup(ctx context.Context, g account.Group) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.SetGroup(ctx, g)
}

func (s judgedStore) DeleteGroup(ctx context.Context, name string) error {
	if err := s.judge(ctx); err != nil {
		return err
	}
	return s.store.DeleteGroup(ctx, name)
}

func (s judgedStore) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	return s.store.FindReset(ctx, secretHash, now)
}

func (s judgedStore) Load(ctx context.Context, id string) (*account.User, error) {
	return s.store.Load(ctx, id)
}

func (s judgedStore) Find(ctx context.Context, key string) (*account.User, error) {
	return s.store.Find(ctx, key)
}

func (s judgedStore) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	return s.store.List(ctx, q)
}

func (s judgedStore) Groups(ctx context.Context) ([]account.Group, error) { return s.store.Groups(ctx) }
