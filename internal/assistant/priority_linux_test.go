package assistant_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// policies returns the scheduling policy of each thread of a process.
func policies(t *testing.T, pid int) map[uint32]int {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint32]int{}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		if attr, err := unix.SchedGetAttr(id, 0); err == nil { // it may have ended
			found[attr.Policy]++
		}
	}
	return found
}

// TestP10_AllThreadsGiveWay, also those that came later.
func TestP10_AllThreadsGiveWay(t *testing.T) {
	p := start(t)
	for range 20 {
		p.EndHurry()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { answered(t, p, "work") })
		}
		all.Wait()
		if !p.Hurried() { // as it would where others keep the processors busy
			break
		}
	}
	if found := policies(t, p.PID()); len(found) != 1 || found[unix.SCHED_IDLE] == 0 {
		t.Errorf("threads by policy: %v", found)
	}
}

// TestWhoGivesWayTooLongHurries: with all processors taken by others, a hash would take half a minute.
func TestWhoGivesWayTooLongHurries(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	for range 2 * runtime.GOMAXPROCS(0) {
		greedy := exec.Command("sh", "-c", "while :; do :; done")
		if err := greedy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = greedy.Process.Kill()
			_ = greedy.Wait() // killed
		})
	}
	for began := time.Now(); !p.Hurried(); {
		answered(t, p, "work")
		if time.Since(began) > 30*time.Second {
			t.Fatal("it never hurries")
		}
	}
	if found := policies(t, p.PID()); found[unix.SCHED_IDLE] != 0 {
		t.Errorf("threads by policy: %v", found)
	}
}
