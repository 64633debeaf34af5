//go:build unix

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lockedBuffer is the output of a process that is still running.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// activated is the command with a socket, as systemd starts it: the descriptor is 3, and LISTEN_PID is its own.
func activated(t *testing.T, socket *os.File) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	dir := t.TempDir()
	program, err := exec.LookPath("cloakroom") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	t.Cleanup(kill)
	c := exec.CommandContext(ctx, "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --data "$1"`, program, filepath.Join(dir, "data"))
	log := &lockedBuffer{}
	c.ExtraFiles, c.Stdout, c.Stderr = []*os.File{socket}, log, log
	return c, log
}

func TestTheServerListensOnTheSocketThatSystemdPasses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	c, log := activated(t, socket)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	socket.Close()
	// The port is bound already, so the request waits until the server accepts it.
	client := http.Client{Timeout: time.Minute}
	answer, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %s, want 200\n%s", answer.Status, log)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	// Only now has all of the output arrived.
	if !strings.Contains(log.String(), "http://"+address) {
		t.Errorf("the log doesn't name http://%s\n%s", address, log)
	}
}

func TestASocketThatIsNotTCPIsRefused(t *testing.T) {
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	open, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for want, l := range map[string]interface{ File() (*os.File, error) }{
		"is no TCP address":       unix.(*net.UnixListener),
		"lets other machines in,": open.(*net.TCPListener),
	} {
		socket, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		c, log := activated(t, socket)
		if err := c.Run(); err == nil || !strings.Contains(log.String(), want) {
			t.Errorf("%v: %s, want %q", err, log, want)
		}
		socket.Close()
	}
}
