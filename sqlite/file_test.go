package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// run runs statements on a file without this package.
func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// refuses checks that Open refuses a file with a reason and doesn't change it.
func refuses(t *testing.T, path, why string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path)
	if err == nil {
		db.Close()
		t.Fatal("the file was opened")
	}
	if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), path) {
		t.Errorf("the error says %q; it must name the file and say %q", err, why)
	}
	if _, err := sqlite.Pending(t.Context(), path); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("Pending returns %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed (%v)", err)
	}
}

func TestFileThatIsNoDatabaseIsRefused(t *testing.T) {
	for name, content := range map[string]string{
		"text":  strings.Repeat("this is a text\n", 100),
		"short": "xy", // one byte is SQLite's own way of making an empty file on some systems
		"cut":   "SQLite format 3\x00\x10\x00",
		"zeros": strings.Repeat("\x00", 4096),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			refuses(t, path, "not an SQLite database")
		})
	}
}

func TestADamagedDatabaseSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 3 * 4096; i < len(content); i += 7 {
		content[i] ^= 0x55
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, path, "malformed (11); restore a backup")
}

func TestDatabaseOfAnotherProgramIsRefused(t *testing.T) {
	for name, statements := range map[string][]string{
		"unmarked":      {"CREATE TABLE users (id INTEGER)"},
		"unmarked, WAL": {"PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"},
		"marked":        {"PRAGMA application_id = 7"},
		"with version":  {"PRAGMA user_version = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			run(t, path, statements...)
			refuses(t, path, "another program's database")
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	run(t, path, "PRAGMA user_version = 999")
	refuses(t, path, "its schema has version 999, but this program knows only up to")
}

func TestPathThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(file, "below.db"), "", "nul\x00byte"} {
		if db, err := sqlite.Open(t.Context(), path); err == nil {
			db.Close()
			t.Errorf("%q was opened", path)
		}
	}
}

func TestFileAndDirectoryAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	db := open(t, filepath.Join(dir, "cloakroom.db"))
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 3 { // with -wal and -shm
		t.Errorf("%d files (%v)", files, err)
	}
}

func TestPathsWithSpecialCharacters(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a b.db", "q?mode=memory", "h#ash", "p%41", ":memory:", "file:x.db", "é👩.db", "a&b=c;d"} {
		if err := open(t, name).Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not written to (%v)", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 8 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
}

func TestEmptyFileIsFilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPendingListsTheMigrationsToApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "cloakroom.db")
	pending, err := sqlite.Pending(t.Context(), path)
	if err != nil || len(pending) == 0 {
		t.Fatalf("%q is pending (%v)", pending, err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("Pending made the directory")
	}
	applied, err := sqlite.Migrate(t.Context(), path)
	if err != nil || fmt.Sprint(applied) != fmt.Sprint(pending) {
		t.Fatalf("%q was applied, %q was pending (%v)", applied, pending, err)
	}
	if pending, err = sqlite.Pending(t.Context(), path); err != nil || len(pending) > 0 {
		t.Errorf("%q is pending after that (%v)", pending, err)
	}
	if applied, err = sqlite.Migrate(t.Context(), path); err != nil || len(applied) > 0 {
		t.Errorf("%q was applied again (%v)", applied, err)
	}
}

func TestSettingsHoldOnEachConnection(t *testing.T) {
	read, write := open(t, filepath.Join(t.TempDir(), "cloakroom.db")).Pools()
	for name, pool := range map[string]*sql.DB{"read": read, "write": write} {
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(t.Context()) // and keep it, so that the next is another
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			for pragma, want := range map[string]string{
				"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "trusted_schema": "0",
				"secure_delete": "2", "wal_autocheckpoint": "1000", "query_only": map[string]string{"read": "1", "write": "0"}[name],
			} {
				var got string
				if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
					t.Errorf("%s: %s is %s, want %s (%v)", name, pragma, got, want, err)
				}
			}
		}
	}
	if n := write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections write", n)
	}
}

func TestSettingThatDoesNotHoldIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	open(t, path)
	if err := sqlite.ConnectWith(t.Context(), path, "cache_size", "5", "5"); err != nil {
		t.Error(err)
	}
	for pragma, value := range map[string]string{"journal_mode": "wal2", "locking_mode": "none", "no_such_pragma": "1"} {
		err := sqlite.ConnectWith(t.Context(), path, pragma, value, value)
		if err == nil || !strings.Contains(err.Error(), pragma) {
			t.Errorf("%s=%s: %v", pragma, value, err)
		}
	}
}

func TestCloseLeavesNothingOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db := open(t, path)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("there are %v (%v)", entries, err)
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("a closed DB answers")
	}
}
