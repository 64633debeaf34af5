#!/usr/bin/env bash
# Go, database/sql: a driver whose connections implement driver.SessionResetter.
#
# A guess: a connection whose ResetSession returns an error isn't handed out, or the call fails with that error.
# Behaviour: only driver.ErrBadConn discards the connection. After any other error the pool hands the connection out, and the
# query runs on it. A driver that wants to refuse a connection, because its server has become a standby say, must return
# driver.ErrBadConn, and keep the reason elsewhere.
#
# Seen with Go 1.26.8.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module reset

go 1.26
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

type connector struct {
	reset  error
	opened int
}

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	c.opened++
	return &conn{c: c, number: c.opened}, nil
}
func (c *connector) Driver() driver.Driver { return nil }

type conn struct {
	c      *connector
	number int
}

func (c *conn) ResetSession(context.Context) error      { return c.c.reset }
func (c *conn) Prepare(string) (driver.Stmt, error)     { return nil, errors.New("not prepared") }
func (c *conn) Close() error                            { return nil }
func (c *conn) Begin() (driver.Tx, error)               { return nil, errors.New("no transactions") }
func (c *conn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(c.number), nil
}

func main() {
	for _, reset := range []error{errors.New("refused"), driver.ErrBadConn} {
		c := &connector{}
		db := sql.OpenDB(c)
		db.SetMaxOpenConns(1)
		_, _ = db.Exec("first")
		c.reset = reset
		result, err := db.Exec("second")
		if err != nil {
			panic(err)
		}
		number, _ := result.RowsAffected()
		fmt.Printf("ResetSession: %v; the query ran on connection %d\n", reset, number)
	}
}
GO
go version
out=$(GOTOOLCHAIN=local go run .)
echo "$out"
grep -qx 'ResetSession: refused; the query ran on connection 1' <<<"$out"
grep -qx 'ResetSession: driver: bad connection; the query ran on connection 2' <<<"$out"
echo "as stated"
