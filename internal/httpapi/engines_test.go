package httpapi_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/redis"
)

// onEveryEngine runs a test with every store, also those that need a database server, in parallel.
func onEveryEngine(t *testing.T, test func(t *testing.T, open func(*testing.T) stores)) {
	onEachStore(t, test)
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) stores {
			db, err := postgres.Open(t.Context(), pgserver.Test(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db.Set
		})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) stores {
			server, err := redisserver.New(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Kill)
			db, err := redis.Open(t.Context(), server.URL())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			set := memory.New().Set
			set.Sessions, set.Throttles = db.Sessions, db.Throttles
			return set
		})
	})
}
