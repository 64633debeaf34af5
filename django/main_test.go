package django_test

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// TestMain lets more tests run at once than there are processors, unless -parallel is given: most tests spend most of their
// time waiting for Django, the disk, or a cache to become valid.
func TestMain(m *testing.M) {
	if database := os.Getenv(writableChild); database != "" {
		sayWhetherWritable(database)
		return
	}
	debug.SetGCPercent(400) // no test measures memory
	flag.Parse()
	usual := strconv.Itoa(runtime.GOMAXPROCS(0))
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == usual {
		if err := parallel.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	if checks := flag.Lookup("rapid.checks"); os.Getenv("CLOAKROOM_LONG") == "" && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil { // our own stores run all of them on every push
			panic(err)
		}
	}
	os.Exit(m.Run())
}
