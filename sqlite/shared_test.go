package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// programs returns a program's own file, with tables, an index and a header of its own.
func programs(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, statement := range []string{
		`PRAGMA application_id = 7; PRAGMA user_version = 9`,
		`CREATE TABLE users (patient text); CREATE TABLE sessions (patient text); CREATE TABLE goose_db_version (x)`,
		`CREATE INDEX sessions_by_user ON sessions (patient)`,
		`CREATE TABLE broken (x REFERENCES elsewhere (y)); CREATE TABLE elsewhere (y UNIQUE); INSERT INTO broken VALUES (1)`,
	} {
		execute(t, db, statement)
	}
	return db
}

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func text(t testing.TB, db *sql.DB, query string) (s string) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func sharedStores(t *testing.T, theirs *sql.DB) storetest.Stores {
	db, err := sqlite.ProgramDB{DB: theirs}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return storetest.Stores{Set: db.Set, Reopen: func(t *testing.T) storetest.Stores {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return sharedStores(t, theirs)
	}}
}

// TestStoresInAProgramsOwnFile runs the store tests beside tables that have the names of Cloakroom's own. All of them take a while.
func TestStoresInAProgramsOwnFile(t *testing.T) {
	shared := func(t *testing.T) storetest.Stores {
		theirs := programs(t)
		t.Cleanup(func() {
			if n := text(t, theirs, `SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM sessions)`); n != "0" {
				t.Errorf("the program's own tables have %s rows", n)
			}
		})
		return sharedStores(t, theirs)
	}
	if os.Getenv("CLOAKROOM_LONG") != "" {
		storetest.Run(t, shared)
		return
	}
	t.Run("audit", func(t *testing.T) {
		storetest.Audit(t, func(t *testing.T) audit.Store { return shared(t).Audit })
	})
	t.Run("links", func(t *testing.T) {
		storetest.Links(t, func(t *testing.T) federation.Store { return shared(t).Links })
	})
}

// TestAProgramsRowsKeepAUser who is referred to, and a group: also where the foreign key is checked with the commit. Without the row the
// user can be deleted.
func TestAProgramsRowsKeepAUser(t *testing.T) {
	theirs := programs(t)
	db, err := sqlite.ProgramDB{DB: theirs}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute(t, theirs, `CREATE TABLE orders (buyer INTEGER REFERENCES cloakroom_users (id));
		CREATE TABLE kept (buyer INTEGER REFERENCES cloakroom_users (id) ON DELETE RESTRICT);
		CREATE TABLE later (buyer INTEGER REFERENCES cloakroom_users (id) DEFERRABLE INITIALLY DEFERRED);
		CREATE TABLE shelf (team INTEGER REFERENCES cloakroom_groups (id))`)
	for _, table := range []string{"orders", "kept", "later"} {
		u := &account.User{Username: "ada", IsActive: true, Epoch: "now"}
		if err := db.Accounts.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		execute(t, theirs, `INSERT INTO `+table+` VALUES (?)`, u.ID)
		service := &account.Service{Store: db.Accounts}
		for name, remove := range map[string]func() error{
			"by a store": func() error { return db.Accounts.Delete(t.Context(), u.ID) },
			"by others":  func() error { return service.Delete(t.Context(), u.ID) },
			"by oneself": func() error { return service.DeleteOwn(t.Context(), u.ID, "now") },
		} {
			if err := remove(); !isProtected(err) {
				t.Errorf("%s, %s: %v", table, name, err)
			}
			if _, err := db.Accounts.Load(t.Context(), u.ID); err != nil {
				t.Errorf("%s, %s: %v", table, name, err)
			}
		}
		execute(t, theirs, `DELETE FROM `+table)
		if err := service.DeleteOwn(t.Context(), u.ID, "now"); err != nil {
			t.Errorf("%s, without the row: %v", table, err)
		}
	}
	if err := db.Accounts.SetGroup(t.Context(), account.Group{Name: "staff"}); err != nil {
		t.Fatal(err)
	}
	execute(t, theirs, `INSERT INTO shelf SELECT id FROM cloakroom_groups`)
	if err := db.Accounts.DeleteGroup(t.Context(), "staff"); !isProtected(err) {
		t.Errorf("a group: %v", err)
	}
}

func isProtected(err error) bool {
	invalid, ok := errors.AsType[*account.InvalidError](err)
	return ok && len(invalid.Fields["non_field_errors"]) == 1 && invalid.Fields["non_field_errors"][0].Code == "protected"
}

// TestAProgramsOwnFileStaysItsOwn: its header, its tables and the settings of its connections stay, and each thing that is made
// says whose it is.
func TestAProgramsOwnFileStaysItsOwn(t *testing.T) {
	theirs := programs(t)
	shared := sqlite.ProgramDB{DB: theirs}
	names, empty, err := shared.Pending(t.Context())
	if err != nil || len(names) == 0 || !empty {
		t.Errorf("pending are %v, %v, %v", names, empty, err)
	}
	db, err := shared.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if names, empty, err := shared.Pending(t.Context()); err != nil || len(names) != 0 || empty {
		t.Errorf("afterwards pending are %v, %v, %v", names, empty, err)
	}
	if made := text(t, theirs, `SELECT coalesce(group_concat(name), '') FROM sqlite_schema WHERE name NOT LIKE 'cloakroom\_%' ESCAPE '\'
		AND tbl_name NOT LIKE 'cloakroom\_%' ESCAPE '\'
		AND name NOT IN ('users', 'sessions', 'goose_db_version', 'sessions_by_user', 'broken', 'elsewhere', 'sqlite_autoindex_elsewhere_1', 'sqlite_sequence')`); made != "" {
		t.Errorf("these don't say whose they are: %s", made)
	}
	if header := text(t, theirs, `SELECT application_id || ' ' || user_version FROM pragma_application_id, pragma_user_version`); header != "7 9" {
		t.Errorf("the header is %s", header)
	}
	if keys := text(t, theirs, `PRAGMA foreign_keys`); keys != "0" {
		t.Errorf("foreign_keys of the program's connection is %s", keys)
	}
	execute(t, theirs, `CREATE TABLE orders (user_id INTEGER REFERENCES cloakroom_users (id) ON DELETE CASCADE)`)
	succeed(t, db, 1)
	// The program's commits are those of another.
	version, err := db.DataVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, theirs, `INSERT INTO users VALUES ('x')`)
	if next, err := db.DataVersion(t.Context()); err != nil || next == version {
		t.Errorf("a commit of the program isn't seen: %d, %v", next, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	execute(t, theirs, `INSERT INTO users VALUES ('y')`)
}

// wrapped is a driver of another library.
type wrapped struct{}

func (w *wrapped) Connect(context.Context) (driver.Conn, error) {
	panic("a file of another library was opened")
}
func (w *wrapped) Open(string) (driver.Conn, error) { panic("a file of another library was opened") }
func (w *wrapped) Driver() driver.Driver            { return w }

// TestFilesThatCantBeSharedAreRefused.
func TestFilesThatCantBeSharedAreRefused(t *testing.T) {
	memory, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	ours, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	newer := programs(t)
	if _, err := (sqlite.ProgramDB{DB: newer}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, newer, `INSERT INTO cloakroom_migrations (version_id, is_applied) VALUES (9999, true)`)
	for name, c := range map[string]struct {
		db   *sql.DB
		want string
	}{
		"another library": {sql.OpenDB(&wrapped{}), "locks"},
		"in memory":       {memory, "must be a file"},
		"Cloakroom's own": {ours, "Cloakroom's alone"},
		"a newer schema":  {newer, "newer"},
	} {
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		if _, err := (sqlite.ProgramDB{DB: c.db}).Open(ctx); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
