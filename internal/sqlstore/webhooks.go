package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

type webhooks struct {
	write   *sql.DB
	dialect Dialect

	add, list, claim, save, remove, events, adding *statement
	find, lastEvent                                rowQuery
}

const endpointColumns = `url, position, tries, due, dropped`

func newWebhooks(p *queries) *webhooks {
	w := &webhooks{
		write: p.write, dialect: p.dialect,

		add: p.writing(`INSERT INTO webhooks (url, position, tries, due, dropped, holder, until)
			SELECT $1, COALESCE(max(id), 0), 0, 0, 0, $2, 0 FROM audit WHERE TRUE ON CONFLICT DO NOTHING`),
		find: p.row(`SELECT ` + endpointColumns + ` FROM webhooks WHERE url = $1`),
		list: p.reading(`SELECT ` + endpointColumns + ` FROM webhooks ORDER BY url`),
		claim: p.writing(`UPDATE webhooks SET holder = $2, until = $4 WHERE url = $1 AND due <= $3 AND (until <= $3 OR holder = $2)
			RETURNING ` + endpointColumns),
		save: p.writing(`UPDATE webhooks SET position = $3, tries = $4, due = $5, dropped = $6, until = $7 WHERE url = $1 AND holder = $2`),

		remove:    p.writing(`DELETE FROM webhooks WHERE url = $1`),
		lastEvent: p.row(`SELECT COALESCE(max(id), 0) FROM audit`),
		events:    p.reading(`SELECT id, ` + eventColumns + ` FROM audit WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`),
	}
	if p.dialect.AddingEvents != "" {
		w.adding = p.reading(p.dialect.AddingEvents)
	}
	return w
}

func (w *webhooks) AddEndpoint(ctx context.Context, url string) error {
	if _, err := w.add.ExecContext(ctx, w.dialect.Bytes(url), w.dialect.Bytes("")); err != nil {
		return fmt.Errorf("add an endpoint: %w", err)
	}
	return nil
}

func (w *webhooks) Find(ctx context.Context, url string) (*webhook.Endpoint, error) {
	e, err := one(ctx, w.dialect, w.find, scanEndpoint, webhook.ErrNotFound, w.dialect.Bytes(url))
	if err != nil {
		return nil, fmt.Errorf("find an endpoint: %w", err)
	}
	return e, nil
}

func scanEndpoint(row scanner) (*webhook.Endpoint, error) {
	var e webhook.Endpoint
	var url []byte
	var position int64
	if err := row.Scan(&url, &position, &e.Tries, &e.Due, &e.Dropped); err != nil {
		return nil, err
	}
	e.URL = string(url)
	if position > 0 {
		e.Position = strconv.FormatInt(position, 10)
	}
	return &e, nil
}

func (w *webhooks) List(ctx context.Context) ([]*webhook.Endpoint, error) {
	found, err := all(ctx, w.dialect, func() (*sql.Rows, error) { return w.list.QueryContext(ctx) }, scanEndpoint)
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	return found, nil
}

func (w *webhooks) Claim(ctx context.Context, url, holder string, now, until int64) (*webhook.Endpoint, error) {
	var claimed *webhook.Endpoint
	err := w.dialect.transaction(ctx, w.write, func(t tx) (err error) {
		claimed, err = scanEndpoint(t.queryRow(w.claim, w.dialect.Bytes(url), w.dialect.Bytes(holder), now, until))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return webhook.ErrNotFound
		case err != nil:
			return fmt.Errorf("claim an endpoint: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (w *webhooks) Save(ctx context.Context, e *webhook.Endpoint, holder string, until int64) error {
	position, ok := positionOf(e.Position)
	if !ok {
		return fmt.Errorf("save an endpoint: %q is no ID of an event", e.Position)
	}
	n, err := affected(w.save.ExecContext(ctx, w.dialect.Bytes(e.URL), w.dialect.Bytes(holder), position, e.Tries, e.Due, e.Dropped, until))
	if err != nil {
		return fmt.Errorf("save an endpoint: %w", err)
	}
	if n == 0 {
		return webhook.ErrNotFound
	}
	return nil
}

// positionOf returns the number of an event's ID; 0 if it is empty.
func positionOf(id string) (n int64, ok bool) {
	if id == "" {
		return 0, true
	}
	return number(id)
}

func (w *webhooks) Remove(ctx context.Context, url string) error {
	if _, err := w.remove.ExecContext(ctx, w.dialect.Bytes(url)); err != nil {
		return fmt.Errorf("remove an endpoint: %w", err)
	}
	return nil
}

// Events reads up to the last event that was there when it began, once every transaction that was adding events then has ended: IDs
// are given out before a transaction commits, so a smaller one may become visible after a greater one.
func (w *webhooks) Events(ctx context.Context, after string, limit int) ([]*audit.Event, error) {
	from, ok := positionOf(after)
	if !ok || limit <= 0 {
		return nil, ctx.Err()
	}
	var last int64
	_, err := one(ctx, w.dialect, w.lastEvent, func(row scanner) (int64, error) { return last, row.Scan(&last) }, nil)
	if err != nil {
		return nil, fmt.Errorf("read the last audit event: %w", err)
	}
	if last <= from {
		return nil, nil
	}
	if complete, err := w.complete(ctx); !complete || err != nil {
		return nil, err
	}
	found, err := all(ctx, w.dialect, func() (*sql.Rows, error) { return w.events.QueryContext(ctx, from, last, limit) }, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	return found, nil
}

const (
	completeFor   = time.Second
	completePause = 10 * time.Millisecond
)

// complete waits until the transactions have ended that are adding events now, and reports whether they have. One that
// takes long, as when its process hangs, is waited for by a later call.
func (w *webhooks) complete(ctx context.Context) (bool, error) {
	if w.adding == nil {
		return true, nil
	}
	began, err := w.inProgress(ctx)
	for waited := time.Duration(0); len(began) > 0 && err == nil; waited += completePause {
		if waited >= completeFor {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(completePause):
		}
		var now []string
		now, err = w.inProgress(ctx)
		began = slices.DeleteFunc(began, func(t string) bool { return !slices.Contains(now, t) })
	}
	return err == nil, err
}

// inProgress returns the transactions that are adding events.
func (w *webhooks) inProgress(ctx context.Context) ([]string, error) {
	found, err := all(ctx, w.dialect, func() (*sql.Rows, error) { return w.adding.QueryContext(ctx) }, func(row scanner) (t string, err error) {
		return t, row.Scan(&t)
	})
	if err != nil {
		return nil, fmt.Errorf("find the transactions that add audit events: %w", err)
	}
	return found, nil
}
