package cloakroom_test

import (
	"bufio"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	namedBlock = regexp.MustCompile("(?s)`(\\w+\\.go)`:\n\n```go\n(.*?)```")
)

// shop makes the module that docs/go.md tells of, in a folder beside a clone, with the page's own commands and files. at is where its
// program listens.
func shop(t *testing.T, at string) (dir string) {
	t.Helper()
	page, err := os.ReadFile("docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## A whole program\n")
	commands, files := shellBlock.FindAllStringSubmatch(section, -1), namedBlock.FindAllStringSubmatch(section, -1)
	if !found || len(commands) != 2 || len(files) != 2 {
		t.Fatalf("the page has %d blocks of commands and %d files", len(commands), len(files))
	}
	clone, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	if err := os.Symlink(clone, filepath.Join(parent, "cloakroom")); err != nil {
		t.Fatal(err)
	}
	script := func(in, text string, environment ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "sh", "-e", "-c", text)
		command.Dir = in
		// What was compiled and vetted in another folder is used again.
		command.Env = append(append(os.Environ(), "GOFLAGS=-trimpath -vet=all", "GOWORK=off"), environment...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", text, err, out)
		}
	}
	script(parent, commands[0][1])
	dir = filepath.Join(parent, "shop")
	lines := 0
	for _, file := range files {
		example, err := os.ReadFile(filepath.Join("examples", "shop", file[1]))
		if err != nil || string(example) != file[2] {
			t.Errorf("examples/shop/%s is another text than the page's, %v", file[1], err)
		}
		for line := range strings.Lines(file[2]) {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		text := strings.ReplaceAll(file[2], "localhost:8000", at)
		if err := os.WriteFile(filepath.Join(dir, file[1]), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if lines >= 150 {
		t.Errorf("the program has %d lines", lines)
	}
	last := strings.Replace(commands[1][1], "go run .", "go build -o shop .", 1)
	if os.Getenv("CLOAKROOM_LONG") != "" {
		script(dir, last)
		return dir
	}
	// Compiling everything for the race detector takes minutes, and half a minute what is compiled already: in a workspace of both modules
	// it isn't compiled as another version's. The module is whole without the workspace all the same.
	script(dir, "go mod tidy\ngo list -test -deps ./... >/dev/null")
	workspace := "GOWORK=" + filepath.Join(parent, "go.work")
	script(parent, "go work init ./shop ./cloakroom", workspace)
	script(dir, strings.Replace(last, "go test -race", "go test", 1), workspace)
	return dir
}

// TestAModuleOfItsOwnDoesAllOfIt: what the page about Go programs shows as a whole is built outside the repository, by the page alone, and does
// what it says: orders that go with their user, passkeys, another provider, a plan in /api/me, mail by the program, events by webhook, and a stop.
func TestAModuleOfItsOwnDoesAllOfIt(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // until the program is built, so that no other one takes the port
	_, port, _ := net.SplitHostPort(l.Addr().String())
	base := "http://localhost:" + port
	dir := shop(t, "localhost:"+port)
	var delivered atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && strings.Contains(string(body), "user_deleted") {
			delivered.Add(1)
		}
	}))
	t.Cleanup(endpoint.Close)

	command := exec.Command(filepath.Join(dir, "shop"), "example="+oidctest.New(t).Settings(`"label":"Example"`))
	command.Dir = dir
	command.Env = append(os.Environ(), "WEBHOOK_URL="+endpoint.URL, "WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command.Stderr = log
	logged := func() string {
		text, _ := os.ReadFile(log.Name())
		return string(text)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	_, secret, found := strings.Cut(strings.TrimSpace(line), base+"/auth/setup#")
	if !found {
		t.Fatalf("it prints %q, %v\n%s", line, err, logged())
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("waited in vain: %s\n%s", what, logged())
			}
		}
	}
	eventually("it listens", func() bool {
		c, err := net.Dial("tcp", "localhost:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	b := newBrowser(t, base)
	want := func(status int, method, path string, body any) *http.Response {
		t.Helper()
		r := b.send(method, path, body)
		if r.StatusCode != status {
			text, _ := io.ReadAll(r.Body)
			t.Fatalf("%s %s: %s\n%s\n%s", method, path, r.Status, text, logged())
		}
		return r
	}
	want(401, "POST", "/orders?what=tea", nil)
	want(200, "POST", "/api/auth/setup", map[string]string{"secret": secret, "username": "ada", "password": goodPassword})
	b.signIn()
	want(400, "POST", "/orders", nil)
	want(200, "POST", "/orders?what=tea", nil)
	want(404, "POST", "/plan/77", nil)
	want(200, "POST", "/plan/1", nil)
	var me struct{ Extra struct{ Plan string } }
	if err := json.NewDecoder(want(200, "GET", "/api/me", nil).Body).Decode(&me); err != nil || me.Extra.Plan != "pro" {
		t.Errorf("/api/me has %+v, %v", me, err)
	}
	var methods struct{ Password, Passkey bool }
	if err := json.NewDecoder(want(200, "GET", "/api/auth/methods", nil).Body).Decode(&methods); err != nil || !methods.Password || !methods.Passkey {
		t.Errorf("the ways in are %+v, %v", methods, err)
	}
	byPasskey(t, b, base)
	byProvider(t, base)
	want(202, "POST", "/api/auth/signup", map[string]string{"email": "bob@example.com"})
	eventually("mail to bob", func() bool {
		return strings.Contains(logged(), "mail to bob@example.com") && strings.Contains(logged(), base+"/")
	})

	var made struct{ ID int }
	err = json.NewDecoder(want(200, "POST", "/api/auth/admin/users", map[string]any{"username": "eve", "password": goodPassword}).Body).Decode(&made)
	if err != nil {
		t.Fatal(err)
	}
	eve := newBrowser(t, base)
	if r := eve.send("POST", "/api/auth/login", map[string]string{"username": "eve", "password": goodPassword}); r.StatusCode != 200 {
		t.Fatalf("eve's sign-in: %s", r.Status)
	}
	if r := eve.send("POST", "/plan/1", nil); r.StatusCode != 403 {
		t.Errorf("eve sets a plan: %s", r.Status)
	}
	if r := eve.send("POST", "/orders?what=coffee", nil); r.StatusCode != 200 {
		t.Errorf("eve orders: %s", r.Status)
	}
	want(200, "DELETE", fmt.Sprint("/api/auth/admin/users/", made.ID), struct{}{})
	eventually("the program is told", func() bool { return strings.Contains(logged(), fmt.Sprintf("user %d is gone", made.ID)) })
	eventually("the webhook is told", func() bool { return delivered.Load() > 0 })
	orders := ordersIn(t, filepath.Join(dir, "shop.db"))
	if len(orders) != 1 || orders[0] != "tea" {
		t.Errorf("the orders are %q", orders)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it stops with %v\n%s", err, logged())
	}
}

// byPasskey adds a passkey of the user who is signed in, and signs in with it elsewhere.
func byPasskey(t *testing.T, b *browser, base string) {
	t.Helper()
	read := func(in *browser, path string, body any) (out struct {
		PublicKey struct{ Challenge string }
		Username  string
		Passkey   struct {
			User string `json:"user_id"`
		}
	}) {
		t.Helper()
		method := "POST"
		if body == nil {
			method = "GET"
		}
		r := in.send(method, path, body)
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 200 || json.Unmarshal(text, &out) != nil {
			t.Fatalf("%s: %s %s, %v", path, r.Status, text, err)
		}
		return out
	}
	device := passkeytest.New("localhost", base)
	options := read(b, "/api/auth/factors/passkey/options", map[string]string{"kind": "passkey"})
	read(b, "/api/auth/factors/passkey", map[string]any{"kind": "passkey", "credential": json.RawMessage(device.Creation(options.PublicKey.Challenge).JSON())})
	var err error
	if device.Handle, err = base64.RawURLEncoding.DecodeString(read(b, "/api/auth/factors", nil).Passkey.User); err != nil {
		t.Fatal(err)
	}
	other := newBrowser(t, base)
	options = read(other, "/api/auth/passkey/options", map[string]any{})
	read(other, "/api/auth/passkey/login", map[string]any{"credential": json.RawMessage(device.Assertion(options.PublicKey.Challenge).Sign(device))})
	if me := read(other, "/api/me", nil); me.Username != "ada" {
		t.Errorf("the passkey signs in %+v", me)
	}
}

// byProvider signs in at the provider, which makes an account.
func byProvider(t *testing.T, base string) {
	t.Helper()
	b := newBrowser(t, base)
	var start struct{ Location string }
	r := b.send("POST", "/api/auth/oidc/example/start", map[string]string{"next": "/api/auth/me"})
	if err := json.NewDecoder(r.Body).Decode(&start); err != nil || r.StatusCode != 200 {
		t.Fatalf("the start at the provider: %s, %v", r.Status, err)
	}
	answer, err := b.Get(start.Location)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || answer.Request.URL.Path != "/api/auth/me" {
		t.Fatalf("the visit to the provider ends at %s: %s %s, %v", answer.Request.URL, answer.Status, text, err)
	}
}

func ordersIn(t *testing.T, file string) (all []string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT what FROM orders`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			t.Fatal(err)
		}
		all = append(all, what)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
