package gateway_test

import (
	"fmt"
	"os"
	"testing"
)

// shared are the fronts that tests share. They run until the last test has ended.
var shared = struct {
	fronts map[string]*front
	keeper keeper
}{fronts: map[string]*front{}}

// sharedFront returns the shared front of a kind, which it starts for the first test. The test fails if the front crashes.
func sharedFront(t *testing.T, name string) *front {
	t.Helper()
	f := shared.fronts[name]
	if f == nil {
		shared.keeper.TB = t
		f = fronts[name](&shared.keeper)
		shared.fronts[name] = f
	}
	t.Cleanup(func() {
		for _, p := range []*process{f.server, f.proxy} {
			if p != nil {
				p.check(t)
			}
		}
	})
	return f
}

// sharedDir makes a folder that is removed when all tests have ended.
func sharedDir(t *testing.T) string {
	shared.keeper.TB = t
	return shared.keeper.TempDir()
}

// keeper starts what outlives the test that needs it first: its cleanups run when all tests have ended.
type keeper struct {
	testing.TB
	cleanups []func()
	ended    bool
	failed   bool
}

func (k *keeper) Cleanup(cleanup func()) { k.cleanups = append(k.cleanups, cleanup) }

func (k *keeper) TempDir() string {
	dir, err := os.MkdirTemp("", "cloakroom-front")
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (k *keeper) Errorf(format string, args ...any) {
	if !k.ended {
		k.TB.Errorf(format, args...)
		return
	}
	k.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (k *keeper) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (k *keeper) Failed() bool { return k.failed }

func (k *keeper) Helper() {}

// end runs the cleanups, and reports whether all is well.
func (k *keeper) end() (well bool) {
	k.ended = true
	for i := len(k.cleanups) - 1; i >= 0; i-- {
		k.cleanups[i]()
	}
	return !k.failed
}
