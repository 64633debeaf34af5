// Package sqlite keeps everything in one SQLite file.
//
// What a method acknowledged is on the disk: the file runs in WAL mode with synchronous=FULL, and a connection that
// does not have these and the other settings of this package is an error. Several processes may use the file at once,
// and see each other's commits with their next read. They must be on one machine: not on a network file system.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
	"github.com/cloakroom-auth/cloakroom/store"
)

// DB is a set of stores in one file. It is safe for concurrent use.
//
// Writes queue for one connection; reads wait for nobody. While another process writes, a write waits until its context
// is done, but no longer than five seconds. A write that fails, because the disk is full, say, leaves nothing behind,
// and the next one is tried afresh. A write whose context ends while it is being committed returns an error although
// it may have been done.
//
// A user's ID is never used again, not even after a deletion.
//
// Once the file has been removed, or another put in its place, each call is an error until it is back: what was written to it
// would be lost, and nobody else would see it.
type DB struct {
	store.Set
	place       place
	health      *sqlstore.DB
	read, write *sql.DB
	commits     *Commits
}

// Open opens the file, which it makes (0600, its directory 0700) if there is none, and brings its schema up to date
// as [Migrate] does. A symbolic link stands for the file that it leads to. A file that is not a database of this program's is an error and is left as it is.
func Open(ctx context.Context, path string) (*DB, error) {
	if _, err := Migrate(ctx, path); err != nil {
		return nil, err
	}
	real := resolve(path)
	file, err := findPlace(path, real)
	if err != nil {
		return nil, err
	}
	db := &DB{place: file, read: pool(real, reading), commits: &Commits{file: file}}
	db.write = sql.OpenDB(counting{connector{real, writing}, bracket{file, db.commits}})
	db.write.SetMaxOpenConns(1)
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	d := dialect
	d.Enter = newGate(file, readers).enter
	stores, err := sqlstore.New(ctx, db.read, db.write, d)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.Set, db.health = stores.Set, stores
	return db, nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.write.Close(), db.commits.close())
}

// Ping reads from the file and commits a small write to it, which waits for the disk like any other: nothing less tells
// whether sign-ins and sign-outs are possible. Callers that strangers can reach should ask at most once a second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }

// Foreign returns a number that moves when somebody else has committed to the file: another process, or another DB.
func (db *DB) Foreign(ctx context.Context) (version int64, err error) {
	// Only other connections' commits move it, and the one that writes is the only one of ours that commits.
	err = db.write.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	if err == nil {
		err = db.place.look()
	}
	if err != nil {
		return 0, fmt.Errorf("ask who has written: %w", err)
	}
	return version, nil
}
