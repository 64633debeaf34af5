package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/mail"
)

type outbox struct {
	mu     guard
	queued map[string]*mail.Queued

	secrets map[[32]byte]*mail.LinkSecret

	invitations map[string]*mail.Invitation // by ID
}

func newOutbox() *outbox {
	return &outbox{queued: map[string]*mail.Queued{}, secrets: map[[32]byte]*mail.LinkSecret{}, invitations: map[string]*mail.Invitation{}}
}

func copyQueued(q *mail.Queued) *mail.Queued {
	c := *q
	c.Body = bytes.Clone(q.Body)
	return &c
}

func (o *outbox) Put(ctx context.Context, q *mail.Queued) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if o.queued[q.ID] != nil {
		return mail.ErrExists
	}
	o.queued[q.ID] = copyQueued(q)
	return nil
}

func (o *outbox) Claim(ctx context.Context, now, until int64) (*mail.Queued, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	var first *mail.Queued
	for _, q := range o.queued {
		if q.Due <= now && (first == nil || q.Due < first.Due || q.Due == first.Due && q.ID < first.ID) {
			first = q
		}
	}
	if first == nil {
		return nil, mail.ErrNotFound
	}
	first.Due = until
	first.Tries++
	return copyQueued(first), nil
}

func (o *outbox) Postpone(ctx context.Context, id string, due int64) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if q := o.queued[id]; q != nil {
		q.Due = due
	}
	return nil
}

func (o *outbox) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	if err := o.mu.lock(ctx); err != nil {
		return false, err
	}
	defer o.mu.Unlock()
	q := o.queued[id]
	if q == nil || !bytes.Equal(q.Body, old) {
		return false, nil
	}
	q.Body = bytes.Clone(new)
	return true, nil
}

func (o *outbox) Delete(ctx context.Context, id string) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	delete(o.queued, id)
	return nil
}

func (o *outbox) List(ctx context.Context, after string, limit int) ([]*mail.Queued, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	var page []*mail.Queued
	for _, id := range slices.Sorted(maps.Keys(o.queued)) {
		if id > after && len(page) < limit {
			page = append(page, copyQueued(o.queued[id]))
		}
	}
	return page, nil
}

func copySecret(s *mail.LinkSecret) *mail.LinkSecret {
	c := *s
	c.Box = bytes.Clone(s.Box)
	return &c
}

func (o *outbox) PutSecret(ctx context.Context, s *mail.LinkSecret) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if o.secrets[s.Hash] != nil {
		return mail.ErrExists
	}
	o.secrets[s.Hash] = copySecret(s)
	return nil
}

func (o *outbox) FindSecret(ctx context.Context, hash [32]byte) (*mail.LinkSecret, error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	s := o.secrets[hash]
	if s == nil {
		return nil, mail.ErrNotFound
	}
	return copySecret(s), nil
}

func (o *outbox) SpendSecret(ctx context.Context, hash [32]byte) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if o.secrets[hash] == nil {
		return mail.ErrNotFound
	}
	delete(o.secrets, hash)
	return nil
}

func (o *outbox) SecretsOf(ctx context.Context, user, kind string) (found []*mail.LinkSecret, err error) {
	if err := o.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	for _, s := range o.secrets {
		if s.User == user && s.Kind == kind {
			found = append(found, copySecret(s))
		}
	}
	return found, nil
}

func (o *outbox) DeleteSecretsOf(ctx context.Context, user, kind string) error {
	if err := o.mu.lock(ctx); err != nil {
		return err
	}
	defer o.mu.Unlock()
	maps.DeleteFunc(o.secrets, func(_ [32]byte, s *mail.LinkSecret) bool { return s.User == user && s.Kind == kind })
	return nil
}

func (o *outbox) DeleteSecrets(ctx context.Context, now int64, limit int) (int, error) {
	if err := o.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer o.mu.Unlock()
	return deleteUpTo(o.secrets, limit, func(s *mail.LinkSecret) bool { return s.Expires <= now }), nil
}
