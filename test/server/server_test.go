package server_test

import (
	"bytes"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// patience is how long the tests wait for something to happen. Only a broken program lets it run out.
const patience = 60 * time.Second

// server is the running program with a data directory of its own.
type server struct {
	t    *testing.T
	data string
	db   string   // --db; "": the file in data
	base string   // http://127.0.0.1:PORT
	args []string // of serve; ADDRESS in them stands for 127.0.0.1 and the port
	log  *harness.Output

	transport *http.Transport
	through   http.RoundTripper // what visitors use; the transport, or something in front of it
	command   *exec.Cmd
	done      chan struct{} // closed when the process has ended
}

// start serves a new data directory until the test ends.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startOn(t, filepath.Join(t.TempDir(), "data"), args...)
}

func startOn(t *testing.T, data string, args ...string) *server {
	t.Helper()
	return startWith(t, data, "", args...)
}

// startWith serves a data directory and a database elsewhere.
func startWith(t *testing.T, data, db string, args ...string) *server {
	t.Helper()
	s := &server{
		t: t, data: data, db: db, args: args, log: &harness.Output{},
		transport: &http.Transport{MaxIdleConnsPerHost: 2000, DisableCompression: true},
	}
	s.through = s.transport
	t.Cleanup(s.end)
	s.start()
	return s
}

// start starts the program, for the first time or again, and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	for try := 0; ; try++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(harness.FreePort(s.t)))
		s.base = "http://" + address
		s.launch(address)
		if s.ready() {
			return
		}
		if try == 5 || !strings.Contains(s.log.String(), "in use") {
			s.t.Fatalf("the server doesn't start:\n%s", s.log.Tail(20))
		}
	}
}

func (s *server) launch(address string) {
	s.t.Helper()
	args := []string{"serve", "--data", s.data, "--listen", address, "--trusted-proxy", "127.0.0.1/32", "--log-format", "json"}
	args = append(args, s.where()...)
	for _, arg := range s.args {
		args = append(args, strings.ReplaceAll(arg, "ADDRESS", address))
	}
	s.command = exec.Command(program(s.t, "cmd/cloakroom"), args...)
	s.command.Env = harness.Environment()
	s.command.Stderr, s.command.Stdout = s.log, s.log
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(command *exec.Cmd, done chan struct{}) {
		_ = command.Wait() // how it ended is in ProcessState
		close(done)
	}(s.command, s.done)
}

// ready waits until the program can serve. It returns false if the program has ended instead.
func (s *server) ready() bool {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-s.done:
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if answer, err := s.visitor().get("/readyz"); err == nil && answer.status == http.StatusOK {
			return true
		}
	}
	s.t.Fatalf("the server is not ready in time:\n%s", s.log.Tail(20))
	return false
}

// kill ends the program with SIGKILL.
func (s *server) kill() {
	s.t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.done
	s.transport.CloseIdleConnections()
}

// terminate asks the program to end, and doesn't wait.
func (s *server) terminate() {
	s.t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end and returns the exit code.
func (s *server) ended() int {
	s.t.Helper()
	select {
	case <-s.done:
		s.transport.CloseIdleConnections()
		return s.command.ProcessState.ExitCode()
	case <-time.After(patience):
		s.t.Fatalf("the server doesn't end:\n%s", s.log.Tail(20))
		return -1
	}
}

// stop ends the program as an operator does.
func (s *server) stop() {
	s.t.Helper()
	s.terminate()
	if code := s.ended(); code != 0 {
		s.t.Fatalf("exit code %d after SIGTERM:\n%s", code, s.log.Tail(20))
	}
}

// end ends every test: it stops the program and checks that it hasn't crashed.
func (s *server) end() {
	if s.done == nil {
		return // it never started
	}
	select {
	case <-s.done:
	default:
		_ = s.command.Process.Kill()
		<-s.done
	}
	s.transport.CloseIdleConnections()
	s.log.CheckCrash(s.t)
	if s.t.Failed() {
		s.t.Logf("the end of the log:\n%s", s.log.Tail(15))
	}
}

// run runs a command of the program beside the server and returns what it printed.
func (s *server) run(args ...string) string {
	s.t.Helper()
	return s.runWith("", args...)
}

func (s *server) runWith(stdin string, args ...string) string {
	s.t.Helper()
	command := exec.Command(program(s.t, "cmd/cloakroom"), append(append(args, "--data", s.data), s.where()...)...)
	command.Env = harness.Environment()
	command.Stdin = strings.NewReader(stdin)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	if err := command.Run(); err != nil {
		s.t.Fatalf("cloakroom %s: %v\n%s", strings.Join(args, " "), err, log.String())
	}
	return out.String()
}

// where names the database, unless it is the file in the data directory.
func (s *server) where() []string {
	if s.db == "" {
		return nil
	}
	return []string{"--db", s.db}
}

// database is the file that the server keeps everything in.
func (s *server) database() string { return filepath.Join(s.data, "cloakroom.db") }

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited %v in vain: %s", patience, what)
}
