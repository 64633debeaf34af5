package sqlstore

import (
	"context"
	"database/sql"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// statement is a query that is run many times.
type statement struct {
	db     *sql.DB
	query  string
	undone func(error) bool
}

func (s *statement) ExecContext(ctx context.Context, args ...any) (result sql.Result, err error) {
	err = resilience.Retry(ctx, s.undone, func() error {
		result, err = s.db.ExecContext(ctx, s.query, args...)
		return err
	})
	return result, err
}

func (s *statement) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return s.db.QueryContext(ctx, s.query, args...)
}

func (s *statement) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return s.db.QueryRowContext(ctx, s.query, args...)
}

// bytesOrEmpty returns b, or an empty slice for nil, which would be NULL.
func bytesOrEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
