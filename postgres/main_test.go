package postgres_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain tries fewer random sequences of calls, unless their number is given: the stores in memory and in SQLite, which share the
// statements, try all of them.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); os.Getenv("CLOAKROOM_LONG") == "" && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
