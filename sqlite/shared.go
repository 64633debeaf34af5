package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// ProgramDB is a program's own database file. The names of Cloakroom's tables, indexes and triggers in it begin with cloakroom_, so
// the program's tables can refer to users with foreign keys: cloakroom_users (id).
//
// Cloakroom uses the file with connections of its own, which have the settings that a [DB] needs; those of the program keep
// theirs. Only the journal mode, which is the file's, becomes WAL. The file has one writer at a time, so writes of both wait for
// each other. After each commit of the program, what was remembered is read anew.
type ProgramDB struct {
	// DB is the program's own. It must be of the driver modernc.org/sqlite: two SQLite libraries in one process undo each
	// other's locks (https://sqlite.org/howtocorrupt.html, 2.2.1). Close it after [DB.Close], since the last connection that closes
	// removes the file's log.
	DB *sql.DB
}

// Open opens the file, and brings the schema up to date as [ProgramDB.Migrate] does.
func (s ProgramDB) Open(ctx context.Context) (*DB, error) {
	in, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	return in.open(ctx)
}

// Migrate is [Migrate] for Cloakroom's tables in the file. It leaves the file's application ID and user version to the program.
func (s ProgramDB) Migrate(ctx context.Context) (applied []string, err error) {
	in, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	return in.migrate(ctx)
}

// Pending returns the names of the migrations that [ProgramDB.Migrate] would apply. empty reports whether none has been applied yet. It
// changes nothing.
func (s ProgramDB) Pending(ctx context.Context) (names []string, empty bool, err error) {
	in, err := s.home(ctx)
	if err != nil {
		return nil, false, err
	}
	have, err := in.fileVersion(ctx, resolve(in.path))
	if err == nil {
		names, err = dialect.Missing(have)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", in.path, explain(err))
	}
	return names, have == 0, nil
}

// Path returns the path of the file.
func (s ProgramDB) Path(ctx context.Context) (string, error) {
	in, err := s.home(ctx)
	return in.path, err
}

func (s ProgramDB) home(ctx context.Context) (home, error) {
	if _, ok := s.DB.Driver().(*sqlite3.Driver); !ok {
		return home{}, fmt.Errorf("the driver is %T, and must be that of modernc.org/sqlite: two SQLite libraries in one process "+
			"undo each other's locks on a file", s.DB.Driver())
	}
	in := home{shared: true, dialect: sharedDialect()}
	err := s.DB.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&in.path)
	switch {
	case err != nil:
		return home{}, fmt.Errorf("find the database file: %w", err)
	case in.path == "":
		return home{}, errors.New("the database is in memory, and must be a file")
	}
	return in, nil
}

func sharedDialect() sqlstore.Dialect {
	d := dialect
	d.Table = func(name string) string { return "cloakroom_" + name }
	d.Versions = "cloakroom_migrations"
	return d
}

// sharedVersion returns the version of Cloakroom's tables in a program's own file: 0 if there are none.
func sharedVersion(ctx context.Context, db *sql.DB) (have int64, err error) {
	var id, tables int64
	err = db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'cloakroom_migrations')
		FROM pragma_application_id`).Scan(&id, &tables)
	switch {
	case err != nil:
		return 0, err
	case id == applicationID:
		return 0, errors.New("this file is Cloakroom's alone: give its path instead")
	case tables == 0:
		return 0, nil
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM cloakroom_migrations WHERE is_applied`).Scan(&have)
	return have, err
}
