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

	"github.com/cloakroom-auth/cloakroom/password"
)

const stormWorkers = 2

// TestP10_AStormOfSignInsStaysInMemory lets 200 verify at a time in a process of its own, and looks at the most memory
// that it ever had.
func TestP10_AStormOfSignInsStaysInMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("needs /proc")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStormInAProcessOfItsOwn$", "-test.v")
	cmd.Env = append(os.Environ(), "PASSWORD_STORM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var idle, most, verified, busy int
	_, report, _ := strings.Cut(string(out), "storm: ")
	if _, err := fmt.Sscanf(report, "%d kB idle, %d kB at most, %d verified, %d busy", &idle, &most, &verified, &busy); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("storm: %s", strings.SplitN(report, "\n", 2)[0])
	if limit := idle + (stormWorkers*20+30)<<10; most > limit {
		t.Errorf("%d kB at most, %d kB allowed", most, limit)
	}
	if verified == 0 || busy == 0 {
		t.Errorf("that was no storm: %d verified, %d refused", verified, busy)
	}
}

func TestStormInAProcessOfItsOwn(t *testing.T) {
	if os.Getenv("PASSWORD_STORM") == "" {
		t.Skip("run by TestP10_AStormOfSignInsStaysInMemory")
	}
	h := &password.Hasher{Workers: stormWorkers}
	idle := resident(t, "VmRSS:")
	var verified, busy atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for range 3 {
				_, err := h.Verify(context.Background(), "", good)
				switch {
				case err == nil:
					verified.Add(1)
				case isBusy(err):
					busy.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("storm: %d kB idle, %d kB at most, %d verified, %d busy\n",
		idle, resident(t, "VmHWM:"), verified.Load(), busy.Load())
}

// resident reads one of the process's figures, in kB.
func resident(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), name)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
