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
// for what url doesn't say. The option pool_max_conns bounds the connections that are open at once. No error holds the
// password.
func Open(ctx context.Context, url string) (*DB, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	c := newConnector(a)
	if _, err := migrate(ctx, c); err != nil {
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	db := &DB{pool: c.pool()}
	if db.health, err = sqlstore.New(ctx, db.pool, db.pool, dialect); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	db.Set = db.health.Set
	return db, nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error { return db.pool.Close() }

// Ping reads from the database and commits a small write to it, which waits for the disk like any other: nothing less
// tells whether sign-ins and sign-outs are possible. Callers that strangers can reach should ask at most once a second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }
