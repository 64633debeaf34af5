// Package postgres keeps all stores in a PostgreSQL database.
//
// An acknowledged write is on the server's disk: a commit waits for it, and a server that doesn't guarantee this is refused.
// Any number of processes on any number of machines may use the database at once, and each sees the others' commits with its
// next read. All must connect to the primary: a standby lags behind, and is refused.
//
// Connections may go through a pooler such as PgBouncer, also in transaction mode, because no setting outlives its transaction.
package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
	"github.com/cloakroom-auth/cloakroom/store"
)

// DB is a set of stores in one database. It is safe for concurrent use.
//
// A call ends with its context, whatever the network does; its connection is then closed, so that no other call reads its
// answer. Transactions that the server rolled back, for example after a deadlock, are repeated, and so are reads whose
// connection was lost. A write whose connection was lost before the answer arrived returns an error although it may have been
// done.
//
// A user's ID is never used again, not even after a deletion.
type DB struct {
	store.Set
	health *sqlstore.DB
	pool   *sql.DB
}

// Open connects to the database at url (postgres://user:password@host:port/name?options, with the options of libpq) and
// brings its schema up to date as [Migrate] does. The environment variables of libpq (PGPASSFILE, PGSSLROOTCERT …) are the
// defaults of the options. Several hosts, separated by commas, are tried in turn, each for connect_timeout (3 seconds by
// default), and the first that accepts writes is used. The option pool_max_conns bounds the open connections. No error holds
// the password.
func Open(ctx context.Context, url string) (*DB, error) {
	d, err := dial(url)
	if err != nil {
		return nil, err
	}
	if _, err := migrate(ctx, d); err != nil {
		return nil, fmt.Errorf("open %s: %w", d.Address(), err)
	}
	db := &DB{pool: d.Pool()}
	if db.health, err = sqlstore.New(ctx, db.pool, db.pool, dialect); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("open %s: %w", d.Address(), err)
	}
	db.Set = db.health.Set
	return db, nil
}

// tables are those of the schema. They need not exist yet.
var tables = []string{
	"audit", "cloakroom_migrations", "counters", "group_permissions", "groups", "health", "imports", "logins", "members", "resets",
	"retired", "sealed", "sessions", "setup", "tokens", "user_permissions", "users",
}

// dial returns what connects to the database at url.
func dial(url string) (*pgdial.Dialer, error) { return pgdial.Open(url, tables...) }

// Name returns the address of a database without the password and the options. An error means that url is no address, and
// quotes nothing of it.
func Name(url string) (string, error) {
	a, err := pgdial.Parse(url)
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error { return db.pool.Close() }

// Ping reads from the database and commits a small write to it, which waits for the disk like any other write. Only such a
// write shows that sign-ins and sign-outs are possible. A caller that answers anonymous requests should call it at most once a
// second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }
