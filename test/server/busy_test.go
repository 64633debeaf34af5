package server_test

import (
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// busyVariable turns this program into a loop that keeps one processor busy until its standard input ends.
const busyVariable = "SERVERTEST_BUSY"

// keepBusy starts processes that compete for the processors until the test ends.
func keepBusy(t *testing.T, processes int) {
	t.Helper()
	for range processes {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), busyVariable+"=1")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = c.Process.Kill()
			_ = c.Wait()
		})
	}
}

// spin is the loop of a process that keepBusy started.
func spin() {
	go func() {
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
		os.Exit(0)
	}()
	//lint:ignore SA5002 it is to keep a processor busy
	for {
	}
}

// TestSignInsSucceedOnABusyMachine runs eight busy loops beside the server: every sign-in of eight clients is answered with 200.
func TestSignInsSucceedOnABusyMachine(t *testing.T) {
	s := start(t)
	users := s.people("eve", 8)
	keepBusy(t, 8)
	var all sync.WaitGroup
	for _, u := range users {
		all.Go(func() {
			for range 2 {
				// Where other tests take the processors as well, a sign-in may be told to come back.
				a, err := persist(func() (answer, error) { return s.visitor().signIn(u.Username, goodPassword) })
				if err != nil || a.status != http.StatusOK {
					t.Errorf("sign-in of %s: %s, %v; want 200", u.Username, a, err)
				}
			}
		})
	}
	all.Wait()
}
