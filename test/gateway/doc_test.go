// Package fronttest_test drives the built program as what stands in front of an application: by its own gateway, and
// behind the real nginx and the real Caddy, with the configurations of the examples. The application reports what reaches
// it. Requests are written by hand, in HTTP/1.1 and HTTP/2, where a client library would tidy them.
package gateway_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// With it, go test knows the results to be stale when the program has changed.
	_ "github.com/cloakroom-auth/cloakroom"
)

// patience is how long the tests wait for what should take moments: only a broken program lets it run out.
const patience = 60 * time.Second

var long = os.Getenv("CLOAKROOM_LONG") != ""

var interrupt = os.Interrupt

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fronttest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "cloakroom")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/cloakroom").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "[build failed] %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// process is a server that runs until the test ends.
type process struct {
	t       testing.TB
	command *exec.Cmd
	log     output
	done    chan struct{}
}

// run starts a program, and stops it at the end of the test.
func run(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, command: exec.Command(name, args...), done: make(chan struct{})}
	p.command.Env = environment(t)
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
	log := p.log.String()
	for _, sign := range []string{"sys_crash", "panic:", "fatal error:", "DATA RACE"} {
		if strings.Contains(log, sign) {
			p.t.Errorf("the log says %q:\n%.4000s", sign, log)
		}
	}
	if p.t.Failed() {
		p.t.Logf("the end of the log of %s:\n%s", filepath.Base(p.command.Path), tail(log, 3000))
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// listening waits until somebody answers at the address.
func (p *process) listening(address string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.done:
			p.t.Fatalf("%s has ended:\n%s", p.command.Path, p.log.String())
		default:
		}
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	p.t.Fatalf("nobody listens at %s:\n%s", address, p.log.String())
}

// need returns the path of a program that make test installs.
func need(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin/", "", "/usr/sbin/", "/usr/local/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
		t.Fatalf("%s isn't installed: apt-get install %s", name, name)
	}
	t.Skipf("left out: %s isn't installed (make test installs it)", name)
	return ""
}

// environment is the test's own without the program's settings, and with a home that is thrown away.
func environment(t testing.TB) []string {
	all := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "CLOAKROOM_") || strings.HasPrefix(entry, "HOME=") || strings.HasPrefix(entry, "XDG_")
	})
	return append(all, "HOME="+t.TempDir())
}

// freePort picks from below the ports that the system gives to clients: those might take it before the server does.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port between 20000 and 30000")
	return 0
}

// output is what a process has printed, to be read while it prints more.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
