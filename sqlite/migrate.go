package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	sqlitelib "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// applicationID is in the header of each file of this program: "Cloa", read as a number.
const applicationID = 0x436c6f61

// migrating is the use of a connection that changes the schema. Foreign keys are checked at the end, because a table can't be
// rebuilt while they are on.
var migrating = use{"immediate", []setting{
	{"busy_timeout", "5000", "5000"}, {"journal_mode", "wal", "wal"}, {"synchronous", "full", "2"},
	{"foreign_keys", "off", "0"}, {"trusted_schema", "off", "0"},
}}

// inspecting is the use of a connection to a file that may belong to another program.
var inspecting = use{"deferred", []setting{
	{"busy_timeout", "5000", "5000"}, {"query_only", "on", "1"}, {"trusted_schema", "off", "0"},
}}

// Migrate brings the schema of the file up to date and returns the names of the migrations it applied. If there is no file, it
// makes one. All migrations run in one transaction, so several processes may start at once, and a process that is stopped in
// the middle has changed nothing. A schema newer than this program's is an error.
func Migrate(ctx context.Context, path string) (applied []string, err error) {
	return own(path).migrate(ctx)
}

// Pending returns the names of the migrations that [Migrate] would apply: all of them if there is no file. It changes nothing.
func Pending(ctx context.Context, path string) ([]string, error) {
	return own(path).pending(ctx)
}

// home is a file, and where in it the tables are.
type home struct {
	path    string // as the caller named it; may be a symbolic link
	shared  bool   // the file is a program's own
	dialect sqlstore.Dialect
}

// own returns the home in a file that has nothing but the tables.
func own(path string) home { return home{path: path, dialect: dialect} }

func (h home) migrate(ctx context.Context) (applied []string, err error) {
	inspected := pool(resolve(h.path), inspecting)
	defer inspected.Close()
	if applied, err = h.migrateIfOld(ctx, inspected); err != nil {
		return nil, err
	}
	if _, err := countTables(ctx, inspected); err != nil {
		return nil, fmt.Errorf("open %s: %w", h.path, explain(err))
	}
	return applied, nil
}

// migrateIfOld runs the migrations if the schema lacks any, which it asks through a pool that inspects the file.
func (h home) migrateIfOld(ctx context.Context, inspected *sql.DB) (applied []string, err error) {
	real := resolve(h.path)
	if err := create(real); err != nil {
		return nil, err
	}
	// Turning WAL on fails at once with "locked" while another process does the same.
	for wait := time.Millisecond; ; wait *= 2 {
		applied, err = h.migrateFile(ctx, real, inspected)
		if !hasCode(err, sqlitelib.SQLITE_BUSY) || wait > 2*time.Second {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", h.path, explain(err))
	}
	return applied, nil
}

func (h home) pending(ctx context.Context) ([]string, error) {
	have := int64(0)
	if _, err := os.Stat(h.path); err == nil {
		if have, err = h.fileVersion(ctx, resolve(h.path)); err != nil {
			return nil, fmt.Errorf("open %s: %w", h.path, explain(err))
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return dialect.Missing(have)
}

func (h home) migrateFile(ctx context.Context, path string, inspected *sql.DB) ([]string, error) {
	// First of all, so that another program's file isn't even switched to WAL.
	have, err := h.inspect(ctx, inspected)
	if err != nil {
		return nil, err
	}
	if missing, err := dialect.Missing(have); err != nil || len(missing) == 0 {
		return nil, err
	}
	var connect driver.Connector = connector{path, migrating}
	if h.shared {
		connect = h.dialect.NamedMigrations(connect)
	}
	db := sql.OpenDB(sqlstore.OneTransaction(connect))
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	applied, err := h.apply(ctx, db)
	if err != nil {
		return nil, err // closing the connection rolls back
	}
	if _, err := db.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, err
	}
	return applied, nil
}

// apply runs the migrations within the transaction that db's one connection is in.
func (h home) apply(ctx context.Context, db *sql.DB) ([]string, error) {
	have, err := h.version(ctx, db) // read again, now that no other process can change it
	if err != nil {
		return nil, err
	}
	missing, err := dialect.Missing(have)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	migrator, err := h.dialect.Migrator(db)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Up(ctx); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if err := h.checkKeys(ctx, db); err != nil || h.shared {
		return missing, err
	}
	reached, err := migrator.GetDBVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return missing, seal(ctx, db, reached)
}

// checkKeys checks the foreign keys of the tables, and of no table of another program.
func (h home) checkKeys(ctx context.Context, db *sql.DB) error {
	query := `SELECT c."table" FROM sqlite_schema AS s, pragma_foreign_key_check(s.name) AS c WHERE s.type = 'table'`
	if h.shared {
		query += ` AND substr(s.name, 1, 10) = 'cloakroom_'`
	}
	var table string
	err := db.QueryRowContext(ctx, query+` LIMIT 1`).Scan(&table)
	if err == nil {
		return fmt.Errorf("migrate: table %s refers to rows that are not there", table)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("check foreign keys: %w", err)
	}
	return nil
}

// seal writes the application ID and the version into the file's header.
func seal(ctx context.Context, db *sql.DB, version int64) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version))
	return err
}

// fileVersion returns the version of a file without changing anything.
func (h home) fileVersion(ctx context.Context, path string) (int64, error) {
	db := pool(path, inspecting)
	defer db.Close()
	have, err := h.inspect(ctx, db)
	if err == nil {
		_, err = countTables(ctx, db)
	}
	return have, err
}

func (h home) inspect(ctx context.Context, db *sql.DB) (int64, error) {
	have, err := h.version(ctx, db)
	if hasCode(err, sqlitelib.SQLITE_NOTADB) {
		return 0, fmt.Errorf("this is not an SQLite database: %w", err)
	}
	return have, err
}

func (h home) version(ctx context.Context, db *sql.DB) (int64, error) {
	if h.shared {
		return sharedVersion(ctx, db)
	}
	return version(ctx, db)
}

// version returns the version of the schema: 0 for an empty file. A file of another program is an error. What it asks of a file of this
// program is in the file's header, for which SQLite doesn't read the schema.
func version(ctx context.Context, db *sql.DB) (have int64, err error) {
	tx, err := db.BeginTx(ctx, nil) // another process may migrate in between
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	var id int64
	err = tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	if err == nil {
		err = tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have)
	}
	if err != nil || id == applicationID {
		return have, err
	}
	tables, err := countTables(ctx, tx)
	if err == nil && (id != 0 || have != 0 || tables != 0) {
		err = errors.New("this is another program's database")
	}
	return 0, err
}

// countTables returns how many tables, indexes and triggers there are. A schema that is damaged is an error.
func countTables(ctx context.Context, in interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (n int, err error) {
	err = in.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
	return n, err
}
