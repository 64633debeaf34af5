package pg

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Conn is a connection. After the server has turned read-only, its answers become [ErrReadOnly]: in a planned switch-over it is
// the former primary, which no longer receives revocations.
//
// A server of version 14 or later reports changed settings with each answer. Older servers, and servers behind a pooler, are
// asked before each use of a connection.
type Conn struct {
	*stdlib.Conn
	dialer  *Dialer
	server  server
	era     *era
	refused bool    // the server has refused a write
	channel channel // on which the last message of a feed was sent; zero: none was
}

// Pooled reports whether there is a pooler between the program and the server.
func (c *Conn) Pooled() bool { return c.server.pooled }

// readOnly reports whether the server has turned read-only. If so, it closes all connections to it.
func (c *Conn) readOnly() bool {
	conn := c.Conn.Conn().PgConn()
	if !c.refused && conn.ParameterStatus("in_hot_standby") != "on" && conn.ParameterStatus("default_transaction_read_only") != "on" {
		return false
	}
	if c.dialer.era.CompareAndSwap(c.era, &era{make(chan struct{})}) {
		close(c.era.over)
	}
	return true
}

// judge returns ErrReadOnly if the server has turned read-only, and otherwise the error of the call.
func (c *Conn) judge(err error) error {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && refusal.Code == "25006" { // read_only_sql_transaction
		c.refused = true
	}
	if c.readOnly() && (err == nil || err == io.EOF || c.refused) {
		return ErrReadOnly
	}
	return err
}

// Over is closed when any connection finds that the server has turned read-only.
func (c *Conn) Over() <-chan struct{} { return c.era.over }

// IsValid implements driver.Validator.
func (c *Conn) IsValid() bool {
	return !c.Conn.Conn().IsClosed() && !c.readOnly() && c.era == c.dialer.era.Load()
}

// ResetSession implements driver.SessionResetter: it is called before a connection is used again. Package database/sql ignores
// every error but driver.ErrBadConn.
func (c *Conn) ResetSession(ctx context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	if err := c.Conn.ResetSession(ctx); err != nil || c.server.tells {
		return err
	}
	row, err := one(ctx, c.Conn.Conn().PgConn(), recheck(c.dialer.hidden), 2)
	if err != nil || row[0] == "on" || row[1] != "" { // connecting again finds out the reason
		return driver.ErrBadConn
	}
	return nil
}

func (c *Conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.ExecContext(ctx, query, args)
	if err = c.judge(err); err != nil {
		return nil, err
	}
	return result, nil
}

func (c *Conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	result, err := c.Conn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, c.judge(err)
	}
	return &rows{result, c}, nil
}

// rows is the answer to a query. The server reports changed settings at its end.
type rows struct {
	driver.Rows
	conn *Conn
}

func (r *rows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if err == nil {
		return nil
	}
	return r.conn.judge(err)
}

func (r *rows) Close() error { return r.conn.judge(r.Rows.Close()) }

// HangUp closes a connection that isn't in a pool. It doesn't wait long if the server is unreachable.
func (c *Conn) HangUp() {
	if c.dialer.lender != nil {
		c.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = c.Conn.Conn().Close(ctx) // an error changes nothing: it is closed
}

// Way reports whether the connection is private (encrypted, or within this machine), and whether the server is verified.
func (c *Conn) Way() (private, verified bool) {
	conn := c.Conn.Conn().PgConn().Conn()
	if remote, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || remote.IP.IsLoopback() {
		return true, true
	}
	if _, ok := conn.(*tls.Conn); !ok {
		return false, false
	}
	config := c.dialer.address.config.TLSConfig
	return true, config != nil && (!config.InsecureSkipVerify || config.VerifyPeerCertificate != nil || config.VerifyConnection != nil)
}
