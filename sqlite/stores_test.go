package sqlite_test

import (
	"path/filepath"
	"testing"

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
		Sessions: db.Sessions(), Accounts: db.Accounts(), Throttles: db.Throttles(), Keys: db.Keys(),
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
