package redisdb_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// shared is the server of the tests that don't disturb it.
var shared *redisserver.Server

func TestMain(m *testing.M) {
	if url := os.Getenv(purgerVariable); url != "" {
		os.Exit(bePurger(url))
	}
	os.Exit(withServer(m.Run))
}

func withServer(run func() int) int {
	dir, err := os.MkdirTemp("", "cloakroom-redis-")
	if err == nil {
		defer os.RemoveAll(dir)
		shared, err = redisserver.New(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Kill()
	return run()
}

// server starts a server of the test's own.
func server(t *testing.T, settings ...string) *redisserver.Server {
	t.Helper()
	s, err := redisserver.New(t.Context(), t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// open opens a database for the length of the test.
func open(t testing.TB, url string) *redisdb.DB {
	t.Helper()
	db, err := redisdb.Open(t.Context(), url)
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

// raw returns a client that bypasses the stores.
func raw(t testing.TB, addr string, password ...string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, Password: strings.Join(password, ""), ForceSingleClient: true, DisableCache: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// command runs a command of Redis.
func command(t testing.TB, c rueidis.Client, words ...string) rueidis.RedisMessage {
	t.Helper()
	m, err := c.Do(context.Background(), c.B().Arbitrary(words...).Build()).ToMessage()
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return m
}

// empty empties the shared server.
func empty(t testing.TB) {
	t.Helper()
	command(t, raw(t, shared.Addr), "FLUSHALL")
}

// TestStores runs all cases on a set of stores from two sources, since they test all stores together: users and keys are in
// memory. The cases end the process by killing the server, too.
func TestStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores {
		empty(t)
		return mixed(t, memory.New())
	})
}

func mixed(t *testing.T, others *memory.DB) storetest.Stores {
	db := open(t, shared.URL())
	set := others.Set
	set.Sessions, set.Throttles = db.Sessions, db.Throttles
	return storetest.Stores{
		Set: set,
		Reopen: func(t *testing.T) storetest.Stores {
			shared.Kill()
			must(t, shared.Start(t.Context()))
			return mixed(t, others)
		},
	}
}
