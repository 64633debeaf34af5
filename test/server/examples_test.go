package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// TestExamplesAreShort limits the code that a program needs around the module.
func TestExamplesAreShort(t *testing.T) {
	for name, most := range map[string]int{"sessionsonly": 29, "embed": 14, "mobileclient": 40} {
		file := filepath.Join("..", "..", "examples", name, "main.go")
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "main" {
				lines = files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1
			}
		}
		if lines == 0 || lines > most {
			t.Errorf("%s: func main has %d lines, want at most %d", file, lines, most)
		}
	}
}

// TestExampleEmbedSignsItsOwnUsersInAndOut drives a program with a users table of its own: two devices sign in, one
// changes the password, and the other is out.
func TestExampleEmbedSignsItsOwnUsersInAndOut(t *testing.T) {
	e := example(t, "sessionsonly")
	desk, phone := e.device(), e.device()
	desk.want("GET", "/me", nil, 401, "")
	desk.want("POST", "/login", url.Values{"name": {"ada"}, "password": {"wrong"}}, 401, "")
	for _, d := range []*device{desk, phone} {
		d.want("POST", "/login", url.Values{"name": {"ada"}, "password": {"correct horse battery"}}, 200, "welcome")
		d.want("GET", "/me", nil, 200, "ada")
	}
	thief := e.device()
	thief.Jar.SetCookies(e.url, phone.Jar.Cookies(e.url))
	thief.want("GET", "/me", nil, 200, "ada")

	desk.want("POST", "/password", url.Values{"password": {"another horse"}}, 200, "changed")
	desk.want("GET", "/me", nil, 200, "ada")
	phone.want("GET", "/me", nil, 401, "")
	thief.want("GET", "/me", nil, 401, "")
	phone.want("POST", "/login", url.Values{"name": {"ada"}, "password": {"correct horse battery"}}, 401, "")
	phone.want("POST", "/login", url.Values{"name": {"ada"}, "password": {"another horse"}}, 200, "welcome")
	thief.Jar.SetCookies(e.url, phone.Jar.Cookies(e.url))
	phone.want("POST", "/logout", nil, 200, "bye")
	thief.want("GET", "/me", nil, 401, "")
	desk.want("GET", "/me", nil, 200, "ada")

	cross := e.device()
	cross.origin = "https://evil.example"
	cross.want("POST", "/login", url.Values{"name": {"ada"}, "password": {"another horse"}}, 403, "")
}

// TestExampleAssembledServesItsOwnRoutesToSignedInPeople goes from the first start to the program's own route.
func TestExampleAssembledServesItsOwnRoutesToSignedInPeople(t *testing.T) {
	e := example(t, "embed")
	d := e.device()
	d.want("GET", "/api/hello", nil, 401, "")
	_, secret, found := strings.Cut(e.out.String(), "/auth/setup#")
	if !found {
		t.Fatalf("no set-up link in:\n%s", e.out)
	}
	secret, _, _ = strings.Cut(secret, "\n")
	d.json("/api/auth/setup", fmt.Sprintf(`{"secret":%q,"username":"ada","password":%q}`, secret, goodPassword), 200)
	d.want("GET", "/api/hello", nil, 200, "hello, ada")
	d.want("GET", "/auth/account", nil, 200, "<html")
	d.json("/api/auth/logout", ``, 200)
	d.want("GET", "/api/hello", nil, 401, "")
	d.json("/api/auth/login", fmt.Sprintf(`{"username":"ada","password":%q}`, goodPassword), 200)
	d.want("GET", "/api/hello", nil, 200, "hello, ada")
}

// TestExampleOwnStoreKeepsItsSessionsInItsOwnStore signs in and out with sessions that are in the program's own store.
func TestExampleOwnStoreKeepsItsSessionsInItsOwnStore(t *testing.T) {
	e := example(t, "ownstore")
	d := e.device()
	_, secret, found := strings.Cut(e.out.String(), "/auth/setup#")
	if !found {
		t.Fatalf("no set-up link in:\n%s", e.out)
	}
	secret, _, _ = strings.Cut(secret, "\n")
	d.json("/api/auth/setup", fmt.Sprintf(`{"secret":%q,"username":"ada","password":%q}`, secret, goodPassword), 200)
	d.want("GET", "/api/me", nil, 200, `"ada"`)
	d.json("/api/auth/logout", ``, 200)
	d.want("GET", "/api/me", nil, 401, "")
	d.json("/api/auth/login", fmt.Sprintf(`{"username":"ada","password":%q}`, goodPassword), 200)
	d.want("GET", "/readyz", nil, 200, "")
}

// TestExampleAppStaysSignedIn runs the phone's program against the real server, a process for each thing that it does.
func TestExampleAppStaysSignedIn(t *testing.T) {
	s := start(t, "--app-tokens")
	ada := s.person("ada").Username
	dir := t.TempDir()
	run := func(ok bool, want string, args ...string) {
		t.Helper()
		command := exec.Command(program(t, "examples/mobileclient"), append([]string{s.base}, args...)...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if (err == nil) != ok || !strings.Contains(string(out), want) || strings.Contains(string(out), "cloak_app_") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	run(false, "not_authenticated", "me")
	run(false, "invalid_credentials", "login", ada, "wrong")
	run(true, ada, "login", ada, goodPassword)
	run(true, ada, "me")
	if out := s.run("session", "list", ada); !strings.Contains(out, " app ") {
		t.Errorf("the list of sessions:\n%s", out)
	}
	run(true, "{}", "logout")
	run(false, "session_ended", "me")
}

// running is an example, at work in a directory of its own.
type running struct {
	t   *testing.T
	url *url.URL
	out *harness.Output
}

func example(t *testing.T, name string) *running {
	t.Helper()
	address := fmt.Sprintf("localhost:%d", harness.FreePort(t))
	e := &running{t: t, url: &url.URL{Scheme: "http", Host: address}, out: &harness.Output{}}
	command := exec.Command(program(t, "examples/"+name))
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "LISTEN="+address)
	command.Stdout, command.Stderr = e.out, e.out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		if t.Failed() {
			t.Logf("what it printed:\n%s", e.out.Tail(20))
		}
	})
	eventually(t, "the example listens", func() bool {
		response, err := http.Get(e.url.String() + "/")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	return e
}

// device is a browser on the example's own page.
type device struct {
	http.Client
	*running
	origin string
}

func (e *running) device() *device {
	jar, err := cookiejar.New(nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return &device{http.Client{Jar: jar, Timeout: patience}, e, e.url.String()}
}

// want sends a form, or nothing, and compares the status and what is in the answer.
func (d *device) want(method, path string, form url.Values, status int, text string) {
	d.t.Helper()
	d.send(method, path, "application/x-www-form-urlencoded", form.Encode(), status, text)
}

func (d *device) json(path, body string, status int) {
	d.t.Helper()
	d.send("POST", path, "application/json", body, status, "")
}

func (d *device) send(method, path, kind, body string, status int, text string) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.url.String()+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Origin", d.origin)
	response, err := d.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || !strings.Contains(string(answer), text) {
		d.t.Errorf("%s %s: %d %s, %v, want %d with %q", method, path, response.StatusCode, answer, err, status, text)
	}
}
