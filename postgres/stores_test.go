package postgres_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// open opens a database for the length of the test.
func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url)
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

func stores(t *testing.T, url string) storetest.Stores {
	db := open(t, url)
	return storetest.Stores{
		Set: db.Set,
		Reopen: func(t *testing.T) storetest.Stores {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return stores(t, url)
		},
	}
}

// migrated has our tables, and nothing in them. Other tests make them in an empty database.
var migrated = pgserver.Prepared{Prepare: func(t testing.TB, url string) {
	db, err := postgres.Open(t.Context(), url)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}}

func TestStores(t *testing.T) {
	t.Parallel() // it mostly waits
	storetest.Run(t, func(t *testing.T) storetest.Stores { return stores(t, migrated.Test(t)) })
}
