// Package harness has what the tests of the built programs share: free ports, a clean environment, and the output of a
// running process.
package harness

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// FreePort returns a port of 127.0.0.1 on which no program listens. It is below the ports that the system gives to
// clients, which might take it before the server does.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port between 20000 and 30000 is free")
	return 0
}

// Environment returns the environment of the test without the settings of the program, and without the variables whose
// names begin with one of the prefixes.
func Environment(prefixes ...string) []string {
	prefixes = append(prefixes, "CLOAKROOM_")
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(entry, prefix) })
	})
}

// Output collects what a process prints. It can be read while the process runs. The zero value is empty.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns everything so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Tail returns the last lines.
func (o *Output) Tail(lines int) string {
	all := strings.Split(strings.TrimSpace(o.String()), "\n")
	if cut := len(all) - lines; cut > 0 {
		return fmt.Sprintf("… %d lines …\n%s", cut, strings.Join(all[cut:], "\n"))
	}
	return strings.Join(all, "\n")
}

// CheckCrash reports a panic, a data race or a crash that the output of a process shows.
func (o *Output) CheckCrash(t testing.TB) {
	t.Helper()
	log := o.String()
	for _, sign := range []string{"sys_crash", "panic:", "fatal error:", "DATA RACE"} {
		if at := strings.Index(log, sign); at >= 0 {
			t.Errorf("the log has %q:\n%.4000s", sign, log[at:])
		}
	}
}
