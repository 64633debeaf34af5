package assistant

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// Hurried reports whether the process that runs has an ordinary priority.
func (p *Process) Hurried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current != nil && p.current.hurried
}

// EndHurry lets the time of the ordinary priority be over.
func (p *Process) EndHurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurried = time.Time{}
}

// Ended waits until the operating system knows no such process.
func Ended(t *testing.T, pid int) {
	t.Helper()
	for range 2000 {
		if p, err := os.FindProcess(pid); err != nil || p.Signal(syscall.Signal(0)) != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("process %d is still there", pid)
}
