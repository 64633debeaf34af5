package httpapi_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the garbage collector run less often. Otherwise it takes two fifths of the time of these tests, none of which
// measures memory.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	code := m.Run()
	_ = os.RemoveAll(dataDir())
	os.Exit(code)
}
