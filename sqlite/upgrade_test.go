package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// TestEachEarlierSchemaIsBroughtUpToDate opens databases with the schema of each earlier version, a user and a reset link.
func TestEachEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	versions, err := filepath.Glob("../internal/sqlstore/migrations/sqlite3/*.sql")
	if err != nil || len(versions) < 2 {
		t.Fatalf("migrations %v, %v; want at least two", versions, err)
	}
	for version := int64(1); version < int64(len(versions)); version++ {
		path := filepath.Join(t.TempDir(), "cloakroom.db")
		makeEarlier(t, path, version)
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Errorf("version %d: Open: %v", version, err)
			continue
		}
		if u, err := db.Accounts.Find(t.Context(), "ada"); err != nil || u.Username != "ada" {
			t.Errorf("version %d: Find = %v, %v; want ada", version, u, err)
		}
		if err := db.Accounts.Create(t.Context(), &account.User{Username: "bob"}); err != nil {
			t.Errorf("version %d: Create: %v", version, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// applicationID is the application ID in SQLite's header.
const applicationID = 0x436c6f61

// makeEarlier makes a database with the schema of an earlier version.
func makeEarlier(t *testing.T, path string, version int64) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("../internal/sqlstore/migrations/sqlite3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version),
		`INSERT INTO users (id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login, epoch, search)
			VALUES (1, 'ada', '', '', '', '', 1, 0, 0, 0, 0, 'epoch', 'ada')`,
		`INSERT INTO logins VALUES ('ada', 1)`,
		`INSERT INTO resets (user_id, hash, epoch, expires) VALUES (1, randomblob(32), 'epoch', 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
