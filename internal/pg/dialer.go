// Package pg connects to PostgreSQL, for the stores and for the tables of Django, and broadcasts by its notifications.
//
// Every connection is made by a [Dialer]. It tries the hosts of an address in turn, each for connect_timeout and half a second ahead of the
// next one, and takes the first that accepts writes. It refuses a server on which a promise of a store would not hold. It probes an
// unreachable server a few times a second, however many callers wait. It closes the connections to a server that has turned read-only.
package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

const (
	idleTime = 5 * time.Minute // after which an unused connection is closed
	lifetime = time.Hour       // after which any connection is closed: a server process never returns memory
)

// Dialer makes the connections to one database. It is a driver.Connector whose connections are of type *[Conn], and safe for
// concurrent use.
//
// Connected directly to the server, a connection prepares a statement when it is first used. Behind a pooler it prepares
// nothing, because there each transaction may run in another server process.
type Dialer struct {
	address *Address
	hidden  string        // see hidden
	lender  *pgxpool.Pool // connections are borrowed from it; nil: the Dialer makes its own
	gate    resilience.Gate

	pooled    atomic.Bool         // the last connection was behind a pooler
	preferred atomic.Int32        // the host of the last successful attempt
	era       atomic.Pointer[era] // connections of earlier eras are not used again
}

// era is the time until a server turns read-only. Then all connections of the era are closed.
type era struct{ over chan struct{} }

// NewDialer returns a Dialer. It refuses a server on which row security hides rows of one of the tables from the user. The tables are
// SQL identifiers, quoted where necessary.
func NewDialer(a *Address, tables ...string) *Dialer {
	d := &Dialer{address: a, hidden: hidden(tables)}
	d.era.Store(&era{make(chan struct{})})
	d.gate.Probe = func(ctx context.Context) error {
		conn, err := d.dial(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return d
}

// Open reads an address and returns a Dialer. See [ParseAddress] and [NewDialer].
func Open(address string, tables ...string) (*Dialer, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return NewDialer(a, tables...), nil
}

// Address returns the address of the database.
func (d *Dialer) Address() *Address { return d.address }

// Pool returns a pool of connections. It opens no connection yet.
func (d *Dialer) Pool() *sql.DB {
	db := sql.OpenDB(d)
	if d.lender != nil {
		db.SetMaxIdleConns(0) // each goes back to the lender after its use
		return db
	}
	db.SetMaxOpenConns(d.address.conns)
	db.SetMaxIdleConns(d.address.conns)
	db.SetConnMaxIdleTime(idleTime)
	db.SetConnMaxLifetime(lifetime)
	return db
}

// ForFeed makes this the address of a feed: with another application_name, and with a pool of two connections, since the server
// accepts one message at a time anyway.
func (a *Address) ForFeed() {
	a.config.RuntimeParams["application_name"] += " feed"
	a.conns = 2
}

func (d *Dialer) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// Connect implements driver.Connector. While the server is unreachable it returns a *[ConnectError] at once. An attempt goes on
// after its caller's context ends, because later callers use its result.
func (d *Dialer) Connect(ctx context.Context) (driver.Conn, error) {
	if d.lender != nil {
		return d.borrow(ctx)
	}
	conn, err := resilience.Connect(ctx, &d.gate, d.dial)
	if err != nil && err == ctx.Err() {
		err = fmt.Errorf("connect to %s: %w", d.address, err)
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// headStart is how long one host is tried alone before the next one is tried beside it. A host that is cut off then delays an attempt by this,
// and not by its connect_timeout.
const headStart = 500 * time.Millisecond

// attempt is how the attempt to connect to one host ended.
type attempt struct {
	conn *Conn
	host int
	err  error
}

// dial tries the hosts, beginning with that of the last successful attempt, and takes the first that answers. As long as a host has said
// nothing, those that failed are tried again: one may be a standby that is promoted meanwhile. It fails once each host has failed.
func (d *Dialer) dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	era, hosts := d.era.Load(), d.address.hosts
	turn := int(d.preferred.Load())
	ended := make(chan attempt, len(hosts))
	pending, failed := make([]bool, len(hosts)), make([]error, len(hosts))
	begun, open := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			for range hosts {
				if !pending[turn%len(hosts)] {
					break
				}
				turn++
			}
			if n := turn % len(hosts); !pending[n] {
				pending[n] = true
				begun, open, turn = begun+1, open+1, turn+1
				go func() {
					conn, err := d.dialHost(ctx, hosts[n])
					ended <- attempt{conn, n, err}
				}()
			}
			next.Reset(headStart)
		case a := <-ended:
			pending[a.host] = false
			open--
			switch failed[a.host] = a.err; {
			case a.err == nil:
				d.preferred.Store(int32(a.host))
				a.conn.era = era
				go closeAll(ended, open)
				return a.conn, nil
			case !slices.Contains(failed, nil):
				go closeAll(ended, open)
				return nil, &ConnectError{d.address, failed}
			case begun < len(hosts):
				next.Reset(0)
			}
		}
	}
}

// closeAll waits for the end of n attempts, and closes the connections they made.
func closeAll(ended <-chan attempt, n int) {
	for range n {
		if a := <-ended; a.err == nil {
			_ = a.conn.Close() // another was taken
		}
	}
}

// dialHost tries the ways to connect to a host. The second way is tried if the server refuses the first, and not if the host is
// unreachable.
func (d *Dialer) dialHost(ctx context.Context, h host) (conn *Conn, err error) {
	for _, way := range h.ways {
		conn, err = d.dialWay(ctx, d.address.by(way))
		if err == nil || unreachable(err) {
			break
		}
	}
	return conn, err
}

// unreachable reports whether the network failed, and not only TLS.
func unreachable(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") { // a TLS alert
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// dialWay connects. If it finds a pooler where none was expected, or the reverse, it connects again accordingly.
func (d *Dialer) dialWay(ctx context.Context, config *pgx.ConnConfig) (*Conn, error) {
	for try := 1; ; try++ {
		pooled := d.pooled.Load()
		if config.DefaultQueryExecMode = d.address.config.DefaultQueryExecMode; pooled && !d.address.mode {
			config.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
		var found server
		config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) (err error) {
			found, err = inspect(ctx, conn, d.hidden, true)
			return err
		}
		conn, err := stdlib.GetConnector(*config, append(reuse(), d.address.options...)...).Connect(ctx)
		if err != nil {
			return nil, err
		}
		if found.pooled == pooled || try > 2 {
			return &Conn{Conn: conn.(*stdlib.Conn), dialer: d, server: found}, nil
		}
		d.pooled.Store(found.pooled)
		conn.Close()
	}
}
