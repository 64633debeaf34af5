package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	idleTime = 5 * time.Minute // after which an unused connection is closed
	lifetime = time.Hour       // after which any is: a server's process never gives memory back
)

// connector makes connections on which a commit waits for the disk.
//
// Straight to the server, each connection prepares a statement when it is first used. Behind a pooler it doesn't: there
// the server's process, which would have the prepared statement, is another one for each transaction.
type connector struct {
	address                *address
	straight, behindPooler driver.Connector
	pooled                 *atomic.Bool // the last connection was behind a pooler
}

func newConnector(a *address) connector {
	unprepared := a.config.Copy()
	if !a.mode {
		unprepared.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return connector{
		address: a, pooled: new(atomic.Bool),
		straight:     stdlib.GetConnector(*a.config, reuse()...),
		behindPooler: stdlib.GetConnector(*unprepared, reuse()...),
	}
}

// pool returns a pool of connections. It opens none yet.
func (c connector) pool() *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(c.address.conns)
	db.SetMaxIdleConns(c.address.conns)
	db.SetConnMaxIdleTime(idleTime)
	db.SetConnMaxLifetime(lifetime)
	return db
}

func (c connector) Driver() driver.Driver { return c.straight.Driver() }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.address.config.ConnectTimeout)
	defer cancel()
	for {
		expected := c.pooled.Load()
		conn, pooled, err := c.connect(ctx, expected)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", c.address, oneLine{err})
		}
		if pooled == expected {
			return conn, nil
		}
		c.pooled.Store(pooled)
		conn.Close()
	}
}

// connect makes a connection and looks at the server. It reports whether a pooler is in between.
func (c connector) connect(ctx context.Context, expectPooler bool) (conn driver.Conn, pooled bool, err error) {
	via := c.straight
	if expectPooler {
		via = c.behindPooler
	}
	if conn, err = via.Connect(ctx); err != nil {
		return nil, false, err
	}
	pooled, err = inspect(ctx, conn.(*stdlib.Conn).Conn())
	if err != nil {
		conn.Close()
		return nil, false, err
	}
	return conn, pooled, nil
}

// inspect refuses a server that would break a promise. A pooler gives away that it is there by a process ID of its own.
func inspect(ctx context.Context, conn *pgx.Conn) (pooled bool, err error) {
	var pid uint32
	var commit, encoding string
	var standby bool
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), current_setting('synchronous_commit'),
		current_setting('server_encoding'), pg_is_in_recovery()`, pgx.QueryExecModeExec).Scan(&pid, &commit, &encoding, &standby)
	pooled = pid != conn.PgConn().PID()
	switch {
	case err != nil:
		return false, fmt.Errorf("look at the server: %w", err)
	case standby:
		return false, errors.New("this is a standby, which lags behind; give the address of the primary")
	case encoding != "UTF8":
		return false, fmt.Errorf("the database's encoding is %s, and must be UTF8", encoding)
	case commit != "off":
		return pooled, nil
	case pooled: // what is set here would stick to whoever gets the server's process next
		return false, errors.New("synchronous_commit is off: a power cut would bring ended sessions back. " +
			"Run: ALTER ROLE … SET synchronous_commit = on")
	}
	_, err = conn.Exec(ctx, "SET synchronous_commit = on")
	return false, err
}
