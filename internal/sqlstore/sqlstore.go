// Package sqlstore is the SQL of the stores, written once for SQLite and PostgreSQL.
//
// Statements use the parameters $1, $2 …, which both know. What else differs is in [Dialect].
package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/store"
)

// Dialect is how one database's SQL differs from the other's.
type Dialect struct {
	Name     string // of the folder of its migrations, and goose's name for the database
	Versions string // the table of the migrations that were applied; "": goose's own

	// Bytes turns a text that may hold any bytes at all, NUL and broken UTF-8 too, into an argument for its column.
	Bytes func(text string) any

	// Holds reports whether a text column may hold the text; nil: any.
	Holds func(text string) bool

	// Unique reports whether err says that a row with a unique key exists already.
	Unique func(err error) bool

	// Undone reports whether err says that the database has undone a transaction that did nothing wrong, such as one of two
	// that waited for each other. Lost reports whether err says that the connection ended, so that what was under way
	// may have been done or not, except that nothing is done in a transaction before its commit. Nil: no error does.
	Undone, Lost func(err error) bool

	JSONArray   string                         // the aggregate function that makes a JSON array
	Position    func(text, part string) string // where a column of Bytes holds a part; 0: nowhere
	SkipLocked  string                         // at the end of a SELECT: rows that others are changing are left out; may be empty
	GivenID     string                         // in an INSERT of users, before VALUES, where the ID is given; may be empty
	RaiseID     string                         // a statement: from now on new IDs are above all that are there; empty: they are anyway
	LockUser    string                         // a statement: no other transaction changes the user $1 before this one ends; empty: transactions write one at a time
	LockRights  string                         // a statement: no other transaction that ran it, or writes groups, is under way; likewise
	LockUsers   string                         // a statement: no other transaction adds users before this one ends; empty: transactions write one at a time
	LockCounter string                         // a statement: none works on the counter with the key $1, be it there or not; likewise
	LockTokens  string                         // a statement: no other transaction counts the tokens of the user $1 before this one ends; likewise

	// Among is a condition: the query, which runs once, returns the column's value. Nil: column IN (query).
	Among func(column, query string) string

	LockSessions string // a statement: nobody else changes the sessions of the user $1, taken in the order of IDs; likewise
	Touch        string // a statement: the UPDATE of sessions.touch, for all of the arrays $1, $2 and $3 at once; empty: one by one
	Alone        string // a condition: no other transaction in which it was committing is under way; empty: as LockUsers

	// Unprepared leaves it to the driver how statements are run.
	Unprepared bool

	// AcquireReader waits until there is a connection to read with, and returns the context to read a single row under, and what
	// to call afterwards. Nil: reads queue for connections by themselves, and are ended by their own contexts.
	AcquireReader func(ctx context.Context) (quick context.Context, leave func(), err error)
}

func (d Dialect) among(column, query string) string {
	if d.Among == nil {
		return column + " IN (" + query + ")"
	}
	return d.Among(column, query)
}

func (d Dialect) holds(text string) bool { return d.Holds == nil || d.Holds(text) }

func (d Dialect) acquireReader(ctx context.Context) (quick context.Context, leave func(), err error) {
	if d.AcquireReader == nil {
		return ctx, func() {}, nil
	}
	return d.AcquireReader(ctx)
}

// DB is a set of stores in one database. It is safe for concurrent use.
type DB struct {
	store.Set
	health *health
}

// New prepares the statements of all stores, unless the dialect says otherwise. The database must be migrated. Writes go
// through write, where BeginTx must begin a transaction that can write; everything else through read. They may be one and
// the same. The caller closes both.
func New(ctx context.Context, read, write *sql.DB, d Dialect) (*DB, error) {
	p := &preparer{ctx: ctx, read: read, write: write, dialect: d}
	db := &DB{store.Set{
		Sessions: newSessions(p), Accounts: newAccounts(p), Tokens: newTokens(p), Throttles: newThrottles(p),
		Sealed: newKeys(p), Audit: newEvents(p),
	}, newHealth(p)}
	if p.err != nil {
		return nil, fmt.Errorf("prepare statement: %w", p.err)
	}
	return db, nil
}

// Ping reads from the database and commits a write to it. An error says that one or the other is not possible now.
func (db *DB) Ping(ctx context.Context) error { return db.health.ping(ctx) }

// preparer prepares statements and keeps the first error.
type preparer struct {
	ctx         context.Context
	read, write *sql.DB
	dialect     Dialect
	err         error
}

func (p *preparer) reading(query string) *statement { return p.prepare(p.read, query) }
func (p *preparer) writing(query string) *statement { return p.prepare(p.write, query) }

func (p *preparer) prepare(db *sql.DB, query string) *statement {
	s := &statement{db: db, query: query, undone: p.dialect.Undone}
	if p.err == nil && !p.dialect.Unprepared {
		s.prepared, p.err = db.PrepareContext(p.ctx, query)
	}
	return s
}

// alone is the condition of a statement that is not to run twice at a time.
func (p *preparer) alone() string {
	if p.dialect.Alone == "" {
		return ""
	}
	return " AND " + p.dialect.Alone
}

// locking is a statement that a dialect may not need.
func (p *preparer) locking(query string) *statement {
	if query == "" {
		return nil
	}
	return p.writing(query)
}

// transaction runs do in a transaction that can write, and commits it if do returns no error. What ended without a commit
// is run again where the dialect says that it may succeed then.
func (d Dialect) transaction(ctx context.Context, db *sql.DB, do func(t tx) error) error {
	committing := false // for a commit
	retryable := func(err error) bool {
		return d.Undone != nil && d.Undone(err) || d.Lost != nil && d.Lost(err) && !committing
	}
	return retry(ctx, retryable, func() error {
		committing = false
		sqlTx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer sqlTx.Rollback()
		if err := do(tx{ctx, sqlTx}); err != nil {
			return err
		}
		committing = true
		if err := sqlTx.Commit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
}

// tx is a transaction and the context that it lives in.
type tx struct {
	ctx context.Context
	sql *sql.Tx
}

// exec runs a prepared statement and returns how many rows it affected. A nil statement does nothing.
func (t tx) exec(statement *statement, args ...any) (int, error) {
	if statement == nil {
		return 0, nil
	}
	return affected(statement.within(t).ExecContext(t.ctx, args...))
}

func (t tx) queryRow(statement *statement, args ...any) *sql.Row {
	return statement.within(t).QueryRowContext(t.ctx, args...)
}

func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
