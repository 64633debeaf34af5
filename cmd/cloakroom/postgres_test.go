package main

import (
	"context"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// TestCommandsBesideAServerWithPostgres runs the script of the commands beside a server on PostgreSQL.
func TestCommandsBesideAServerWithPostgres(t *testing.T) {
	p := testscript.Params{Files: []string{"testdata/script/beside.txtar"}}
	runScriptsIn(t, p, "CLOAKROOM_DB="+pgserver.Test(t))
}

// TestCheckBehindAPooler tests what check reports about a pooler.
func TestCheckBehindAPooler(t *testing.T) {
	url := pgserver.Test(t)
	pooled := "postgres://postgres@" + pgserver.Shared(t).TestPooler(t) + url[strings.LastIndexByte(url, '/'):]
	runScriptsIn(t, testscript.Params{Dir: "testdata/pooler"}, "DIRECT="+url, "POOLED="+pooled)
}

// startPostgres starts a PostgreSQL with these settings until the script ends, and sets $POSTGRES to its address.
func startPostgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: postgres SETTINGS…")
	}
	s, err := pgserver.New(context.Background(), args...)
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
	ts.Setenv("POSTGRES", s.Addr)
}
