// Package djangoserver runs a real Django for tests: a project with sessions, accounts and REST framework's tokens, on a
// database of the test's choice, served by gunicorn on a free port.
package djangoserver

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed all:site
var site embed.FS

// python returns Debian's Python, for which Debian's Django is installed. CLOAKROOM_PYTHON names another one with a Django.
func python() string {
	if own := os.Getenv("CLOAKROOM_PYTHON"); own != "" {
		return own
	}
	return "/usr/bin/python3"
}

// Config configures the Django project.
type Config struct {
	Database   string   // "sqlite:PATH" or "postgres://…"
	Keys       []string // SECRET_KEY, followed by SECRET_KEY_FALLBACKS
	Hashers    []string // PASSWORD_HASHERS; nil: all of Django's, with fewer iterations for the preferred one
	UserModel  string   // AUTH_USER_MODEL, one of the project's: "people.Person" or "members.Member"; "": Django's own
	Engine     string   // SESSION_ENGINE, the last part of its name; "": db
	Serializer string   // SESSION_SERIALIZER; "": Django's JSONSerializer
	CookieAge  int      // SESSION_COOKIE_AGE; 0: Django's default
	Backends   []string // AUTHENTICATION_BACKENDS; nil: Django's default
	Middleware []string // put before Django's own in MIDDLEWARE
	TimeZone   string   // TIME_ZONE, with USE_TZ off; "": USE_TZ is on
	Clock      string   // TIME_ZONE, with USE_TZ on; "": UTC
	ResetAfter int      // PASSWORD_RESET_TIMEOUT, in seconds; 0: Django's default
	Django     Django   // the version of Django that runs it
}

// Site is a running or stopped Django project.
type Site struct {
	URL string // where it is served, after Start

	config Config
	dir    string
	server *running
}

// New sets up a project and migrates its database.
func New(t testing.TB, c Config) *Site {
	t.Helper()
	s := &Site{config: c, dir: files(t)}
	s.migrate(t)
	return s
}

// With returns the same project with another configuration, such as other keys.
func (s *Site) With(change func(c *Config)) *Site {
	next := &Site{config: s.config, dir: s.dir}
	change(&next.config)
	return next
}

var unpacked = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-django-*")
	if err != nil {
		return "", err
	}
	project, err := fs.Sub(site, "site")
	if err != nil {
		return "", err
	}
	if err := removeAtEnd(dir); err != nil {
		return "", err
	}
	return dir, os.CopyFS(dir, project)
})

//lint:ignore U1000 it is never read; it keeps the pipe open
var watched io.Closer // the project is removed when this pipe is closed, which the system does however the process ends

func removeAtEnd(dir string) (err error) {
	c := exec.Command("sh", "-c", `cat >/dev/null; rm -rf "$0"`, dir)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if watched, err = c.StdinPipe(); err != nil {
		return err
	}
	return c.Start()
}

// files returns the directory of the project, which the process unpacks once.
func files(t testing.TB) string {
	t.Helper()
	dir, err := unpacked()
	if err != nil {
		t.Fatalf("unpack the project: %v", err)
	}
	return dir
}

// Manage runs manage.py and returns its output.
func (s *Site) Manage(t testing.TB, args ...string) string {
	t.Helper()
	out, err := s.TryManage(t, args...)
	if err != nil {
		t.Fatalf("manage.py %s: %v\n%s\nDjango is needed; on Debian: apt-get install python3-django python3-djangorestframework "+
			"python3-psycopg2 python3-argon2 python3-bcrypt gunicorn", strings.Join(args, " "), err, out)
	}
	return out
}

// TryManage runs manage.py, which may fail.
func (s *Site) TryManage(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return s.run(t, nil, append([]string{"manage.py"}, args...)...).wait()
}

func (s *Site) environ(t testing.TB) []string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"keys": s.config.Keys, "hashers": s.config.Hashers, "user_model": s.config.UserModel, "engine": s.config.Engine,
		"serializer": s.config.Serializer, "time_zone": s.config.TimeZone, "clock": s.config.Clock, "reset_timeout": s.config.ResetAfter, "cookie_age": s.config.CookieAge,
		"backends": s.config.Backends, "middleware": s.config.Middleware, "database": s.database(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SITE="+string(text), "PYTHONDONTWRITEBYTECODE=1", "DJANGO_SETTINGS_MODULE=settings")
	return append(env, s.config.Django.Environ()...)
}

// Start serves the project until the test ends or Stop is called.
func (s *Site) Start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s.URL = "http://" + l.Addr().String()
	// The times are seconds: a busy machine ends neither a worker nor a connection on which a request is just sent.
	s.server = s.run(t, file, "gunicorn", "--bind", "fd://3", "--workers", "1", "--threads", "4",
		"--timeout", "600", "--keep-alive", "600", "--log-level", "warning", "wsgi")
	t.Cleanup(s.Stop)
	s.wait(t)
}

func (s *Site) wait(t testing.TB) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		answer, err := client.Get(s.URL + "/healthy")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Django doesn't answer: %v\n%s", err, s.server.output)
		}
	}
}

// Stop kills the server.
func (s *Site) Stop() {
	if s.server == nil {
		return
	}
	s.server.kill()
	s.server = nil
}

// Group returns the process group of the server.
func (s *Site) Group() int { return s.server.pid }

// Run calls one of the project's operations (see site/operations.py), and decodes its result into into unless that is nil.
func (s *Site) Run(t testing.TB, do string, with map[string]any, into any) {
	t.Helper()
	b := s.Browser(t)
	var answer struct{ Result json.RawMessage }
	if status := b.Do(t, "POST", "/run", map[string]any{"do": do, "with": with}, &answer); status != http.StatusOK {
		t.Fatalf("%s %v: Django answers %d\n%s", do, with, status, s.server.output)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.Result, into); err != nil {
		t.Fatalf("%s: %s: %v", do, answer.Result, err)
	}
}

// Browser is an HTTP client with cookies.
type Browser struct {
	Client *http.Client
	base   string
}

// Browser returns a new browser without cookies.
func (s *Site) Browser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{&http.Client{Jar: jar, Timeout: time.Minute}, s.URL}
}

// At returns the same browser for another site. Cookies ignore ports, so both sites get them.
func (b *Browser) At(base string) *Browser { return &Browser{b.Client, base} }

// Do sends a request, with body as JSON unless it is nil, and decodes the response into answer unless that is nil.
func (b *Browser) Do(t testing.TB, method, path string, body, answer any) (status int) {
	t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, b.base+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", b.base)
	return b.Send(t, r, answer)
}

// Send sends a request as it is, and decodes the response into answer unless that is nil.
func (b *Browser) Send(t testing.TB, r *http.Request, answer any) (status int) {
	t.Helper()
	got, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer == nil || got.StatusCode != http.StatusOK {
		return got.StatusCode
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("%s %s: %s: %v", r.Method, r.URL, text, err)
	}
	return got.StatusCode
}

// TryDo sends a request without a body and returns the status; 0 if there is no response.
func (b *Browser) TryDo(method, path string) (status int) {
	r, err := http.NewRequest(method, b.base+path, nil)
	if err != nil {
		return 0
	}
	got, err := b.Client.Do(r)
	if err != nil {
		return 0
	}
	got.Body.Close()
	return got.StatusCode
}
