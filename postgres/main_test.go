package postgres_test

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// TestMain tries fewer random sequences of calls, unless their number is given: the stores in memory and in SQLite, which share the
// statements, try all of them. It lets twice as many parallel tests run as there are processors, since they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); os.Getenv("CLOAKROOM_LONG") == "" && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil {
			panic(err)
		}
	}
	usual := strconv.Itoa(runtime.GOMAXPROCS(0))
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == usual {
		if err := parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
