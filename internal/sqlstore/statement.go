package sqlstore

import (
	"context"
	"database/sql"
)

// statement is a query that is run many times.
type statement struct {
	db       *sql.DB
	query    string
	prepared *sql.Stmt // nil: the driver prepares it
	undone   func(error) bool
}

func (s *statement) ExecContext(ctx context.Context, args ...any) (result sql.Result, err error) {
	if s.prepared != nil {
		return s.prepared.ExecContext(ctx, args...)
	}
	err = retry(ctx, s.undone, func() error {
		result, err = s.db.ExecContext(ctx, s.query, args...)
		return err
	})
	return result, err
}

func (s *statement) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	if s.prepared != nil {
		return s.prepared.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, s.query, args...)
}

func (s *statement) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	if s.prepared != nil {
		return s.prepared.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, s.query, args...)
}

// within returns the statement for a transaction.
func (s *statement) within(t tx) inTx {
	if s.prepared != nil {
		return inTx{sql: t.sql, prepared: t.sql.StmtContext(t.ctx, s.prepared)}
	}
	return inTx{sql: t.sql, query: s.query}
}

// inTx is a statement in a transaction.
type inTx struct {
	sql      *sql.Tx
	query    string
	prepared *sql.Stmt
}

func (s inTx) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	if s.prepared != nil {
		return s.prepared.ExecContext(ctx, args...)
	}
	return s.sql.ExecContext(ctx, s.query, args...)
}

func (s inTx) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	if s.prepared != nil {
		return s.prepared.QueryContext(ctx, args...)
	}
	return s.sql.QueryContext(ctx, s.query, args...)
}

func (s inTx) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	if s.prepared != nil {
		return s.prepared.QueryRowContext(ctx, args...)
	}
	return s.sql.QueryRowContext(ctx, s.query, args...)
}

// bytesOrEmpty returns b, or an empty slice for nil, which would be NULL.
func bytesOrEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
