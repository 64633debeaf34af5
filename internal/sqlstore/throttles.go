package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

type throttles struct {
	write   *sql.DB
	dialect Dialect

	lock, load, put, delete, deleteExpired *statement
}

func newThrottles(p *queries) *throttles {
	return &throttles{
		write: p.write, dialect: p.dialect,

		lock: p.locking(p.dialect.LockCounter),
		load: p.writing(`SELECT tries, since, blocked, level, ends FROM counters WHERE key = $1`),
		put: p.writing(`INSERT INTO counters (key, tries, since, blocked, level, ends) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (key) DO UPDATE SET tries = excluded.tries, since = excluded.since, blocked = excluded.blocked,
			level = excluded.level, ends = excluded.ends`),
		delete:        p.writing(`DELETE FROM counters WHERE key = $1`),
		deleteExpired: p.writing(`DELETE FROM counters WHERE ends <= $1 AND ` + p.dialect.among(`key`, `SELECT key FROM counters WHERE ends <= $1 ORDER BY ends LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
	}
}

func (h *throttles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	return h.dialect.transaction(ctx, h.write, func(t tx) error {
		if err := h.lockAll(t, keys); err != nil {
			return err
		}
		counters := make([]throttle.Counter, len(keys))
		for i, key := range keys {
			if err := h.read(t, key, &counters[i]); err != nil {
				return fmt.Errorf("load counter: %w", err)
			}
		}
		before := slices.Clone(counters)
		if err := change(counters); err != nil {
			return err
		}
		for i, key := range keys {
			if counters[i] == before[i] {
				continue
			}
			if err := h.save(t, key, counters[i]); err != nil {
				return fmt.Errorf("save counter: %w", err)
			}
		}
		return nil
	})
}

// lockAll takes the locks in the order of keys, so that two transactions never wait for each other.
func (h *throttles) lockAll(t tx, keys []string) error {
	if h.lock == nil {
		return nil
	}
	for _, key := range set(keys) {
		if _, err := t.exec(h.lock, h.dialect.Bytes(key)); err != nil {
			return fmt.Errorf("lock counter: %w", err)
		}
	}
	return nil
}

func (h *throttles) read(t tx, key string, c *throttle.Counter) error {
	err := t.queryRow(h.load, h.dialect.Bytes(key)).Scan(&c.Tries, &c.Since, &c.Until, &c.Level, &c.Ends)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (h *throttles) save(t tx, key string, c throttle.Counter) (err error) {
	if c == (throttle.Counter{}) {
		_, err = t.exec(h.delete, h.dialect.Bytes(key))
	} else {
		_, err = t.exec(h.put, h.dialect.Bytes(key), c.Tries, c.Since, c.Until, c.Level, c.Ends)
	}
	return err
}

func (h *throttles) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n, err := affected(h.deleteExpired.ExecContext(ctx, now, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete expired counters: %w", err)
	}
	return n, nil
}
