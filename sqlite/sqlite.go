// Package sqlite keeps all stores in one SQLite file.
//
// An acknowledged write is on the disk: the file is in WAL mode with synchronous=FULL, and a connection that doesn't have
// these and the other settings of this package is an error. Several processes may use the file at once, and each sees the
// others' commits with its next read. They must run on one machine: the file must not be on a network file system.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
	"github.com/cloakroom-auth/cloakroom/internal/walwatch"
	"github.com/cloakroom-auth/cloakroom/store"
)

// DB is a set of stores in one file. It is safe for concurrent use.
//
// Writes wait for the one connection that writes; reads wait for no write. While another process writes, a write waits until
// its context ends, but no longer than five seconds. A write that fails, for example because the disk is full, changes
// nothing, and the next one is tried as usual. A write whose context ends during the commit returns an error although it may
// have been done.
//
// A user's ID is never used again, not even after a deletion.
//
// If the file is removed or replaced, every call returns an error until the file is back: what is written to a removed file
// is lost, and no other process sees it.
type DB struct {
	store.Set
	file        dbFile
	health      *sqlstore.DB
	read, write *sql.DB
	held        *sql.DB // its connection stays open until Close
	rows        *rowReader
	commits     *walwatch.Counter
	remembers   atomic.Bool // see RememberRows
}

// Open opens the file and brings its schema up to date as [Migrate] does. If there is no file, it makes one with the mode
// 0600, and its directory with 0700. It follows symbolic links. A file that isn't a database of this program is an error, and
// stays as it is.
func Open(ctx context.Context, path string) (*DB, error) { return own(path).open(ctx) }

func (h home) open(ctx context.Context) (*DB, error) {
	real := resolve(h.path)
	inspected := pool(real, inspecting)
	if _, err := h.migrateIfOld(ctx, inspected); err != nil {
		return nil, errors.Join(err, inspected.Close())
	}
	file, err := findFile(h.path, real)
	if err != nil {
		return nil, errors.Join(err, inspected.Close())
	}
	// The last connection that closes writes the log into the file and removes it, which would keep the start waiting for the disk.
	db := &DB{file: file, held: inspected, read: sql.OpenDB(preparing{connector{real, reading}}), commits: walwatch.New(file.moved)}
	db.write = sql.OpenDB(preparing{guardedConnector{connector{real, writing}, commitGuard{file, db.commits}}})
	db.write.SetMaxOpenConns(1)
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	limit := newReadLimit(file, readers)
	db.rows = &rowReader{limit: limit, connector: connector{real, reading}}
	db.rows.memory.commits = db.counted
	d := h.dialect
	d.AcquireReader, d.ReadRow = limit.acquire, db.rows.read
	db.health = sqlstore.New(db.read, db.write, d)
	db.Set = db.health.Set
	if _, err := countTables(ctx, db.read); err != nil { // on a connection that the stores will use
		return nil, errors.Join(fmt.Errorf("open %s: %w", h.path, explain(err)), db.Close())
	}
	return db, nil
}

// Close closes all connections. The DB must not be used afterwards.
func (db *DB) Close() error {
	return errors.Join(db.rows.close(), db.read.Close(), db.write.Close(), db.held.Close())
}

// Ping reads from the file and commits a small write to it, which waits for the disk like any other write. Only such a write
// shows that sign-ins and sign-outs are possible. A caller that answers anonymous requests should call it at most once a
// second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }

// DataVersion returns a number that changes when another process, or another DB, has committed to the file.
func (db *DB) DataVersion(ctx context.Context) (version int64, err error) {
	// A connection's data_version changes with the commits of other connections only, and this is the only one of ours
	// that commits.
	err = db.write.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	if err == nil {
		err = db.file.verify()
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the data: %w", err)
	}
	return version, nil
}

// CommitCounter counts the commits to a database file. It is safe for concurrent use.
type CommitCounter interface {
	// Seen returns the number of commits, and how many of them other processes, or other DBs, made. A commit that has
	// returned is counted. ok is false while this DB commits, and for good once the file was removed or replaced: nothing
	// is then known about other processes' commits.
	Seen() (all, others uint64, ok bool)

	// Run checks once a second, until ctx ends, whether the file was removed or replaced.
	Run(ctx context.Context) error
}

// Commits returns the counter of commits to the file. Where commits can't be counted, on other systems than Linux, it returns
// an error. Close ends the counting.
func (db *DB) Commits(ctx context.Context) (CommitCounter, error) {
	if err := db.count(ctx); err != nil {
		return nil, err
	}
	return db.commits, nil
}

// count begins to count the commits.
func (db *DB) count(ctx context.Context) error {
	return db.commits.Open(db.file.real, func() error {
		var version int
		return db.held.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	})
}

// RememberRows makes the DB remember the rows that it reads one by one, such as that of a session, until the next commit to the file,
// by whatever process: 4 MiB of them at most. What it returns is the same as without: it compares the header of the log's index at each
// read, by which SQLite itself decides whether the pages in its cache are still those of the file. Where commits can't be counted, on
// other systems than Linux, it returns an error.
func (db *DB) RememberRows(ctx context.Context) error {
	if err := db.count(ctx); err != nil {
		return err
	}
	db.remembers.Store(true)
	return nil
}

// counted returns the number of commits to the file for the memory of rows. It is not ok without one, and while it isn't known whether
// there is another commit.
func (db *DB) counted() (all uint64, ok bool) {
	if !db.remembers.Load() {
		return 0, false
	}
	all, _, ok = db.commits.Seen()
	return all, ok
}
