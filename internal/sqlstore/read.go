package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// scanner is a *sql.Row, *sql.Rows, or a row.
type scanner interface{ Scan(dest ...any) error }

// query is a query that returns at most one row.
type query interface {
	// read calls scan with the row, or returns sql.ErrNoRows.
	read(ctx context.Context, d Dialect, scan func(Columns) error, args ...any) error
}

// rowQuery is a query of one statement.
type rowQuery string

func (q rowQuery) read(ctx context.Context, d Dialect, scan func(Columns) error, args ...any) error {
	return d.ReadRow(ctx, string(q), scan, args...)
}

// one reads a single row. If there is none, it returns missing.
func one[T any](ctx context.Context, d Dialect, q query, scan func(scanner) (T, error), missing error, args ...any) (value T, err error) {
	read := func(c Columns) (err error) {
		value, err = scan(wholeRow(c))
		return err
	}
	err = resilience.Retry(ctx, d.Lost, func() error { return q.read(ctx, d, read, args...) })
	if errors.Is(err, sql.ErrNoRows) {
		return value, missing
	}
	return value, err
}

// all reads every row that query returns.
func all[T any](ctx context.Context, d Dialect, query func() (*sql.Rows, error), scan func(scanner) (T, error)) ([]T, error) {
	release, err := d.acquireReader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var values []T
	err = resilience.Retry(ctx, d.Lost, func() (err error) {
		values, err = collect(query, scan)
		return err
	})
	return values, err
}

func collect[T any](query func() (*sql.Rows, error), scan func(scanner) (T, error)) ([]T, error) {
	rows, err := query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}
