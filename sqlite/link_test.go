//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// linked makes a symbolic link and returns its path.
func linked(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestASymbolicLinkStandsForItsFile: SQLite keeps its log beside the file, not beside the link.
func TestASymbolicLinkStandsForItsFile(t *testing.T) {
	for name, link := range map[string]func(dir, real string) string{
		"absolute": func(dir, real string) string { return linked(t, real, filepath.Join(dir, "cloakroom.db")) },
		"relative": func(dir, _ string) string {
			return linked(t, "../data/real.db", filepath.Join(dir, "links", "cloakroom.db"))
		},
		"of a link": func(dir, real string) string {
			return linked(t, linked(t, real, filepath.Join(dir, "first")), filepath.Join(dir, "second"))
		},
		"to the directory": func(dir, real string) string {
			return filepath.Join(linked(t, filepath.Dir(real), filepath.Join(dir, "link")), "real.db")
		},
	} {
		for _, begun := range []bool{true, false} {
			dir := t.TempDir()
			real := filepath.Join(dir, "data", "real.db")
			if err := os.Mkdir(filepath.Dir(real), 0o700); err != nil {
				t.Fatal(err)
			}
			if begun {
				if err := open(t, real).Close(); err != nil {
					t.Fatal(err)
				}
			}
			path := link(dir, real)
			if _, err := sqlite.Pending(t.Context(), path); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			db := open(t, path)
			succeed(t, db, 0)
			if err := db.Ping(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			reads(t, db)
			if _, err := os.Stat(real + "-wal"); err != nil {
				t.Errorf("%s: the log isn't beside the file: %v", name, err)
			}
			// A handle on the file itself counts the same commits.
			other := open(t, real)
			before, err := other.DataVersion(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			succeed(t, db, 1)
			if after, err := other.DataVersion(t.Context()); err != nil || after == before {
				t.Errorf("%s: a commit by the link is not seen by the file: %v", name, err)
			}
		}
	}
}

// TestALinkThatLeadsElsewhereIsAReplacedFile changes the link while the database is in use.
func TestALinkThatLeadsElsewhereIsAReplacedFile(t *testing.T) {
	t.Attr("threat", "L04")
	dir := t.TempDir()
	path := linked(t, "first.db", filepath.Join(dir, "cloakroom.db"))
	db := open(t, path)
	succeed(t, db, 0)
	if err := open(t, filepath.Join(dir, "second.db")).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	linked(t, "second.db", path)
	isMoved(t, "Ping", db.Ping(t.Context()))
}
