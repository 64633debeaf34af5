package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// Migrate brings the schema of the database up to date and returns the names of the migrations it applied. All migrations run
// in one transaction under a lock, so several processes may start at once, and a process that is stopped in the middle has
// changed nothing. A schema newer than this program's is an error, and so are tables of another program with the same names.
func Migrate(ctx context.Context, url string) (applied []string, err error) {
	p, err := at(url)
	if err != nil {
		return nil, err
	}
	return p.migrate(ctx)
}

// Pending returns the names of the migrations that [Migrate] would apply. empty reports whether none has been applied yet. It
// changes nothing.
func Pending(ctx context.Context, url string) (names []string, empty bool, err error) {
	p, err := at(url)
	if err != nil {
		return nil, false, err
	}
	return p.pending(ctx)
}

func (p place) pending(ctx context.Context) (names []string, empty bool, err error) {
	db := p.dialer.Pool()
	defer db.Close()
	have, err := p.version(ctx, db)
	if err == nil {
		names, err = dialect.Missing(have)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", p, err)
	}
	return names, have == 0, nil
}

func (p place) migrate(ctx context.Context) ([]string, error) {
	db := p.dialer.Pool()
	defer db.Close()
	return p.migrateIfOld(ctx, db)
}

// migrateIfOld runs the migrations if the schema lacks any, which it asks through db.
func (p place) migrateIfOld(ctx context.Context, db *sql.DB) (applied []string, err error) {
	have, err := p.version(ctx, db)
	if err == nil && have == 0 && p.mustExist {
		err = ErrNoTables
	}
	if err == nil {
		applied, err = dialect.Missing(have)
	}
	if err == nil && len(applied) > 0 {
		applied, err = p.migrateInOne(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p, err)
	}
	return applied, nil
}

// migrateInOne runs the migrations in one transaction on one connection.
func (p place) migrateInOne(ctx context.Context) ([]string, error) {
	db := sql.OpenDB(sqlstore.OneTransaction(p.dialer))
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	applied, err := p.apply(ctx, db)
	if err != nil {
		return nil, err // closing the connection, or giving it back, rolls back
	}
	if _, err := db.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, err
	}
	return applied, nil
}

// apply runs the migrations within the transaction that db's one connection is in.
func (p place) apply(ctx context.Context, db *sql.DB) ([]string, error) {
	if _, err := db.ExecContext(ctx, "SELECT pg_advisory_xact_lock("+lockMigration+")"); err != nil {
		return nil, fmt.Errorf("wait for other migrations: %w", err)
	}
	have, err := p.version(ctx, db) // read again, now that no other process can change it
	if err != nil {
		return nil, err
	}
	missing, err := dialect.Missing(have)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	if err := p.enter(ctx, db); err != nil {
		return nil, err
	}
	migrator, err := dialect.Migrator(db)
	if err != nil {
		return nil, err
	}
	_, err = migrator.Up(ctx)
	if hasCode(err, "42P07") { // duplicate_table
		return nil, fmt.Errorf("another program's tables are in the way; give Cloakroom a database of its own, or another schema: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return missing, nil
}

// enter makes the schema, and lets names without one mean its tables until the transaction ends.
func (p place) enter(ctx context.Context, db *sql.DB) error {
	if p.schema == "" {
		return nil
	}
	var there bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", p.schema).Scan(&there)
	if err == nil && !there { // CREATE SCHEMA IF NOT EXISTS would need the right to create one
		_, err = db.ExecContext(ctx, "CREATE SCHEMA "+quoted(p.schema))
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "SET LOCAL search_path TO "+quoted(p.schema))
	}
	if err != nil {
		return fmt.Errorf("make the schema %s: %w", p.schema, err)
	}
	return nil
}

// version returns the version of the schema: 0 if there is none.
func (p place) version(ctx context.Context, db *sql.DB) (have int64, err error) {
	// to_regclass would repeat its earlier answer within a transaction, although another process has made the table.
	const there = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = coalesce(nullif($1, ''), current_schema()) AND tablename = $2)"
	var migrated bool
	if err := db.QueryRowContext(ctx, there, p.schema, dialect.Versions).Scan(&migrated); err != nil {
		return 0, err
	}
	if !migrated {
		return 0, nil
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+p.dialect.Versions+" WHERE is_applied").Scan(&have)
	return have, err
}
