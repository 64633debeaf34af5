package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// DB holds the stores on a Django database. It is safe for concurrent use.
//
// Every call goes to the database, so a change by Django is seen at once. A write to a session happens only if the row still
// has the data that was read, and no write brings back a row that Django has deleted.
type DB struct {
	config      Config
	form        form
	dialect     dialect
	read, write *sql.DB
	schema      *schema
	index       *index
	checks      *checks
	keyWarning  string // see KeyWarning
}

// Open connects to Django's database, which must exist, and reads its schema. It changes nothing. If the database can't be
// shared, the error says why; it is an *[EngineError] if the reason is where the sessions are kept.
func Open(ctx context.Context, c Config) (*DB, error) {
	c.fill()
	if c.UsersOnly && len(c.Keys) == 0 {
		c.Keys = Keys{""} // nothing is signed or verified
	}
	if len(c.Keys) == 0 {
		return nil, errors.New("Django's secret key is needed: it signs the sessions")
	}
	if err := checkEngine(c.SessionEngine); err != nil {
		return nil, err
	}
	db := &DB{config: c, form: c.form(), index: newIndex()}
	if err := db.connect(); err != nil {
		return nil, fmt.Errorf("open Django's database %s: %w", c, err)
	}
	if err := db.verify(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open Django's database %s: %w", c, err), db.Close())
	}
	return db, nil
}

func (db *DB) connect() (err error) {
	if path, ok := strings.CutPrefix(db.config.Database, "sqlite:"); ok {
		db.dialect = sqliteDialect
		db.read, db.write, err = openSQLite(path)
		return err
	}
	db.dialect = postgresDialect
	d, err := dialPostgres(db.config.Database, db.config.postgresTables()...)
	if err != nil {
		return err
	}
	db.read = d.Pool()
	db.write = db.read
	return nil
}

// verify reads the schema, and returns an error if the database can't be shared.
func (db *DB) verify(ctx context.Context) (err error) {
	if db.schema, err = readSchema(ctx, db.read, db.dialect, db.config); err != nil {
		return err
	}
	if db.config.UsersOnly {
		db.checks, err = db.newChecks(ctx)
		return err
	}
	if err = db.checkSessions(ctx); err == nil {
		db.checks, err = db.newChecks(ctx)
	}
	return err
}

// Close closes all connections. The DB must not be used afterwards.
func (db *DB) Close() error {
	if db.write == db.read {
		return db.read.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// Ping reads from the database. It writes nothing, since all tables in it are Django's.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+quote(db.config.SessionTable)+` LIMIT 1) AS rows`).Scan(&one)
	if err != nil {
		return fmt.Errorf("read from Django's database: %w", err)
	}
	return nil
}

// transaction runs do in a transaction that can write, and commits if do returns no error. Like a single statement, it is repeated if
// the database undid it (see [pg.Undone]), so do may run more than once. An error about a constraint of the project's tables is explained (see
// explained).
func (db *DB) transaction(ctx context.Context, do func(t *sql.Tx) error) error {
	return db.explained(ctx, db.attempt(ctx, do))
}

// attempt is transaction without the explanation: it returns the database's own errors.
func (db *DB) attempt(ctx context.Context, do func(t *sql.Tx) error) error {
	return resilience.Retry(ctx, pg.Undone, func() error { return db.once(ctx, do) })
}

func (db *DB) once(ctx context.Context, do func(t *sql.Tx) error) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer t.Rollback()
	if err := do(t); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// exec runs one statement that writes, and returns the number of rows that it changed. An error about a constraint of the
// project's tables is explained.
func (db *DB) exec(ctx context.Context, query string, args ...any) (n int, err error) {
	err = resilience.Retry(ctx, pg.Undone, func() error {
		n, err = affected(db.write.ExecContext(ctx, query, args...))
		return err
	})
	return n, db.explained(ctx, err)
}

func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// queryAll returns all rows of a query.
func queryAll[T any](ctx context.Context, q querier, scan func(rows *sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
