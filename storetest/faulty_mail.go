package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/mail"
)

type faultyMail struct {
	store mail.Store
	plan  *FaultPlan
}

func (f faultyMail) Put(ctx context.Context, q *mail.Queued) error {
	return attempt(f.plan, "mail.Put", func() error { return f.store.Put(ctx, q) })
}

func (f faultyMail) Claim(ctx context.Context, now, until int64) (*mail.Queued, error) {
	return value(f.plan, "mail.Claim", func() (*mail.Queued, error) { return f.store.Claim(ctx, now, until) })
}

func (f faultyMail) Postpone(ctx context.Context, id string, due int64) error {
	return attempt(f.plan, "mail.Postpone", func() error { return f.store.Postpone(ctx, id, due) })
}

func (f faultyMail) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	return value(f.plan, "mail.Replace", func() (bool, error) { return f.store.Replace(ctx, id, old, new) })
}

func (f faultyMail) Delete(ctx context.Context, id string) error {
	return attempt(f.plan, "mail.Delete", func() error { return f.store.Delete(ctx, id) })
}

func (f faultyMail) List(ctx context.Context, after string, limit int) ([]*mail.Queued, error) {
	return value(f.plan, "mail.List", func() ([]*mail.Queued, error) { return f.store.List(ctx, after, limit) })
}

func (f faultyMail) PutSecret(ctx context.Context, s *mail.LinkSecret) error {
	return attempt(f.plan, "mail.PutSecret", func() error { return f.store.PutSecret(ctx, s) })
}

func (f faultyMail) FindSecret(ctx context.Context, hash [32]byte) (*mail.LinkSecret, error) {
	return value(f.plan, "mail.FindSecret", func() (*mail.LinkSecret, error) { return f.store.FindSecret(ctx, hash) })
}

func (f faultyMail) SpendSecret(ctx context.Context, hash [32]byte) error {
	return attempt(f.plan, "mail.SpendSecret", func() error { return f.store.SpendSecret(ctx, hash) })
}

func (f faultyMail) SecretsOf(ctx context.Context, user, kind string) ([]*mail.LinkSecret, error) {
	return value(f.plan, "mail.SecretsOf", func() ([]*mail.LinkSecret, error) { return f.store.SecretsOf(ctx, user, kind) })
}

func (f faultyMail) DeleteSecretsOf(ctx context.Context, user, kind string) error {
	return attempt(f.plan, "mail.DeleteSecretsOf", func() error { return f.store.DeleteSecretsOf(ctx, user, kind) })
}

func (f faultyMail) DeleteSecrets(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "mail.DeleteSecrets", func() (int, error) { return f.store.DeleteSecrets(ctx, now, limit) })
}

func (f faultyMail) PutInvitation(ctx context.Context, i *mail.Invitation) error {
	return attempt(f.plan, "mail.PutInvitation", func() error { return f.store.PutInvitation(ctx, i) })
}

func (f faultyMail) RenewInvitation(ctx context.Context, old [32]byte, i *mail.Invitation) error {
	return attempt(f.plan, "mail.RenewInvitation", func() error { return f.store.RenewInvitation(ctx, old, i) })
}

func (f faultyMail) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	return value(f.plan, "mail.FindInvitation", func() (*mail.Invitation, error) { return f.store.FindInvitation(ctx, hash) })
}

func (f faultyMail) LoadInvitation(ctx context.Context, id string) (*mail.Invitation, error) {
	return value(f.plan, "mail.LoadInvitation", func() (*mail.Invitation, error) { return f.store.LoadInvitation(ctx, id) })
}

func (f faultyMail) Invitations(ctx context.Context, after string, limit int) ([]*mail.Invitation, error) {
	return value(f.plan, "mail.Invitations", func() ([]*mail.Invitation, error) { return f.store.Invitations(ctx, after, limit) })
}

func (f faultyMail) DeleteInvitations(ctx context.Context, of mail.InvitationQuery) (int, error) {
	return value(f.plan, "mail.DeleteInvitations", func() (int, error) { return f.store.DeleteInvitations(ctx, of) })
}

func (f faultyMail) DeleteExpiredInvitations(ctx context.Context, now int64, limit int) (int, error) {
	return value(f.plan, "mail.DeleteExpiredInvitations", func() (int, error) { return f.store.DeleteExpiredInvitations(ctx, now, limit) })
}
