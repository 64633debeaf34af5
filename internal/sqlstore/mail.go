package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/mail"
)

type outbox struct {
	write   *sql.DB
	dialect Dialect

	put, claim, postpone, replace, delete, list *statement

	putSecret, spendSecret, secretsOf, deleteSecretsOf, deleteSecrets *statement
	findSecret                                                        rowQuery

	invitations invitations
}

const outboxColumns = `id, body, created, due, expires, tries`

func newOutbox(p *queries) *outbox {
	return &outbox{
		write: p.write, dialect: p.dialect,

		put: p.writing(`INSERT INTO outbox (` + outboxColumns + `) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`),
		claim: p.writing(`UPDATE outbox SET due = $2, tries = tries + 1 WHERE ` +
			p.dialect.among(`id`, `SELECT id FROM outbox WHERE due <= $1 ORDER BY due, id LIMIT 1`+p.dialect.SkipLocked) +
			` RETURNING ` + outboxColumns),
		postpone: p.writing(`UPDATE outbox SET due = $2 WHERE id = $1`),
		replace:  p.writing(`UPDATE outbox SET body = $3 WHERE id = $1 AND body = $2`),
		delete:   p.writing(`DELETE FROM outbox WHERE id = $1`),
		list:     p.reading(`SELECT ` + outboxColumns + ` FROM outbox WHERE id > $1 ORDER BY id LIMIT $2`),

		putSecret: p.writing(`INSERT INTO mail_secrets (hash, kind, user_id, epoch, box, expires) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT DO NOTHING`),
		findSecret:      p.row(`SELECT kind, user_id, epoch, box, expires FROM mail_secrets WHERE hash = $1`),
		spendSecret:     p.writing(`DELETE FROM mail_secrets WHERE hash = $1`),
		secretsOf:       p.reading(`SELECT hash, kind, user_id, epoch, box, expires FROM mail_secrets WHERE user_id = $1 AND kind = $2`),
		deleteSecretsOf: p.writing(`DELETE FROM mail_secrets WHERE user_id = $1 AND kind = $2`),
		deleteSecrets: p.writing(`DELETE FROM mail_secrets WHERE ` + p.dialect.among(`hash`,
			`SELECT hash FROM mail_secrets WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),

		invitations: newInvitations(p),
	}
}

func (o *outbox) Put(ctx context.Context, q *mail.Queued) error {
	n, err := affected(o.put.ExecContext(ctx, o.dialect.Bytes(q.ID), bytesOrEmpty(q.Body), q.Created, q.Due, q.Expires, q.Tries))
	if err != nil {
		return fmt.Errorf("put a message into the outbox: %w", err)
	}
	if n == 0 {
		return mail.ErrExists
	}
	return nil
}

func (o *outbox) Claim(ctx context.Context, now, until int64) (q *mail.Queued, err error) {
	err = o.dialect.transaction(ctx, o.write, func(t tx) (err error) {
		q, err = scanQueued(t.queryRow(o.claim, now, until))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return mail.ErrNotFound
		case err != nil:
			return fmt.Errorf("claim a message of the outbox: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

func scanQueued(row scanner) (*mail.Queued, error) {
	var q mail.Queued
	if err := row.Scan(&q.ID, &q.Body, &q.Created, &q.Due, &q.Expires, &q.Tries); err != nil {
		return nil, err
	}
	return &q, nil
}

func (o *outbox) Postpone(ctx context.Context, id string, due int64) error {
	if _, err := o.postpone.ExecContext(ctx, o.dialect.Bytes(id), due); err != nil {
		return fmt.Errorf("postpone a message of the outbox: %w", err)
	}
	return nil
}

func (o *outbox) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	n, err := affected(o.replace.ExecContext(ctx, o.dialect.Bytes(id), bytesOrEmpty(old), bytesOrEmpty(new)))
	if err != nil {
		return false, fmt.Errorf("replace a message of the outbox: %w", err)
	}
	return n > 0, nil
}

func (o *outbox) Delete(ctx context.Context, id string) error {
	if _, err := o.delete.ExecContext(ctx, o.dialect.Bytes(id)); err != nil {
		return fmt.Errorf("delete a message of the outbox: %w", err)
	}
	return nil
}

func (o *outbox) List(ctx context.Context, after string, limit int) ([]*mail.Queued, error) {
	found, err := all(ctx, o.dialect, func() (*sql.Rows, error) {
		return o.list.QueryContext(ctx, o.dialect.Bytes(after), max(limit, 0))
	}, scanQueued)
	if err != nil {
		return nil, fmt.Errorf("list the outbox: %w", err)
	}
	return found, nil
}

func (o *outbox) PutSecret(ctx context.Context, s *mail.LinkSecret) error {
	text := o.dialect.Bytes
	n, err := affected(o.putSecret.ExecContext(ctx, s.Hash[:], text(s.Kind), text(s.User), text(s.Epoch), bytesOrEmpty(s.Box), s.Expires))
	if err != nil {
		return fmt.Errorf("store a mailed secret: %w", err)
	}
	if n == 0 {
		return mail.ErrExists
	}
	return nil
}

func (o *outbox) FindSecret(ctx context.Context, hash [32]byte) (*mail.LinkSecret, error) {
	s, err := one(ctx, o.dialect, o.findSecret, scanSecret, mail.ErrNotFound, hash[:])
	if err != nil {
		return nil, fmt.Errorf("find a mailed secret: %w", err)
	}
	s.Hash = hash
	return s, nil
}

func scanSecret(row scanner) (*mail.LinkSecret, error) {
	var s mail.LinkSecret
	if err := row.Scan(&s.Kind, &s.User, &s.Epoch, &s.Box, &s.Expires); err != nil {
		return nil, err
	}
	return &s, nil
}

func (o *outbox) SpendSecret(ctx context.Context, hash [32]byte) error {
	n, err := affected(o.spendSecret.ExecContext(ctx, hash[:]))
	if err != nil {
		return fmt.Errorf("spend a mailed secret: %w", err)
	}
	if n == 0 {
		return mail.ErrNotFound
	}
	return nil
}

func (o *outbox) SecretsOf(ctx context.Context, user, kind string) ([]*mail.LinkSecret, error) {
	found, err := all(ctx, o.dialect, func() (*sql.Rows, error) {
		return o.secretsOf.QueryContext(ctx, o.dialect.Bytes(user), o.dialect.Bytes(kind))
	}, func(row scanner) (*mail.LinkSecret, error) {
		var s mail.LinkSecret
		var hash []byte
		if err := row.Scan(&hash, &s.Kind, &s.User, &s.Epoch, &s.Box, &s.Expires); err != nil {
			return nil, err
		}
		copy(s.Hash[:], hash)
		return &s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list mailed secrets of a user: %w", err)
	}
	return found, nil
}

func (o *outbox) DeleteSecretsOf(ctx context.Context, user, kind string) error {
	_, err := o.deleteSecretsOf.ExecContext(ctx, o.dialect.Bytes(user), o.dialect.Bytes(kind))
	if err != nil {
		return fmt.Errorf("delete mailed secrets of a user: %w", err)
	}
	return nil
}

func (o *outbox) DeleteSecrets(ctx context.Context, now int64, limit int) (int, error) {
	n, err := affected(o.deleteSecrets.ExecContext(ctx, now, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete expired mailed secrets: %w", err)
	}
	return n, nil
}
