package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

type keys struct {
	write   *sql.DB
	dialect Dialect

	all, put, add, load, clear, lock *statement
}

func newKeys(p *queries) *keys {
	return &keys{
		write: p.write, dialect: p.dialect,

		all:   p.reading(`SELECT name, box FROM sealed ORDER BY name`),
		put:   p.writing(`INSERT INTO sealed (name, box) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET box = excluded.box`),
		add:   p.writing(`INSERT INTO sealed (name, box) VALUES ($1, $2) ON CONFLICT DO NOTHING`),
		clear: p.writing(`DELETE FROM sealed`),
		lock:  p.locking(p.dialect.LockSealed),
		load:  p.writing(`SELECT box FROM sealed WHERE name = $1`),
	}
}

func (k *keys) Sealed(ctx context.Context) ([]sealed.Secret, error) {
	found, err := all(ctx, k.dialect, func() (*sql.Rows, error) { return k.all.QueryContext(ctx) }, scanSealed)
	if err != nil {
		return nil, fmt.Errorf("load sealed secrets: %w", err)
	}
	return found, nil
}

func scanSealed(row scanner) (s sealed.Secret, err error) {
	err = row.Scan(&s.Name, &s.Box)
	return s, err
}

func (k *keys) PutSealed(ctx context.Context, sealed []sealed.Secret) error {
	return k.dialect.transaction(ctx, k.write, func(t tx) error {
		for _, s := range sealed {
			if _, err := t.exec(k.put, s.Name, bytesOrEmpty(s.Box)); err != nil {
				return fmt.Errorf("store sealed secret: %w", err)
			}
		}
		return nil
	})
}

func (k *keys) ReplaceAllSealed(ctx context.Context, sealed []sealed.Secret) error {
	return k.dialect.transaction(ctx, k.write, func(t tx) error {
		if _, err := t.exec(k.lock); err != nil {
			return fmt.Errorf("lock sealed secrets: %w", err)
		}
		if _, err := t.exec(k.clear); err != nil {
			return fmt.Errorf("remove sealed secrets: %w", err)
		}
		for _, s := range sealed {
			if _, err := t.exec(k.put, s.Name, bytesOrEmpty(s.Box)); err != nil {
				return fmt.Errorf("store sealed secret: %w", err)
			}
		}
		return nil
	})
}

func (k *keys) AddSealed(ctx context.Context, s sealed.Secret) (sealed.Secret, error) {
	there := sealed.Secret{Name: s.Name}
	err := k.dialect.transaction(ctx, k.write, func(t tx) error {
		if _, err := t.exec(k.add, s.Name, bytesOrEmpty(s.Box)); err != nil {
			return fmt.Errorf("add sealed secret: %w", err)
		}
		if err := t.queryRow(k.load, s.Name).Scan(&there.Box); err != nil {
			return fmt.Errorf("load sealed secret: %w", err)
		}
		return nil
	})
	if err != nil {
		return sealed.Secret{}, err
	}
	return there, nil
}
