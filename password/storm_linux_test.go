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

// TestAStormOfSignInsStaysInMemory verifies 200 passwords at a time in a process of its own, and checks the process's peak
// memory.
func TestAStormOfSignInsStaysInMemory(t *testing.T) {
	t.Attr("threat", "P10")
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

// TestMain turns this program into the storm if the environment says so.
func TestMain(m *testing.M) {
	if os.Getenv("PASSWORD_STORM") != "" {
		storm()
		return
	}
	os.Exit(m.Run())
}

func storm() {
	h := &password.Hasher{Workers: stormWorkers, Wait: time.Second}
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
