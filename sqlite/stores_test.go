package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// open opens a database for the length of the test.
func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func stores(t *testing.T, path string) storetest.Stores {
	db := open(t, path)
	return storetest.Stores{
		Set: db.Set,
		Reopen: func(t *testing.T) storetest.Stores {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return stores(t, path)
		},
	}
}

func TestStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores { return stores(t, filepath.Join(t.TempDir(), "cloakroom.db")) })
}

// ticketID returns the n-th ID.
func ticketID(n int) session.ID {
	return session.ID{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 1}
}

// ticket returns the n-th session.
func ticket(n int) *session.Record {
	return &session.Record{
		ID: ticketID(n), PublicID: fmt.Sprint("p", n), User: fmt.Sprint("u", n%7),
		Seen: 1, Expires: 1 << 40, Values: []byte(strings.Repeat("x", n%3000)),
	}
}
