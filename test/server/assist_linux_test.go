package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// assistant returns the process that hashes passwords for the server.
func (s *server) assistant() int {
	s.t.Helper()
	all := s.children()
	if len(all) != 1 {
		s.t.Fatalf("the server has started processes %v, want one", all)
	}
	return all[0]
}

// TestSignInsOutliveTheProcessThatHashes, whatever becomes of it.
func TestSignInsOutliveTheProcessThatHashes(t *testing.T) {
	s := start(t)
	user := s.people("ann", 1)[0]
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "paused": syscall.SIGSTOP} {
		before := s.assistant()
		if err := syscall.Kill(before, signal); err != nil {
			t.Fatal(err)
		}
		s.signedIn(user.Username).demand(http.StatusOK, "the hashing process was "+name)
		s.gone(before)
	}
}

// TestTheProcessThatHashesEndsWithTheServer, also with one that is killed, and knows none of its settings.
func TestTheProcessThatHashesEndsWithTheServer(t *testing.T) {
	s := start(t)
	pid := s.assistant()
	environment, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil || len(environment) > 0 {
		t.Errorf("its environment: %q, %v", environment, err)
	}
	s.kill()
	s.gone(pid)
	s.start()
	pid = s.assistant()
	s.stop()
	s.gone(pid)
}

// gone waits until a process has ended.
func (s *server) gone(pid int) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	s.t.Fatalf("process %d is still there", pid)
}
