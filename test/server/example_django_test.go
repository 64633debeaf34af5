//go:build unix

package server_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// notes is the running example: a Django, and Cloakroom in front of it.
type notes struct {
	t             *testing.T
	front, django string
	data          string
	out           *harness.Output
}

// django starts the example's script with additional environment variables. In long runs it uses the newest Django.
func django(t *testing.T, mode string, env ...string) *notes {
	t.Helper()
	front, port := fmt.Sprintf("localhost:%d", harness.FreePort(t)), harness.FreePort(t)
	n := &notes{t, "http://" + front, fmt.Sprintf("http://localhost:%d", port), filepath.Join(t.TempDir(), "data"), &harness.Output{}}
	python := os.Getenv("CLOAKROOM_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	command := exec.Command(filepath.Join("..", "..", "examples", "django", "start.sh"), mode)
	if os.Getenv("CLOAKROOM_LONG") != "" {
		newer := djangoserver.Newer(t)
		env = append(env, newer[len(newer)-1].Environ()...)
	}
	command.Env = append(harness.Environment(), append([]string{
		"LISTEN=" + front, fmt.Sprintf("NOTES_PORT=%d", port), "NOTES_DATA=" + n.data, "PYTHON=" + python, "PYTHONDONTWRITEBYTECODE=1",
		"CLOAKROOM=" + program(t, "cmd/cloakroom"),
	}, env...)...)
	command.Stdout, command.Stderr = n.out, n.out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM) // it may have ended
		if err := <-ended; err != nil {
			t.Errorf("the script ends with %v", err)
		}
		if t.Failed() {
			t.Logf("what it printed:\n%s", n.out.Tail(40))
		}
	})
	for _, address := range []string{n.front + "/healthz", n.django + "/api/me"} {
		eventually(t, address+" answers", func() bool {
			response, err := http.Get(address)
			if err == nil {
				response.Body.Close()
			}
			return err == nil
		})
	}
	return n
}

// password is the one that the script has given to ada.
func (n *notes) password() string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "password"))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

// noter is a browser that sends Django's csrftoken as the article's page does. Both sites are one host to its cookies.
type noter struct {
	*http.Client
	n *notes
}

func (n *notes) page() *noter {
	jar, err := cookiejar.New(nil)
	if err != nil {
		n.t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &noter{&http.Client{Jar: jar, Timeout: patience, CheckRedirect: stay}, n}
}

func (p *noter) cookie(base, name string) string {
	at, err := url.Parse(base)
	if err != nil {
		p.n.t.Fatal(err)
	}
	for _, c := range p.Jar.Cookies(at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// want sends a request with headers, as names and values, demands a status, and returns the body.
func (p *noter) want(status int, method, at, body string, headers ...string) string {
	p.n.t.Helper()
	r, err := http.NewRequest(method, at, strings.NewReader(body))
	if err != nil {
		p.n.t.Fatal(err)
	}
	base := r.URL.Scheme + "://" + r.URL.Host
	r.Header.Set("Content-Type", "application/json")
	if method != "GET" {
		r.Header.Set("Origin", base)
		if token := p.cookie(base, "csrftoken"); token != "" {
			r.Header.Set("X-CSRFToken", token)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := p.Do(r)
	if err != nil {
		p.n.t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, response.Body); err != nil {
		p.n.t.Fatal(err)
	}
	if response.StatusCode != status {
		p.n.t.Fatalf("%s %s: %d, want %d\n%.500s", method, at, response.StatusCode, status, text.String())
	}
	return text.String()
}

func (p *noter) says(want, method, at string, headers ...string) {
	p.n.t.Helper()
	if text := p.want(200, method, at, "", headers...); !strings.Contains(text, want) {
		p.n.t.Errorf("%s %s says %s, want %s", method, at, text, want)
	}
}

func credentials(name, password string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
}

// TestExampleDjangoSharesItsSessions signs in at either, and uses the routes of both.
func TestExampleDjangoSharesItsSessions(t *testing.T) {
	t.Parallel()
	for name, db := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"NOTES_DB=" + pgserver.Test(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			env := db()
			n := django(t, "share", env...)
			p := n.page()
			p.want(401, "GET", n.front+"/api/me", "")
			p.want(401, "GET", n.front+"/api/notes", "")
			p.want(200, "POST", n.front+"/api/auth/login", credentials("ada", n.password()))
			p.says(`"username":"ada"`, "GET", n.django+"/api/me")
			p.want(201, "POST", n.front+"/api/notes", `{"text":"milk"}`)
			p.want(403, "POST", n.front+"/api/notes", `{"text":"eggs"}`, "X-CSRFToken", strings.Repeat("a", 32))
			p.says(`"owner":"ada","text":"milk"`, "GET", n.front+"/api/notes")

			p.want(200, "POST", n.django+"/api/auth/logout", "")
			n.signedOut(p)
			basic, err := http.NewRequest("POST", n.django+"/api/auth/login", nil)
			if err != nil {
				t.Fatal(err)
			}
			basic.SetBasicAuth("ada", n.password())
			p.want(200, "POST", n.django+"/api/auth/login", "", "Authorization", basic.Header.Get("Authorization"))
			p.says(`"username":"ada"`, "GET", n.front+"/api/me")
			// Django has set a csrftoken of its own, which the article's page sends along.
			p.want(200, "POST", n.front+"/api/auth/logout", "")
			n.signedOut(p)

			form := regexp.MustCompile(`name="csrfmiddlewaretoken" value="(\w+)"`).FindStringSubmatch(p.want(200, "GET", n.front+"/admin/login/", ""))
			if form == nil {
				t.Fatal("no form")
			}
			p.want(302, "POST", n.front+"/admin/login/", url.Values{
				"username": {"ada"}, "password": {n.password()}, "csrfmiddlewaretoken": {form[1]},
			}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			p.says(`"username":"ada"`, "GET", n.front+"/api/me")
			p.says("milk", "GET", n.front+"/api/notes")
			p.says("&#34;noExtra&#34;:true", "GET", n.front+"/auth/account") // Django's users have no place for it
		})
	}
}

// signedOut waits until Cloakroom, which may learn of Django's changes a moment later, refuses the page's session, and checks
// that Django does too.
func (n *notes) signedOut(p *noter) {
	n.t.Helper()
	eventually(n.t, "the page is signed out", func() bool {
		response, err := p.Get(n.front + "/api/me")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusUnauthorized
	})
	p.want(403, "GET", n.django+"/api/me", "")
}

// servers are Django's development server, and one for production.
var servers = []string{"runserver", "gunicorn"}

// person makes a user in Cloakroom's own database.
func (n *notes) person(name string) {
	n.t.Helper()
	add := exec.Command(program(n.t, "cmd/cloakroom"), "user", "add", name, "--password-stdin", "--data", filepath.Join(n.data, "cloakroom-data"))
	add.Env, add.Stdin = harness.Environment(), strings.NewReader(goodPassword+"\n")
	if out, err := add.CombinedOutput(); err != nil {
		n.t.Fatalf("%v\n%s", err, out)
	}
}

// TestExampleDjangoTakesTheUserFromTheAssertion runs a Django without passwords, which takes the user from Cloakroom's signed
// assertion.
func TestExampleDjangoTakesTheUserFromTheAssertion(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			n := django(t, "headers", "SERVER="+server)
			n.person("ada")
			n.person("bob")
			p, other := n.page(), n.page()
			p.want(401, "GET", n.front+"/api/notes", "", "Remote-User", "ada", "Remote_User", "ada")
			p.want(200, "POST", n.front+"/api/auth/login", credentials("ada", goodPassword))
			other.want(200, "POST", n.front+"/api/auth/login", credentials("bob", goodPassword))
			p.want(201, "POST", n.front+"/api/notes", `{"text":"milk"}`)
			p.says(`"owner":"ada","text":"milk"`, "GET", n.front+"/api/notes")
			other.says(`[]`, "GET", n.front+"/api/notes", "Remote-User", "ada", "Remote_User", "ada")
			// A request that reaches Django directly can't claim an identity.
			p.want(403, "GET", n.django+"/api/notes", "", "Remote-User", "ada", "Remote-User-Id", "1")
			for _, forged := range []string{"x", "a.b.c", "e30.e30.e30", "eyJhbGciOiJub25lIiwidHlwIjoiY2xvYWtyb29tLWFzc2VydGlvbitqd3QiLCJraWQiOiJ4In0.e30.", "...."} {
				p.want(403, "GET", n.django+"/api/notes", "", "Cloakroom-Assertion", forged)
			}
			p.want(200, "POST", n.front+"/api/auth/logout", "")
			p.want(401, "GET", n.front+"/api/notes", "")
			p.want(200, "POST", n.front+"/api/auth/login", credentials("bob", goodPassword))
			p.says(`[]`, "GET", n.front+"/api/notes")
		})
	}
}

// namesOfEveryKind are names that Cloakroom allows, and names that only a shared Django or an import brings. Read as Latin-1
// and stripped, many of them would be equal.
var namesOfEveryKind = []string{
	"jörg", "JÖRG", "jorg", "ann\u00e0", "ann\u00c5", "ann\u00c3", "Ω", "ß", "李雷", "李霷", "王梅", "王\u68a0", "أحمد", "Σίσυφος", "a.b+c-d_e", "eve@example.com", "7",
	"a b", "a,b", "a%20b", "%C3%A0", "jo\u0308rg", "☺", "<b>&amp;", "o'hara", "\"quoted\"", "back\\slash", "a\u00a0b", "\u200bzero", "=?utf-8?q?x?=", "née\u0301",
	strings.Repeat("é", 150), strings.Repeat("\U0001f600", 150),
}

// TestDjangoGetsExactlyTheUserWhoSignedIn tries every kind of name. Each user has a row in Django that is never another's.
func TestDjangoGetsExactlyTheUserWhoSignedIn(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			names := namesOfEveryKind
			if server == "runserver" && !long {
				names = names[:10]
			}
			n := django(t, "headers", "SERVER="+server)
			db := openFile(t, filepath.Join(n.data, "cloakroom-data", "cloakroom.db"))
			called := func(id int, name string) {
				t.Helper()
				if _, err := db.ExecContext(t.Context(), `UPDATE users SET username = ? WHERE id = ?`, name, id); err != nil {
					t.Fatal(err)
				}
			}
			hash := ""
			var pages []*noter
			for i := range names {
				login := fmt.Sprint("user", i+1)
				if hash == "" {
					n.person(login)
					if err := db.QueryRowContext(t.Context(), `SELECT password FROM users`).Scan(&hash); err != nil {
						t.Fatal(err)
					}
				} else {
					n.copied(db, i+1, login)
				}
				p := n.page()
				p.want(200, "POST", n.front+"/api/auth/login", credentials(login, goodPassword))
				pages = append(pages, p)
			}
			owner := func(i int, name string) {
				t.Helper()
				var all []struct{ Owner, Text string }
				text := pages[i].want(200, "GET", n.front+"/api/notes", "")
				if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 || all[0].Owner != name || all[0].Text != fmt.Sprint(i) {
					t.Errorf("%q sees %s", name, text)
				}
			}
			for i, name := range names {
				called(i+1, name)
				pages[i].want(201, "POST", n.front+"/api/notes", fmt.Sprintf(`{"text":"%d"}`, i))
			}
			for i, name := range names {
				owner(i, name)
			}
			// Users exchange their names, and each keeps their own row.
			for i := range names {
				called(i+1, names[(i+1)%len(names)])
			}
			for i := range names {
				owner(i, names[(i+1)%len(names)])
			}
		})
	}
}

// copied makes a user like the first one, with the same password, without hashing it again.
func (n *notes) copied(db *sql.DB, id int, login string) {
	n.t.Helper()
	for _, statement := range []string{
		`INSERT INTO users (id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login, epoch, search)
			SELECT $1, $2, '', first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login, epoch, search FROM users WHERE id = 1`,
		`INSERT INTO logins (key, user_id) VALUES ($2, $1)`,
	} {
		if _, err := db.ExecContext(n.t.Context(), statement, id, login); err != nil {
			n.t.Fatal(err)
		}
	}
}
