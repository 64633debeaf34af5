package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long the scripts wait for something quick.
const patience = 2 * time.Minute

type serverKey struct{}

// scriptServer is the server that a script has started, and the browser that talks to it.
type scriptServer struct {
	command *exec.Cmd
	done    chan error
	client  *http.Client
	body    *io.PipeWriter      // of the request in flight
	answer  chan *http.Response // to it
	secrets []string            // what must be in no output: passwords, tickets, set-up links
}

func newScriptServer() *scriptServer {
	s := &scriptServer{}
	s.forget()
	return s
}

func (s *scriptServer) forget() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	s.client = &http.Client{Jar: jar, Timeout: patience}
}

func serverOf(ts *testscript.TestScript) *scriptServer { return ts.Value(serverKey{}).(*scriptServer) }

// output is a file that can be read while a process writes it.
type output struct{ *os.File }

func (o output) String() string {
	text, err := os.ReadFile(o.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func newOutput(ts *testscript.TestScript, name string) output {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	ts.Defer(func() { f.Close() })
	return output{f}
}

// serve starts the server and waits until it is ready.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	if neg || s.command != nil {
		ts.Fatalf("usage: serve ARGS…, one server at a time")
	}
	onTerminal := len(args) > 0 && args[0] == "-tty"
	if onTerminal {
		args = args[1:]
	}
	path := filepath.SplitList(ts.Getenv("PATH"))[0]
	s.command = exec.Command(filepath.Join(path, "cloakroom"), append([]string{"serve"}, args...)...)
	s.command.Dir = ts.MkAbs(".")
	s.command.Env = environment(ts)
	out, log := newOutput(ts, "serve.out"), newOutput(ts, "serve.err")
	s.command.Stdout, s.command.Stderr = out.File, log.File
	wait := s.command.Wait
	if onTerminal {
		wait = onPTY(ts, s.command, out)
	}
	ts.Check(s.command.Start())
	s.done = make(chan error, 1)
	go func() { s.done <- wait() }()
	ts.Defer(func() {
		if s.command != nil {
			_ = s.command.Process.Kill()
			s.command = nil
			<-s.done
		}
	})
	ts.Setenv("URL", s.waitReady(ts, log))
	if onTerminal {
		awaitText(ts, out, "Ctrl-C stops it.")
	}
	ts.Setenv("PORT", ts.Getenv("URL")[strings.LastIndex(ts.Getenv("URL"), ":")+1:])
}

// environment returns the script's variables.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		env = append(env, name+"="+ts.Getenv(name))
	}
	for _, name := range append(variables(), "TZ", "HOME", "CLOAKROOM_SECOND_FACTR", "CLOAKROOM_SERVICE_HOST") {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

var readyLine = regexp.MustCompile(`sys_startup"?,? ?"?url"?[=:]"?(https?://[^" ]+)"? ?.*listen"?[=:]"?([^" ]+)`)

// waitReady returns the address on this machine.
func (s *scriptServer) waitReady(ts *testscript.TestScript, log output) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := readyLine.FindStringSubmatch(log.String()); m != nil {
			return "http://" + m[2]
		}
		select {
		case err := <-s.done:
			s.command = nil
			ts.Fatalf("the server ended: %v\n%s", err, log)
		default:
		}
	}
	ts.Fatalf("the server is not ready in time:\n%s", log)
	return ""
}

// awaitText waits for output that comes apart from the line that says that the server is ready.
func awaitText(ts *testscript.TestScript, out output, text string) {
	for deadline := time.Now().Add(patience); !strings.Contains(out.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("no %q in time:\n%s", text, out)
		}
	}
}

// endServe ends the server and checks that its log holds no secret.
func endServe(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	how := strings.Join(args, " ")
	if neg || s.command == nil {
		ts.Fatalf("usage: endserve [-int | -begin | -wait | -twice], with a server running")
	}
	switch how {
	case "", "-begin":
		ts.Check(s.command.Process.Signal(syscall.SIGTERM))
	case "-int", "-twice":
		ts.Check(s.command.Process.Signal(os.Interrupt))
	}
	switch how {
	case "-begin":
		s.awaitClosed(ts)
		return
	case "-twice":
		s.awaitClosed(ts)
		ts.Check(s.command.Process.Signal(os.Interrupt))
	}
	s.awaitEnd(ts, how == "-twice")
	s.checkSecrets(ts)
}

// awaitClosed waits until the server accepts no connections.
func (s *scriptServer) awaitClosed(ts *testscript.TestScript) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", strings.TrimPrefix(ts.Getenv("URL"), "http://"))
		if err != nil {
			return
		}
		c.Close()
	}
	ts.Fatalf("the server doesn't stop accepting")
}

// awaitEnd waits for the end of the process, which must succeed unless it was interrupted twice.
func (s *scriptServer) awaitEnd(ts *testscript.TestScript, hurried bool) {
	select {
	case err := <-s.done:
		s.command = nil
		if (err != nil) != hurried {
			ts.Fatalf("the server ended with %v:\n%s", err, ts.ReadFile("serve.err"))
		}
		if hurried && strings.Contains(ts.ReadFile("serve.err"), "requests cut off") {
			ts.Fatalf("the server gave the requests in flight all of their time")
		}
	case <-time.After(patience):
		ts.Fatalf("the server doesn't end:\n%s", ts.ReadFile("serve.err"))
	}
}

func (s *scriptServer) checkSecrets(ts *testscript.TestScript) {
	log := ts.ReadFile("serve.err")
	for _, secret := range s.secrets {
		if strings.Contains(log, secret) {
			ts.Fatalf("the log holds the secret %q:\n%s", secret, log)
		}
	}
}

// stranger is a server that isn't ours.
func stranger(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stranger STATUS")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Location", "/healthz")
		w.WriteHeader(status)
	}))
	ts.Defer(s.Close)
	ts.Setenv("URL", s.URL)
}

func firstGroup(expression, text string) (string, error) {
	compiled, err := regexp.Compile(expression)
	if err != nil {
		return "", err
	}
	m := compiled.FindStringSubmatch(text)
	if len(m) < 2 {
		return "", fmt.Errorf("nothing matches %s in:\n%s", expression, text)
	}
	return m[1], nil
}
