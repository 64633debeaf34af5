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
	bracket
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
	return bracketed{conn.(fullConn), c.bracket}, nil
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

// bracket stands around what may commit.
type bracket struct {
	place   place
	commits *Commits
}

// around says when f begins and ends, and returns its error, or that what it has written reaches nobody.
func (b bracket) around(f func() error) (err error) {
	b.commits.begin()
	defer func() { b.commits.end(err) }()
	if err := f(); err != nil {
		return explained(err)
	}
	return b.place.lookAfter()
}

type bracketed struct {
	fullConn
	bracket
}

func (b bracketed) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	err = b.around(func() (err error) {
		r, err = b.fullConn.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

func (b bracketed) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := b.fullConn.BeginTx(ctx, o)
	if errors.Is(err, context.DeadlineExceeded) { // one of ours would have waited for this connection
		return nil, fmt.Errorf("another program is holding the database: %w", err)
	}
	if err != nil {
		return nil, explained(err)
	}
	return bracketedTx{tx, b.bracket}, nil
}

type bracketedTx struct {
	driver.Tx
	bracket
}

func (t bracketedTx) Commit() error { return t.around(t.Tx.Commit) }

func (b bracketed) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := b.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return bracketedStmt{s.(fullStmt), b.bracket}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type bracketedStmt struct {
	fullStmt
	bracket
}

func (s bracketedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.around(func() (err error) {
		r, err = s.fullStmt.ExecContext(ctx, args)
		return err
	})
	return r, err
}
