package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite"

	"github.com/cloakroom-auth/cloakroom/internal/walwatch"
)

// guardedConnector makes the connection that writes. Its commits are counted as this DB's own, and are acknowledged only if the
// file was still in place.
type guardedConnector struct {
	connector
	commitGuard
}

func (c guardedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn.(sqlite3.HookRegisterer).RegisterCommitHook(func() int32 {
		c.commits.BeforeCommit()
		return 0
	})
	return guardedConn{conn.(fullConn), c.commitGuard}, nil
}

// fullConn has the methods of the driver's connections that database/sql uses.
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

// commitGuard wraps each call that may commit.
type commitGuard struct {
	file    dbFile
	commits *walwatch.Counter
}

// guard runs f and reports its begin and end to the commit counter. It returns errMoved if the file was removed or replaced
// meanwhile.
func (g commitGuard) guard(f func() error) (err error) {
	g.commits.Begin()
	defer func() { g.commits.End(err) }()
	if err := f(); err != nil {
		return explain(err)
	}
	return g.file.verifyCommitted()
}

type guardedConn struct {
	fullConn
	commitGuard
}

func (c guardedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.guard(func() (err error) {
		r, err = c.fullConn.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

func (c guardedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, o)
	if errors.Is(err, context.DeadlineExceeded) { // our own writes wait for the connection before this
		return nil, fmt.Errorf("another program is holding the database: %w", err)
	}
	if err != nil {
		return nil, explain(err)
	}
	return guardedTx{tx, c.commitGuard}, nil
}

type guardedTx struct {
	driver.Tx
	commitGuard
}

func (t guardedTx) Commit() error { return t.guard(t.Tx.Commit) }

func (c guardedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return guardedStmt{s.(fullStmt), c.commitGuard}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type guardedStmt struct {
	fullStmt
	commitGuard
}

func (s guardedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.guard(func() (err error) {
		r, err = s.fullStmt.ExecContext(ctx, args)
		return err
	})
	return r, err
}
