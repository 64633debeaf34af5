package django_test

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// TestMain lets more tests run at the same time than there are processors, unless it has been told how many: most wait most of
// the time, for Django, for a disk, or for a memory to trust itself.
func TestMain(m *testing.M) {
	if database := os.Getenv(writableChild); database != "" {
		sayWhetherWritable(database)
		return
	}
	flag.Parse()
	usual := strconv.Itoa(runtime.GOMAXPROCS(0))
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == usual {
		if err := parallel.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
