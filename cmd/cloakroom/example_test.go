//go:build unix

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// TestTheExampleBesideDjango starts examples/django as its README says, and again after everyone has signed out.
func TestTheExampleBesideDjango(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	e := startExample(t, data, "share")
	password, err := os.ReadFile(filepath.Join(data, "password"))
	if err != nil {
		t.Fatal(err)
	}
	signIn := fmt.Sprintf(`{"username":"ada","password":%q}`, bytes.TrimSpace(password))
	e.does("POST", "/api/auth/login", signIn, http.StatusOK)
	e.does("GET", "/api/me", "", http.StatusOK)
	e.does("GET", "/api/notes", "", http.StatusOK)
	if page := e.does("GET", "/admin/", "", http.StatusOK); !strings.Contains(page, "ada") {
		t.Errorf("Django's admin doesn't know ada:\n%s", page)
	}
	e.does("GET", "/admin/static/admin/css/base.css", "", http.StatusOK)
	e.does("POST", "/api/auth/logout", "", http.StatusOK)
	e.does("GET", "/api/me", "", http.StatusUnauthorized)
	e.stop()
	e = startExample(t, data, "share")
	e.does("POST", "/api/auth/login", signIn, http.StatusOK)
	e.does("GET", "/api/notes", "", http.StatusOK)
	e.stop()
	e = startExample(t, t.TempDir(), "headers")
	e.does("GET", "/api/notes", "", http.StatusUnauthorized)
	e.does("GET", "/auth/setup", "", http.StatusOK)
	e.stop()
}

// example is the running example, and a browser.
type example struct {
	t       *testing.T
	base    string
	client  *http.Client
	command *exec.Cmd
	output  *bytes.Buffer
}

func startExample(t *testing.T, data, mode string) *example {
	t.Helper()
	program, err := exec.LookPath("cloakroom")
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	listen, port := fmt.Sprint("localhost:", harness.FreePort(t)), strconv.Itoa(harness.FreePort(t))
	e := &example{t: t, base: "http://" + listen, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}, output: &bytes.Buffer{}}
	e.command = exec.Command("./start.sh", mode)
	e.command.Dir = "../../examples/django"
	e.command.Env = append(os.Environ(), "CLOAKROOM="+program, "PYTHON="+cmp.Or(os.Getenv("CLOAKROOM_PYTHON"), "/usr/bin/python3"),
		"LISTEN="+listen, "NOTES_PORT="+port, "NOTES_DATA="+data, "PYTHONDONTWRITEBYTECODE=1", "CLOAKROOM_DB=", "CLOAKROOM_DATA=")
	e.command.Stdout, e.command.Stderr = e.output, e.output
	e.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-e.command.Process.Pid, syscall.SIGKILL) })
	e.answers(e.base + "/readyz")
	e.answers("http://127.0.0.1:" + port + "/admin/login/")
	return e
}

// answers waits until an address answers.
func (e *example) answers(url string) {
	e.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		answer, err := e.client.Get(url)
		if err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			e.stop()
			e.t.Fatalf("%v\n%s", err, e.output)
		}
	}
}

func (e *example) does(method, path, body string, status int) string {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.base+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Origin", e.base)
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		e.t.Errorf("%s %s: %d, want %d; %s", method, path, answer.StatusCode, status, text)
	}
	return string(text)
}

// stop sends an interrupt, like Ctrl-C.
func (e *example) stop() {
	_ = syscall.Kill(-e.command.Process.Pid, syscall.SIGINT)
	done := make(chan error, 1)
	go func() { done <- e.command.Wait() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		e.t.Errorf("it doesn't stop\n%s", e.output)
	}
}
