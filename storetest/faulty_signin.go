package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/signin"
)

type faultyFactors struct {
	store factor.Store
	plan  *FaultPlan
}

func (f faultyFactors) Load(ctx context.Context, user string) (*factor.Profile, error) {
	return value(f.plan, "factor.Load", func() (*factor.Profile, error) { return f.store.Load(ctx, user) })
}

func (f faultyFactors) FindCredential(ctx context.Context, credential []byte) (*factor.Factor, error) {
	return value(f.plan, "factor.FindCredential", func() (*factor.Factor, error) { return f.store.FindCredential(ctx, credential) })
}

func (f faultyFactors) Add(ctx context.Context, n *factor.Factor) error {
	return attempt(f.plan, "factor.Add", func() error { return f.store.Add(ctx, n) })
}

func (f faultyFactors) SetState(ctx context.Context, id string, from, to factor.State, epoch string) error {
	return attempt(f.plan, "factor.SetState", func() error { return f.store.SetState(ctx, id, from, to, epoch) })
}

func (f faultyFactors) Use(ctx context.Context, id string, u factor.LastUse) error {
	return attempt(f.plan, "factor.Use", func() error { return f.store.Use(ctx, id, u) })
}

func (f faultyFactors) Rename(ctx context.Context, id, name string) error {
	return attempt(f.plan, "factor.Rename", func() error { return f.store.Rename(ctx, id, name) })
}

func (f faultyFactors) Delete(ctx context.Context, id string) error {
	return attempt(f.plan, "factor.Delete", func() error { return f.store.Delete(ctx, id) })
}

func (f faultyFactors) List(ctx context.Context, kind factor.Kind, after string, limit int) ([]*factor.Factor, error) {
	return value(f.plan, "factor.List", func() ([]*factor.Factor, error) { return f.store.List(ctx, kind, after, limit) })
}

func (f faultyFactors) ReplaceData(ctx context.Context, id string, old, new []byte) (bool, error) {
	return value(f.plan, "factor.ReplaceData", func() (bool, error) { return f.store.ReplaceData(ctx, id, old, new) })
}

func (f faultyFactors) DeleteUser(ctx context.Context, user string) (int, error) {
	return value(f.plan, "factor.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user) })
}

func (f faultyFactors) SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error {
	return attempt(f.plan, "factor.SetRecoveryCodes", func() error { return f.store.SetRecoveryCodes(ctx, user, hashes) })
}

func (f faultyFactors) SpendRecoveryCode(ctx context.Context, user string, hash [32]byte) (int, error) {
	return value(f.plan, "factor.SpendRecoveryCode", func() (int, error) { return f.store.SpendRecoveryCode(ctx, user, hash) })
}

func (f faultyFactors) AddHandle(ctx context.Context, user string, handle []byte) ([]byte, error) {
	return value(f.plan, "factor.AddHandle", func() ([]byte, error) { return f.store.AddHandle(ctx, user, handle) })
}

func (f faultyFactors) FindHandle(ctx context.Context, handle []byte) (string, error) {
	return value(f.plan, "factor.FindHandle", func() (string, error) { return f.store.FindHandle(ctx, handle) })
}

func (f faultyFactors) SetSecondStep(ctx context.Context, user string, on bool) error {
	return attempt(f.plan, "factor.SetSecondStep", func() error { return f.store.SetSecondStep(ctx, user, on) })
}

type faultySignins struct {
	store signin.Store
	plan  *FaultPlan
}

func (f faultySignins) Create(ctx context.Context, p *signin.Pending, most int) error {
	return attempt(f.plan, "signin.Create", func() error { return f.store.Create(ctx, p, most) })
}

func (f faultySignins) Load(ctx context.Context, id signin.ID) (*signin.Pending, error) {
	return value(f.plan, "signin.Load", func() (*signin.Pending, error) { return f.store.Load(ctx, id) })
}

func (f faultySignins) Fail(ctx context.Context, id signin.ID) (int, error) {
	return value(f.plan, "signin.Fail", func() (int, error) { return f.store.Fail(ctx, id) })
}

func (f faultySignins) Spend(ctx context.Context, id signin.ID) error {
	return attempt(f.plan, "signin.Spend", func() error { return f.store.Spend(ctx, id) })
}

func (f faultySignins) Mark(ctx context.Context, hash [32]byte, expires int64) error {
	return attempt(f.plan, "signin.Mark", func() error { return f.store.Mark(ctx, hash, expires) })
}

func (f faultySignins) DeleteUser(ctx context.Context, user string) (int, error) {
	return value(f.plan, "signin.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user) })
}

func (f faultySignins) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "signin.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}
