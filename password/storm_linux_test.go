//go:build linux && !race

// The race detector takes several times the memory.

package password_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/password"
)

const stormWorkers = 2

// TestP10_AStormOfSignInsStaysInMemory lets 200 verify at a time in a process of its own, and looks at the most memory
// that it ever had.
func TestP10_AStormOfSignInsStaysInMemory(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PASSWORD_STORM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var idle, most, verified, busy int
	if _, err := fmt.Sscanf(string(out), "%d kB idle, %d kB at most, %d verified, %d busy", &idle, &most, &verified, &busy); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if limit := idle + (stormWorkers*20+30)<<10; most > limit {
		t.Errorf("%d kB at most, %d kB allowed", most, limit)
	}
	if verified == 0 || busy == 0 {
		t.Errorf("that was no storm: %d verified, %d refused", verified, busy)
	}
}

// TestP10_TheProcessHasTheMemoryOfItsHashes, however many it has made before.
func TestP10_TheProcessHasTheMemoryOfItsHashes(t *testing.T) {
	h := assisted(t)
	h.Workers, h.Wait = 1, time.Minute
	verify := func() {
		if _, err := h.Verify(t.Context(), "", good); err != nil {
			t.Error(err)
		}
	}
	verify()
	one := peakOf(t, h.PID())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 6 {
				verify()
			}
		})
	}
	all.Wait()
	many := peakOf(t, h.PID())
	t.Logf("%d kB after one hash, %d kB after 121", one, many)
	if many > one+9<<10 {
		t.Errorf("%d kB after one hash, %d kB after 121", one, many)
	}
}

func peakOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return figure(string(text), "VmHWM:")
}

func init() { beStorm = storm }

func storm() {
	h := &password.Hasher{Workers: stormWorkers}
	idle := resident("VmRSS:")
	var verified, busy atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for range 3 {
				switch _, err := h.Verify(context.Background(), "", good); {
				case err == nil:
					verified.Add(1)
				case isBusy(err):
					busy.Add(1)
				default:
					panic(err)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("%d kB idle, %d kB at most, %d verified, %d busy\n", idle, resident("VmHWM:"), verified.Load(), busy.Load())
}

// resident reads one of the process's figures, in kB.
func resident(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	return figure(string(text), name)
}

func figure(text, name string) int {
	_, rest, _ := strings.Cut(text, name)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		panic(err)
	}
	return n
}
