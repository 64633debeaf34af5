package memory

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/cloakroom-auth/cloakroom/mail"
)

func copyInvitation(i *mail.Invitation) *mail.Invitation {
	c := *i
	c.Groups = slices.Clone(i.Groups)
	return &c
}

func (o *outbox) PutInvitation(ctx context.Context, i *mail.Invitation) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	maps.DeleteFunc(o.invitations, func(_ string, other *mail.Invitation) bool { return other.Login == i.Login })
	o.invitations[i.ID] = copyInvitation(i)
	return nil
}

func (o *outbox) RenewInvitation(ctx context.Context, old [32]byte, i *mail.Invitation) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	stored := o.invitations[i.ID]
	if stored == nil || stored.Hash != old {
		return mail.ErrNotFound
	}
	stored.Inviter, stored.Hash, stored.Created, stored.Expires = i.Inviter, i.Hash, i.Created, i.Expires
	return nil
}

func (o *outbox) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	for _, i := range o.invitations {
		if i.Hash == hash {
			return copyInvitation(i), nil
		}
	}
	return nil, mail.ErrNotFound
}

func (o *outbox) LoadInvitation(ctx context.Context, id string) (*mail.Invitation, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	i := o.invitations[id]
	if i == nil {
		return nil, mail.ErrNotFound
	}
	return copyInvitation(i), nil
}

func (o *outbox) Invitations(ctx context.Context, after string, limit int) ([]*mail.Invitation, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	var page []*mail.Invitation
	for _, id := range slices.Sorted(maps.Keys(o.invitations)) {
		if id > after && len(page) < limit {
			page = append(page, copyInvitation(o.invitations[id]))
		}
	}
	return page, nil
}

func (o *outbox) DeleteInvitations(ctx context.Context, of mail.InvitationQuery) (int, error) {
	return o.deleteInvitations(ctx, math.MaxInt, func(i *mail.Invitation) bool {
		return i.ID == of.ID || i.Login == of.Login || i.Inviter != "" && slices.Contains(of.Inviters, i.Inviter) || i.Hash == of.Hash
	})
}

func (o *outbox) DeleteExpiredInvitations(ctx context.Context, now int64, limit int) (int, error) {
	return o.deleteInvitations(ctx, limit, func(i *mail.Invitation) bool { return i.Expires <= now })
}

func (o *outbox) deleteInvitations(ctx context.Context, limit int, due func(*mail.Invitation) bool) (int, error) {
	if err := o.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer o.mu.Unlock()
	return deleteUpTo(o.invitations, limit, due), nil
}
