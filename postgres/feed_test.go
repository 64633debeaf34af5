package postgres_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/feed"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func newFeed(t *testing.T, url string) *postgres.Feed {
	t.Helper()
	f, err := postgres.NewFeed(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFeed(t *testing.T) {
	storetest.Feeds(t, func(t *testing.T) storetest.Broadcast {
		url := pgserver.Test(t)
		return storetest.Broadcast{
			Join: func(t *testing.T) feed.Feed { return newFeed(t, url) },
			Cut: func(t *testing.T) {
				sql(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			},
		}
	})
}
