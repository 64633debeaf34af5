package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// one reads a single row. If there is none, it returns missing.
func one[T any](ctx context.Context, d Dialect, statement *statement, scan func(scanner) (T, error), missing error, args ...any) (T, error) {
	var none T
	rowCtx, release, err := d.acquireReader(ctx)
	if err != nil {
		return none, err
	}
	defer release()
	var value T
	err = retry(ctx, d.Lost, func() (err error) {
		value, err = scan(statement.QueryRowContext(rowCtx, args...))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return none, missing
	}
	return value, err
}

// all reads every row that query returns.
func all[T any](ctx context.Context, d Dialect, query func() (*sql.Rows, error), scan func(scanner) (T, error)) ([]T, error) {
	_, release, err := d.acquireReader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var values []T
	err = retry(ctx, d.Lost, func() (err error) {
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
