// Package postgres keeps everything in a PostgreSQL database.
//
// What a method acknowledged is on the server's disk: a commit waits for it, and a server that won't say so is refused.
// Any number of processes on any number of machines may use the database at once, and see each other's commits with
// their next read. They must all talk to the primary: a standby lags, and is refused.
//
// A pooler such as PgBouncer may stand in between, in transaction mode too: nothing here outlives its transaction.
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
// A call ends with its context, whatever the network does; the connection it used is then closed, so that nobody else
// can read its answer. What was rolled back through no fault of its own, by a deadlock say, is tried again, and so are
// reads whose connection was lost. A write whose connection was lost before the answer came returns an error although it
// may have been done.
//
// A user's ID is never used again, not even after a deletion.
type DB struct {
	store.Set
	health *sqlstore.DB
	pool   *sql.DB
}

// Open connects to the database at url (postgres://user:password@host:port/name?options, with the options of libpq) and
// brings its schema up to date as [Migrate] does. The environment variables of libpq (PGPASSFILE, PGSSLROOTCERT …) stand in
// for what url doesn't say. Several hosts, separated by commas, are tried one after the other, each for as long as
// connect_timeout says (3 seconds if it says nothing), and the first that can be written is used. The option
// pool_max_conns bounds the connections that are open at once. No error holds the password.
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

// tables are ours. What is not there yet doesn't matter.
var tables = []string{
	"audit", "cloakroom_migrations", "counters", "group_permissions", "groups", "health", "imports", "logins", "members", "resets",
	"retired", "sealed", "sessions", "setup", "tokens", "user_permissions", "users",
}

// dial returns what connects to the database at url.
func dial(url string) (*pgdial.Dialer, error) { return pgdial.Open(url, tables...) }

// Name returns what people may see of a database's address: neither password nor options. An error says that it is no
// address, and holds nothing of it.
func Name(url string) (string, error) {
	a, err := pgdial.Parse(url)
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error { return db.pool.Close() }

// Ping reads from the database and commits a small write to it, which waits for the disk like any other: nothing less
// tells whether sign-ins and sign-outs are possible. Callers that strangers can reach should ask at most once a second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }
