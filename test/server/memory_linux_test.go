package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory is the resident memory of a process, in bytes.
type memory struct{ resident, peak int64 }

// memory returns the server's memory.
func (s *server) memory() memory { return s.memoryOf(s.command.Process.Pid) }

func (s *server) memoryOf(pid int) memory {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var m memory
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			m.resident = n << 10
		case "VmHWM":
			m.peak = n << 10
		}
	}
	if m.resident == 0 || m.peak == 0 {
		s.t.Fatalf("no memory in:\n%s", status)
	}
	return m
}

// files counts the files and connections that the server has open.
func (s *server) files() int {
	s.t.Helper()
	open, err := filepath.Glob(s.proc("fd/*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(open)
}

func (s *server) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", s.command.Process.Pid, name)
}
