package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/factor"
)

type factors struct {
	store factor.Store
	hook  Hook
}

func (h factors) Load(ctx context.Context, user string) (*factor.Profile, error) {
	return result(ctx, h.hook, "factor.Load", func() (*factor.Profile, error) { return h.store.Load(ctx, user) })
}

func (h factors) FindCredential(ctx context.Context, credential []byte) (*factor.Factor, error) {
	return result(ctx, h.hook, "factor.FindCredential", func() (*factor.Factor, error) { return h.store.FindCredential(ctx, credential) })
}

func (h factors) Add(ctx context.Context, n *factor.Factor) error {
	return h.hook(ctx, "factor.Add", func() error { return h.store.Add(ctx, n) })
}

func (h factors) SetState(ctx context.Context, id string, from, to factor.State, epoch string) error {
	return h.hook(ctx, "factor.SetState", func() error { return h.store.SetState(ctx, id, from, to, epoch) })
}

func (h factors) Use(ctx context.Context, id string, u factor.LastUse) error {
	return h.hook(ctx, "factor.Use", func() error { return h.store.Use(ctx, id, u) })
}

func (h factors) Rename(ctx context.Context, id, name string) error {
	return h.hook(ctx, "factor.Rename", func() error { return h.store.Rename(ctx, id, name) })
}

func (h factors) Delete(ctx context.Context, id string) error {
	return h.hook(ctx, "factor.Delete", func() error { return h.store.Delete(ctx, id) })
}

func (h factors) List(ctx context.Context, kind factor.Kind, after string, limit int) ([]*factor.Factor, error) {
	return result(ctx, h.hook, "factor.List", func() ([]*factor.Factor, error) { return h.store.List(ctx, kind, after, limit) })
}

func (h factors) ReplaceData(ctx context.Context, id string, old, new []byte) (bool, error) {
	return result(ctx, h.hook, "factor.ReplaceData", func() (bool, error) { return h.store.ReplaceData(ctx, id, old, new) })
}

func (h factors) DeleteUser(ctx context.Context, user string) (int, error) {
	return result(ctx, h.hook, "factor.DeleteUser", func() (int, error) { return h.store.DeleteUser(ctx, user) })
}

func (h factors) SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error {
	return h.hook(ctx, "factor.SetRecoveryCodes", func() error { return h.store.SetRecoveryCodes(ctx, user, hashes) })
}

func (h factors) SpendRecoveryCode(ctx context.Context, user string, hash [32]byte) (int, error) {
	return result(ctx, h.hook, "factor.SpendRecoveryCode", func() (int, error) { return h.store.SpendRecoveryCode(ctx, user, hash) })
}

func (h factors) AddHandle(ctx context.Context, user string, handle []byte) ([]byte, error) {
	return result(ctx, h.hook, "factor.AddHandle", func() ([]byte, error) { return h.store.AddHandle(ctx, user, handle) })
}

func (h factors) FindHandle(ctx context.Context, handle []byte) (string, error) {
	return result(ctx, h.hook, "factor.FindHandle", func() (string, error) { return h.store.FindHandle(ctx, handle) })
}

func (h factors) SetSecondStep(ctx context.Context, user string, on bool) error {
	return h.hook(ctx, "factor.SetSecondStep", func() error { return h.store.SetSecondStep(ctx, user, on) })
}
