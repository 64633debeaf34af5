package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/mail"
)

type outbox struct {
	store mail.Store
	hook  Hook
}

func (h outbox) Put(ctx context.Context, q *mail.Queued) error {
	return h.hook(ctx, "mail.Put", func() error { return h.store.Put(ctx, q) })
}

func (h outbox) Claim(ctx context.Context, now, until int64) (*mail.Queued, error) {
	return result(ctx, h.hook, "mail.Claim", func() (*mail.Queued, error) { return h.store.Claim(ctx, now, until) })
}

func (h outbox) Postpone(ctx context.Context, id string, due int64) error {
	return h.hook(ctx, "mail.Postpone", func() error { return h.store.Postpone(ctx, id, due) })
}

func (h outbox) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	return result(ctx, h.hook, "mail.Replace", func() (bool, error) { return h.store.Replace(ctx, id, old, new) })
}

func (h outbox) Delete(ctx context.Context, id string) error {
	return h.hook(ctx, "mail.Delete", func() error { return h.store.Delete(ctx, id) })
}

func (h outbox) List(ctx context.Context, after string, limit int) ([]*mail.Queued, error) {
	return result(ctx, h.hook, "mail.List", func() ([]*mail.Queued, error) { return h.store.List(ctx, after, limit) })
}

func (h outbox) PutSecret(ctx context.Context, s *mail.LinkSecret) error {
	return h.hook(ctx, "mail.PutSecret", func() error { return h.store.PutSecret(ctx, s) })
}

func (h outbox) FindSecret(ctx context.Context, hash [32]byte) (*mail.LinkSecret, error) {
	return result(ctx, h.hook, "mail.FindSecret", func() (*mail.LinkSecret, error) { return h.store.FindSecret(ctx, hash) })
}

func (h outbox) SpendSecret(ctx context.Context, hash [32]byte) error {
	return h.hook(ctx, "mail.SpendSecret", func() error { return h.store.SpendSecret(ctx, hash) })
}

func (h outbox) SecretsOf(ctx context.Context, user, kind string) ([]*mail.LinkSecret, error) {
	return result(ctx, h.hook, "mail.SecretsOf", func() ([]*mail.LinkSecret, error) { return h.store.SecretsOf(ctx, user, kind) })
}

func (h outbox) DeleteSecretsOf(ctx context.Context, user, kind string) error {
	return h.hook(ctx, "mail.DeleteSecretsOf", func() error { return h.store.DeleteSecretsOf(ctx, user, kind) })
}

func (h outbox) DeleteSecrets(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "mail.DeleteSecrets", func() (int, error) { return h.store.DeleteSecrets(ctx, now, limit) })
}

func (h outbox) PutInvitation(ctx context.Context, i *mail.Invitation) error {
	return h.hook(ctx, "mail.PutInvitation", func() error { return h.store.PutInvitation(ctx, i) })
}

func (h outbox) RenewInvitation(ctx context.Context, old [32]byte, i *mail.Invitation) error {
	return h.hook(ctx, "mail.RenewInvitation", func() error { return h.store.RenewInvitation(ctx, old, i) })
}

func (h outbox) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	return result(ctx, h.hook, "mail.FindInvitation", func() (*mail.Invitation, error) { return h.store.FindInvitation(ctx, hash) })
}

func (h outbox) LoadInvitation(ctx context.Context, id string) (*mail.Invitation, error) {
	return result(ctx, h.hook, "mail.LoadInvitation", func() (*mail.Invitation, error) { return h.store.LoadInvitation(ctx, id) })
}

func (h outbox) Invitations(ctx context.Context, after string, limit int) ([]*mail.Invitation, error) {
	return result(ctx, h.hook, "mail.Invitations", func() ([]*mail.Invitation, error) { return h.store.Invitations(ctx, after, limit) })
}

func (h outbox) DeleteInvitations(ctx context.Context, of mail.InvitationQuery) (int, error) {
	return result(ctx, h.hook, "mail.DeleteInvitations", func() (int, error) { return h.store.DeleteInvitations(ctx, of) })
}

func (h outbox) DeleteExpiredInvitations(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "mail.DeleteExpiredInvitations", func() (int, error) { return h.store.DeleteExpiredInvitations(ctx, now, limit) })
}
