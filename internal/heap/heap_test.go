package heap_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/heap"
)

// TestMain lets this program be one that makes garbage.
func TestMain(m *testing.M) {
	switch os.Getenv("HEAP_TEST") {
	case "with":
		heap.Room()
		litter()
	case "without":
		litter()
	default:
		os.Exit(m.Run())
	}
}

var sink []byte

// litter makes 400 MB of garbage, and says how often it was collected and what memory that took.
func litter() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100_000 {
		sink = make([]byte, 4<<10)
		for i := range sink {
			sink[i] = 1
		}
	}
	runtime.ReadMemStats(&after)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		status = []byte("VmHWM: 0 kB") // elsewhere than on Linux
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println(after.NumGC-before.NumGC, strings.Fields(peak)[0])
}

func TestRoom(t *testing.T) {
	measure := func(mode string) (collections, peak int) {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "HEAP_TEST="+mode, "GOGC=100", "GOMAXPROCS=1")
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(out), &collections, &peak); err != nil {
			t.Fatal(err)
		}
		return collections, peak
	}
	without, small := measure("without")
	with, large := measure("with")
	t.Logf("%d collections and %d kB at most; with room %d and %d kB", without, small, with, large)
	if with*3 > without*2 || with < 5 {
		t.Errorf("%d collections with room, %d without; there is garbage for 50", with, without)
	}
	if more := large - small; more > 5*heap.Size>>10 {
		t.Errorf("%d kB more memory, for 4 MB of garbage", more)
	}
}
