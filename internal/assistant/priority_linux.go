package assistant

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveWay gives all threads, and those that come, only what time nobody else wants (SCHED_IDLE, sched(7)). Where that is
// forbidden they keep the priority they have.
func giveWay() {
	idle := &unix.SchedAttr{Policy: unix.SCHED_IDLE}
	done := map[int]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			_ = unix.SchedSetAttr(0, idle, 0) // this thread at least
			return
		}
		before := len(done)
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[id] {
				continue
			}
			done[id] = true
			_ = unix.SchedSetAttr(id, idle, 0) // it may have ended
		}
		if len(done) == before { // a thread inherits from the one that makes it
			return
		}
	}
}
