package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite"
)

// counting makes connections whose commits are counted as this process's own. What they have committed counts only if the
// file is still in its place.
type counting struct {
	connector
	place   place
	commits *Commits
}

func (c counting) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn.(sqlite3.HookRegisterer).RegisterCommitHook(func() int32 {
		c.commits.commits()
		return 0
	})
	return bracketed{conn.(fullConn), c.place, c.commits}, nil
}

// fullConn is all that the driver's connections can do and that database/sql would miss.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// bracketed says when what may commit begins and ends.
type bracketed struct {
	fullConn
	place   place
	commits *Commits
}

func (b bracketed) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	b.commits.begin()
	defer func() { b.commits.end(err) }()
	if r, err = b.fullConn.ExecContext(ctx, query, args); err != nil {
		return nil, explained(err)
	}
	return r, b.place.lookAfter()
}

func (b bracketed) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := b.fullConn.BeginTx(ctx, o)
	if errors.Is(err, context.DeadlineExceeded) { // one of ours would have waited for this connection
		return nil, fmt.Errorf("another program is holding the database: %w", err)
	}
	if err != nil {
		return nil, explained(err)
	}
	return bracketedTx{tx, b.place, b.commits}, nil
}

type bracketedTx struct {
	driver.Tx
	place   place
	commits *Commits
}

func (t bracketedTx) Commit() (err error) {
	t.commits.begin()
	defer func() { t.commits.end(err) }()
	if err := t.Tx.Commit(); err != nil {
		return err
	}
	return t.place.lookAfter()
}

func (b bracketed) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := b.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return bracketedStmt{s.(fullStmt), b.place, b.commits}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type bracketedStmt struct {
	fullStmt
	place   place
	commits *Commits
}

func (s bracketedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	s.commits.begin()
	defer func() { s.commits.end(err) }()
	if r, err = s.fullStmt.ExecContext(ctx, args); err != nil {
		return nil, explained(err)
	}
	return r, s.place.lookAfter()
}
