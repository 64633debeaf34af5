// Package gateway_test runs the built program in front of an application: as a gateway, and behind the real nginx and Caddy
// with the configurations of the examples. The application reports the requests that reach it. Requests are written byte by
// byte, in HTTP/1.1 and HTTP/2, because a client library would correct them.
package gateway_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	// This import makes go test's cached results stale when the program changes.
	_ "github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// patience is how long the tests wait for something to happen. Only a broken program lets it run out.
const patience = 60 * time.Second

var long = os.Getenv("CLOAKROOM_LONG") != ""

var interrupt = os.Interrupt

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cloakroom-gateway")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "cloakroom")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, "../../cmd/cloakroom").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "[build failed] %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	debug.SetGCPercent(400) // of the tests alone: the program keeps its own
	code := m.Run()
	if !shared.keeper.end() && code == 0 {
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// process is a server that runs until the test ends.
type process struct {
	t       testing.TB
	command *exec.Cmd
	log     harness.Output
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
	p.check(p.t)
}

// check fails the test if the process has crashed, and shows the end of its log if the test has failed.
func (p *process) check(t testing.TB) {
	p.log.CheckCrash(t)
	if t.Failed() {
		t.Logf("the end of the log of %s:\n%s", filepath.Base(p.command.Path), p.log.Tail(20))
	}
}

// listening waits until the process accepts connections at the address.
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
	p.t.Fatalf("no process listens at %s:\n%s", address, p.log.String())
}

// need returns the path of a program that make test installs: the first one in the PATH, or Debian's.
func need(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/bin/", "/usr/sbin/", "/usr/local/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
		t.Fatalf("%s isn't installed: apt-get install %s", name, filepath.Base(name))
	}
	t.Skipf("left out: %s isn't installed (make test installs it)", name)
	return ""
}

// environment is the environment of the test without the program's settings, and with a temporary home.
func environment(t testing.TB) []string {
	return append(harness.Environment("HOME=", "XDG_"), "HOME="+t.TempDir())
}
