package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
)

// TestCommandsBesideAServerWithRedis runs the script of the commands beside a server whose sessions are in Redis.
func TestCommandsBesideAServerWithRedis(t *testing.T) {
	s, err := redisserver.New(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	p := testscript.Params{Files: []string{"testdata/script/beside.txtar"}}
	runScriptsIn(t, p, "CLOAKROOM_SESSIONS="+s.URL())
}

// startRedis starts a Redis with these settings until the script ends, and sets $REDIS to its address.
func startRedis(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: redis SETTINGS…")
	}
	dir, err := os.MkdirTemp(ts.Getenv("WORK"), "redis-")
	ts.Check(err)
	s, err := redisserver.New(context.Background(), dir, args...)
	ts.Check(err)
	ts.Defer(s.Kill)
	ts.Setenv("REDIS", strings.TrimPrefix(s.URL(), "redis://"))
}
