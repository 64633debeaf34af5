// Package sqlstore is the SQL of the stores, written once for SQLite and PostgreSQL.
//
// Statements use the parameters $1, $2 …, which both databases understand. What differs is in [Dialect].
package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/store"
)

// Dialect is how the SQL of one database differs from that of the other.
type Dialect struct {
	Name     string // of the folder with its migrations; also goose's name of the database
	Versions string // the table of applied migrations; empty: goose's default

	// Table returns the name of a table in statements, such as one with a schema; PostgreSQL's name of the sequence of users' IDs is
	// passed as well. Nil: the name as it is.
	Table func(name string) string

	// Bytes turns a text, which may hold any bytes including NUL and invalid UTF-8, into an argument for its column.
	Bytes func(text string) any

	// Holds reports whether a text column can hold the text. Nil: it can hold every text.
	Holds func(text string) bool

	// Unique reports whether err means that a unique key exists already.
	Unique func(err error) bool

	// ForeignKey reports whether err means that a foreign key was broken: one of a program's own tables, when a user or group is
	// deleted. table is the one that has the key; "" if the database doesn't name it.
	ForeignKey func(err error) (table string, broken bool)

	// Undone reports whether err means that the database rolled back a transaction that may succeed if it is repeated, such as
	// one of two that waited for each other. Lost reports whether err means that the connection was lost: a statement or a
	// commit in progress may have been done or not, and a transaction before its commit was not. Nil: no error means that.
	Undone, Lost func(err error) bool

	// Parts of statements.
	JSONArray  func(item string) string          // the aggregate that makes a JSON array; may be NULL for none
	Position   func(text, part string) string    // the position of part in a column of Bytes; 0: it isn't there
	Number     func(column string) string        // the number that a column of Bytes holds, if it is a decimal one; else any number, or NULL
	ForUpdate  string                            // at the end of a SELECT: locks its rows until the transaction ends; empty: only one transaction can write at a time
	SkipLocked string                            // at the end of a SELECT: skips rows that other transactions are changing; may be empty
	RowPlace   string                            // the column that says where a row is; empty: its key finds it as fast
	GivenID    string                            // in an INSERT of users with a given ID, before VALUES; may be empty
	Among      func(column, query string) string // a condition: the column is in the result of the query, which runs once; nil: column IN (query)

	// Statements that lock until the transaction ends. They are empty where only one transaction can write at a time.
	LockUser     string // no other transaction changes the user $1
	LockRights   string // no other transaction runs this statement or writes groups
	LockSealed   string // a statement: no other transaction writes sealed secrets before this one ends; empty: transactions write one at a time
	LockUsers    string // no other transaction adds users
	LockCounter  string // no other transaction runs this statement for the counter with the key $1, whether it exists or not
	LockTokens   string // no other transaction runs this statement for the user $1: for their tokens, recovery codes, links and pending sign-ins
	LockSessions string // no other transaction changes the sessions of the user $1; locks them in the order of IDs
	Alone        string // a condition: no other transaction that evaluated it is in progress

	// AddEvents is the INSERT of audit events for an array of each column, $1 to $11, and returns their IDs in the
	// order of the arrays. Other transactions see by AddingEvents that it adds events, from before it takes an ID. Empty: events are added one
	// by one.
	AddEvents string

	AddingEvents string // a query: the transactions that are adding events; empty: IDs of events become visible in their order

	Touch string // the UPDATE of sessions.touch, for the arrays $1, $2 and $3 at once; empty: uses are written one by one
	// DeleteAmong deletes the sessions whose IDs are in the array $1, and locks them in the order of IDs before; empty: each is
	// deleted by itself.
	DeleteAmong string

	RaiseID string // makes new IDs greater than all existing ones; empty: they are anyway

	// CostlySubqueries says that each subquery of a statement costs time, even if the statement doesn't come to run it.
	CostlySubqueries bool

	// ReadRow runs a query whose parameters are texts from Bytes, []byte, int64 or int, and calls scan with the first row of the
	// answer, which may be used until scan returns. It returns sql.ErrNoRows if there is none. It returns what was committed before
	// the call, and prepares the query where that is possible.
	ReadRow func(ctx context.Context, query string, scan func(Columns) error, args ...any) error

	// ReadRows is ReadRow for any number of rows, of which there may be none. Its only parameter is an array of []byte. Nil: rows are read
	// one by one, because a round trip costs nothing.
	ReadRows func(ctx context.Context, query string, ids [][]byte, scan func(Columns) error) error

	// AcquireReader waits for a connection to read several rows with. It returns what releases the connection. Nil: reads wait for
	// connections by themselves.
	AcquireReader func(ctx context.Context) (release func(), err error)
}

func (d Dialect) among(column, query string) string {
	if d.Among == nil {
		return column + " IN (" + query + ")"
	}
	return d.Among(column, query)
}

func (d Dialect) holds(text string) bool { return d.Holds == nil || d.Holds(text) }

func (d Dialect) acquireReader(ctx context.Context) (release func(), err error) {
	if d.AcquireReader == nil {
		return func() {}, nil
	}
	return d.AcquireReader(ctx)
}

// DB is a set of stores in one database. It is safe for concurrent use.
type DB struct {
	store.Set
	health  *health
	queries []string
}

// New returns the stores in a database, which must be migrated before they are used. Writes use write, where BeginTx must begin a
// transaction that can write; everything else uses read. Both may be the same pool. The connections should keep the statements that
// they prepare. The caller closes them.
func New(read, write *sql.DB, d Dialect) *DB {
	p := &queries{read: read, write: write, dialect: d}
	accounts, tokens, factors, outbox := newAccounts(p), newTokens(p), newFactors(p), newOutbox(p)
	accounts.joins, accounts.tokens = joins{factors, outbox}, tokens
	db := &DB{Set: store.Set{
		Sessions: newSessions(p, accounts), Accounts: accounts, Tokens: tokens, Throttles: newThrottles(p),
		Sealed: newKeys(p), Audit: newEvents(p), Factors: factors, Signins: newSignins(p), Links: newLinks(p), Grants: newGrants(p),
		Mail: outbox, Webhooks: newWebhooks(p),
	}, health: newHealth(p)}
	db.queries = p.all
	return db
}

// Queries returns the statements of the stores, without those that are put together for a call.
func (db *DB) Queries() []string { return db.queries }

// Ping reads from the database and commits a write to it. An error means that one of them isn't possible now.
func (db *DB) Ping(ctx context.Context) error { return db.health.ping(ctx) }

// queries makes the statements of a dialect.
type queries struct {
	read, write *sql.DB
	dialect     Dialect
	all         []string // what was made
}

func (p *queries) row(query string) rowQuery       { return rowQuery(p.named(query)) }
func (p *queries) reading(query string) *statement { return p.on(p.read, query) }
func (p *queries) writing(query string) *statement { return p.on(p.write, query) }

func (p *queries) on(db *sql.DB, query string) *statement {
	return &statement{db: db, query: p.named(query), undone: p.dialect.Undone}
}

func (p *queries) named(query string) string {
	query = p.dialect.Named(query)
	p.all = append(p.all, query)
	return query
}

// alone is the condition of a statement that must not run twice at the same time.
func (p *queries) alone() string {
	if p.dialect.Alone == "" {
		return ""
	}
	return " AND " + p.dialect.Alone
}

// locking returns the statement, or nil if the dialect doesn't need it.
func (p *queries) locking(query string) *statement {
	if query == "" {
		return nil
	}
	return p.writing(query)
}

// transaction runs do in a transaction that can write, and commits it if do returns no error. If it failed before the commit
// was sent, it is repeated where the dialect says that it may succeed then.
func (d Dialect) transaction(ctx context.Context, db *sql.DB, do func(t tx) error) error {
	committing := false
	retryable := func(err error) bool {
		return d.Undone != nil && d.Undone(err) || d.Lost != nil && d.Lost(err) && !committing
	}
	return resilience.Retry(ctx, retryable, func() error {
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

// tx is a transaction and its context.
type tx struct {
	ctx context.Context
	sql *sql.Tx
}

// execText is exec for a statement that isn't prepared here, because it depends on the number of its arguments.
func (t tx) execText(query string, d Dialect, args ...any) (int, error) {
	return affected(t.sql.ExecContext(t.ctx, d.Named(query), args...))
}

// queryText is query for such a statement.
func (t tx) queryText(query string, d Dialect, args ...any) (*sql.Rows, error) {
	return t.sql.QueryContext(t.ctx, d.Named(query), args...)
}

// exec runs a statement and returns the number of affected rows. A nil statement does nothing.
func (t tx) exec(statement *statement, args ...any) (int, error) {
	if statement == nil {
		return 0, nil
	}
	return affected(t.sql.ExecContext(t.ctx, statement.query, args...))
}

func (t tx) query(statement *statement, args ...any) (*sql.Rows, error) {
	return t.sql.QueryContext(t.ctx, statement.query, args...)
}

func (t tx) queryRow(statement *statement, args ...any) *sql.Row {
	return t.sql.QueryRowContext(t.ctx, statement.query, args...)
}

func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
