package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// Borrow returns a Dialer whose connections are those of a program's own pool, one for each statement or transaction. It changes
// no setting of a connection. How long an attempt to connect takes is up to the pool. See [NewDialer] for the rest.
func Borrow(pool *pgxpool.Pool, tables ...string) (*Dialer, error) {
	a, err := AddressOf(pool)
	if err != nil {
		return nil, err
	}
	d := NewDialer(a, tables...)
	d.lender = pool
	return d, nil
}

// AddressOf returns the address that a pool connects to, with the settings of its connections.
func AddressOf(pool *pgxpool.Pool) (*Address, error) {
	config := pool.Config()
	if config.MaxConns < minConns {
		return nil, fmt.Errorf("the pool needs at least %d connections (MaxConns)", minConns)
	}
	a := &Address{config: config.ConnConfig.Copy(), conns: int(config.MaxConns), mode: true}
	if before := config.BeforeConnect; before != nil {
		a.options = append(a.options, stdlib.OptionBeforeConnect(before))
	}
	if a.config.ConnectTimeout == 0 {
		a.config.ConnectTimeout = connectTimeout
	}
	a.list()
	return a, nil
}

// inspected is the key under which a connection of a lender holds what was found when it was first borrowed.
const inspected = "cloakroom: inspected"

// borrow takes a connection of the lender. One that no longer fits is closed, so that the lender makes a new one.
func (d *Dialer) borrow(ctx context.Context) (driver.Conn, error) {
	for range d.address.conns + 1 { // as many as may have been made before the server turned read-only
		era := d.era.Load()
		made, err := stdlib.GetPoolConnector(d.lender).Connect(ctx)
		if err != nil {
			return nil, &ConnectError{d.address, []error{err}}
		}
		c := &Conn{Conn: made.(*stdlib.Conn), dialer: d, era: era}
		known, err := c.reinspect(ctx)
		if err == nil && !c.readOnly() {
			return c, nil
		}
		c.discard()
		if err != nil && (!known || ctx.Err() != nil) {
			return nil, &ConnectError{d.address, []error{err}}
		}
	}
	return nil, &ConnectError{d.address, []error{ErrReadOnly}}
}

// reinspect inspects a borrowed connection, unless it was borrowed before, and the server reports by itself what may have changed.
func (c *Conn) reinspect(ctx context.Context) (known bool, err error) {
	conn := c.Conn.Conn().PgConn()
	c.server, known = conn.CustomData()[inspected].(server)
	if known && c.server.tells {
		return true, nil
	}
	if c.server, err = inspect(ctx, conn, c.dialer.hidden, false); err != nil {
		return known, err
	}
	conn.CustomData()[inspected] = c.server
	return known, nil
}

// discard closes a borrowed connection and gives what is left of it back.
func (c *Conn) discard() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Conn.Conn().Close(ctx) // doesn't wait for the server; an error changes nothing
	_ = c.Conn.Close()
}

// Close closes a connection, or gives a borrowed one back. A borrowed one whose server has turned read-only is closed.
func (c *Conn) Close() error {
	if c.dialer.lender != nil && c.readOnly() {
		c.discard()
		return nil
	}
	return c.Conn.Close()
}

// BeginTx begins a transaction. A program may have made another isolation level the default of its connections, under which a
// statement after a lock would not see what was committed before.
func (c *Conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts.Isolation == driver.IsolationLevel(sql.LevelDefault) {
		opts.Isolation = driver.IsolationLevel(sql.LevelReadCommitted)
	}
	return c.Conn.BeginTx(ctx, opts)
}
