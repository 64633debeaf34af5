package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

type faultySessions struct {
	store session.Store
	plan  *FaultPlan
}

func (f faultySessions) Create(ctx context.Context, r *session.Record) error {
	return stored(f.plan, "session.Create", r, func(r *session.Record) error { return f.store.Create(ctx, r) })
}

func (f faultySessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	return value(f.plan, "session.Load", func() (*session.Record, error) { return f.store.Load(ctx, id) })
}

func (f faultySessions) Replace(ctx context.Context, old, new *session.Record) error {
	return stored(f.plan, "session.Replace", new, func(new *session.Record) error { return f.store.Replace(ctx, old, new) })
}

func (f faultySessions) Touch(ctx context.Context, uses []session.LastUse) error {
	return attempt(f.plan, "session.Touch", func() error { return f.store.Touch(ctx, uses) })
}

func (f faultySessions) Delete(ctx context.Context, id session.ID) error {
	return attempt(f.plan, "session.Delete", func() error { return f.store.Delete(ctx, id) })
}

func (f faultySessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	return value(f.plan, "session.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user, except) })
}

func (f faultySessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	return value(f.plan, "session.List", func() ([]*session.Record, error) { return f.store.List(ctx, q) })
}

func (f faultySessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "session.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}

type faultyAccounts struct {
	store account.Store
	plan  *FaultPlan
}

func (f faultyAccounts) Create(ctx context.Context, u *account.User) error {
	return stored(f.plan, "account.Create", u, func(u *account.User) error { return f.store.Create(ctx, u) })
}

func (f faultyAccounts) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	return stored(f.plan, "account.CreateFirst", u, func(u *account.User) error {
		return f.store.CreateFirst(ctx, u, secretHash, now)
	})
}

func (f faultyAccounts) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	return attempt(f.plan, "account.SetSetup", func() error { return f.store.SetSetup(ctx, secretHash, expires) })
}

func (f faultyAccounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	return attempt(f.plan, "account.SetReset", func() error { return f.store.SetReset(ctx, id, secretHash, expires) })
}

func (f faultyAccounts) DeleteLinks(ctx context.Context) (int, error) {
	return value(f.plan, "account.DeleteLinks", func() (int, error) { return f.store.DeleteLinks(ctx) })
}

func (f faultyAccounts) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	return value(f.plan, "account.FindReset", func() (*account.User, error) { return f.store.FindReset(ctx, secretHash, now) })
}

func (f faultyAccounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	return value(f.plan, "account.SpendReset", func() (*account.User, error) {
		return f.store.SpendReset(ctx, secretHash, now, change)
	})
}

func (f faultyAccounts) Load(ctx context.Context, id string) (*account.User, error) {
	return value(f.plan, "account.Load", func() (*account.User, error) { return f.store.Load(ctx, id) })
}

func (f faultyAccounts) Find(ctx context.Context, key string) (*account.User, error) {
	return value(f.plan, "account.Find", func() (*account.User, error) { return f.store.Find(ctx, key) })
}

func (f faultyAccounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	return value(f.plan, "account.Change", func() (*account.User, error) { return f.store.Change(ctx, id, change) })
}

func (f faultyAccounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	return value(f.plan, "account.NoteSignIn", func() (*account.User, error) { return f.store.NoteSignIn(ctx, id, s) })
}

func (f faultyAccounts) Delete(ctx context.Context, id string) error {
	return attempt(f.plan, "account.Delete", func() error { return f.store.Delete(ctx, id) })
}

func (f faultyAccounts) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	return value(f.plan, "account.List", func() ([]*account.User, error) { return f.store.List(ctx, q) })
}

func (f faultyAccounts) Groups(ctx context.Context) ([]account.Group, error) {
	return value(f.plan, "account.Groups", func() ([]account.Group, error) { return f.store.Groups(ctx) })
}

func (f faultyAccounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	return attempt(f.plan, "account.Transact", func() error { return f.store.Transact(ctx, do) })
}

func (f faultyAccounts) SetGroup(ctx context.Context, g account.Group) error {
	return attempt(f.plan, "account.SetGroup", func() error { return f.store.SetGroup(ctx, g) })
}

func (f faultyAccounts) DeleteGroup(ctx context.Context, name string) error {
	return attempt(f.plan, "account.DeleteGroup", func() error { return f.store.DeleteGroup(ctx, name) })
}

type faultyTokens struct {
	store token.Store
	plan  *FaultPlan
}

func (f faultyTokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	return stored(f.plan, "token.Create", r, func(r *token.Record) error { return f.store.Create(ctx, r, limit) })
}

func (f faultyTokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	return value(f.plan, "token.Load", func() (*token.Record, error) { return f.store.Load(ctx, id) })
}

func (f faultyTokens) Replace(ctx context.Context, old, new *token.Record) error {
	return stored(f.plan, "token.Replace", new, func(new *token.Record) error { return f.store.Replace(ctx, old, new) })
}

func (f faultyTokens) Touch(ctx context.Context, uses []token.LastUse) error {
	return attempt(f.plan, "token.Touch", func() error { return f.store.Touch(ctx, uses) })
}

func (f faultyTokens) Delete(ctx context.Context, id token.ID) error {
	return attempt(f.plan, "token.Delete", func() error { return f.store.Delete(ctx, id) })
}

func (f faultyTokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	return value(f.plan, "token.DeleteUser", func() (int, error) { return f.store.DeleteUser(ctx, user, kinds...) })
}

func (f faultyTokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	return value(f.plan, "token.List", func() ([]*token.Record, error) { return f.store.List(ctx, q) })
}

func (f faultyTokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "token.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}

type faultyThrottles struct {
	store throttle.Store
	plan  *FaultPlan
}

func (f faultyThrottles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	return attempt(f.plan, "throttle.Update", func() error { return f.store.Update(ctx, keys, change) })
}

func (f faultyThrottles) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "throttle.DeleteExpired", func() (int, error) { return f.store.DeleteExpired(ctx, now, limit) })
}

type faultyKeys struct {
	store sealed.Store
	plan  *FaultPlan
}

func (f faultyKeys) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	return value(f.plan, "sealed.Sealed", func() ([]sealed.Secret, error) { return f.store.Sealed(ctx) })
}

func (f faultyKeys) PutSealed(ctx context.Context, s []sealed.Secret) error {
	return attempt(f.plan, "sealed.PutSealed", func() error { return f.store.PutSealed(ctx, s) })
}

func (f faultyKeys) ReplaceSealed(ctx context.Context, s []sealed.Secret) error {
	return attempt(f.plan, "sealed.ReplaceSealed", func() error { return f.store.ReplaceSealed(ctx, s) })
}

func (f faultyKeys) AddSealed(ctx context.Context, s sealed.Secret) (sealed.Secret, error) {
	return value(f.plan, "sealed.AddSealed", func() (sealed.Secret, error) { return f.store.AddSealed(ctx, s) })
}
