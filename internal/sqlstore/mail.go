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
}

const outboxColumns = `id, body, created, due, expires, tries`

func newOutbox(p *preparer) *outbox {
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
