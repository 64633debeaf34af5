//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// inUse returns a database with all connections open, and its path.
func inUse(t *testing.T) (*sqlite.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db := open(t, path)
	succeed(t, db, 0)
	reads(t, db)
	return db, path
}

// isMoved checks that an error says that the file was removed or replaced.
func isMoved(t *testing.T, name string, err error) {
	t.Helper()
	if !isOutage(err) || !strings.Contains(err.Error(), "removed or replaced") {
		t.Errorf("%s: %v", name, err)
	}
}

// TestWritesToARemovedFileAreNotAcknowledged: SQLite itself keeps writing to a removed file, and all of that is lost.
func TestWritesToARemovedFileAreNotAcknowledged(t *testing.T) {
	t.Attr("threat", "L04")
	for name, take := range map[string]func(path string) error{
		"removed":     os.Remove,
		"moved":       func(path string) error { return os.Rename(path, path+".old") },
		"replaced":    func(path string) error { return replace(t, path) },
		"log removed": func(path string) error { return os.Remove(path + "-wal") },
	} {
		t.Run(name, func(t *testing.T) {
			db, path := inUse(t)
			prepare(t, db, 1)
			rotated, err := db.Sessions.Load(t.Context(), ticketID(101))
			if err != nil {
				t.Fatal(err)
			}
			err = db.Throttles.Update(t.Context(), []string{"k"}, func([]throttle.Counter) error { return take(path) })
			isMoved(t, "a transaction that is under way", err)
			isMoved(t, "session.Create", db.Sessions.Create(t.Context(), ticket(200)))
			isMoved(t, "session.Delete", db.Sessions.Delete(t.Context(), ticketID(102)))
			next := *rotated
			next.ID = session.ID{9}
			isMoved(t, "session.Replace", db.Sessions.Replace(t.Context(), rotated, &next))
			isMoved(t, "Ping", db.Ping(t.Context()))
			if name == "log removed" {
				return // reads of this process are right, since the file itself is in place
			}
			_, err = db.Sessions.Load(t.Context(), ticketID(0))
			isMoved(t, "session.Load", err)
			_, err = db.Accounts.Find(t.Context(), "user0")
			isMoved(t, "account.Find", err)
			_, err = db.Sessions.List(t.Context(), session.Query{})
			isMoved(t, "session.List", err)
			_, err = db.DataVersion(t.Context())
			isMoved(t, "DataVersion", err)
		})
	}
}

// replace puts another database in the place of one.
func replace(t *testing.T, path string) error {
	other := filepath.Join(t.TempDir(), "other.db")
	if err := open(t, other).Close(); err != nil {
		return err
	}
	return os.Rename(other, path)
}

func TestAFileThatIsPutBackServesAgain(t *testing.T) {
	db, path := inUse(t)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	isMoved(t, "Ping", db.Ping(t.Context()))
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	succeed(t, db, 3)
	reads(t, db)
}
