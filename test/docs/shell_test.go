package docs_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// patience is how long a block may take. Only a broken program lets it run out.
const patience = 5 * time.Minute

// world is a folder in which the commands of a block run, and where its server listens.
type world struct {
	t    *testing.T
	home string
	at   string // HOST:PORT
	url  string
	env  []string
}

// given are the files that the pages speak of.
var given = map[string]string{
	"dist/index.html": "<!doctype html><h1>Home</h1>", "google.secret": "secret\n", "smtp-password": "secret\n", "hat.css": ":root { --round: 0 }\n",
	"hat.svg":  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>`,
	"etc/.env": "",
}

// cloakroom is the program in the PATH of a block. Its serve ends as soon as the server is ready, which goes on.
const launcher = `#!/bin/bash
if [ "$1" != serve ]; then exec BINARY "$@"; fi
BINARY "$@" >>HOME/server.log 2>&1 &
server=$!
while ! curl -skf -o /dev/null URL/readyz; do
  if ! kill -0 $server 2>/dev/null; then cat HOME/server.log; exit 1; fi
  sleep 0.1
done
`

// newWorld returns a world whose processes end with the test. Its server speaks the scheme.
func newWorld(t *testing.T, scheme string) *world {
	t.Helper()
	for _, name := range []string{"curl", "openssl", "script"} {
		need(t, name)
	}
	at := fmt.Sprintf("localhost:%d", harness.FreePort(t))
	w := &world{t: t, home: t.TempDir(), at: at, url: scheme + "://" + at}
	for name, text := range given {
		w.write(name, text)
	}
	w.write("google.json", googleSettings(t))
	w.write(".gitconfig", "[safe]\n\tdirectory = *\n") // the checkout may belong to another user
	w.write("bin/cloakroom", strings.NewReplacer("BINARY", binary, "HOME", w.home, "URL", w.url).Replace(launcher))
	if err := os.Chmod(filepath.Join(w.home, "bin/cloakroom"), 0o700); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	w.write("source/is", "the working copy")
	if err := os.Symlink(source, filepath.Join(w.home, "source/cloakroom")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(python(), filepath.Join(w.home, "bin/python")); err != nil {
		t.Fatal(err)
	}
	w.env = append(harness.Environment("HOME=", "XDG_", "PATH="), "HOME="+w.home, "PATH="+filepath.Join(w.home, "bin")+":"+os.Getenv("PATH"),
		"CLOAKROOM_LISTEN="+at, "PYTHONDONTWRITEBYTECODE=1", "GOFLAGS=-trimpath", "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	return w
}

func python() string { return cmp.Or(os.Getenv("CLOAKROOM_PYTHON"), "/usr/bin/python3") }

// needDjango leaves the test out, or fails it in make test, if Python has no Django.
func needDjango(t *testing.T) {
	t.Helper()
	if err := exec.Command(python(), "-c", "import django").Run(); err == nil {
		return
	}
	if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
		t.Fatal("Django isn't installed")
	}
	t.Skip("left out: Django isn't installed")
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// need leaves the test out, or fails it in make test, if a program isn't installed.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
		t.Fatalf("%s isn't installed", name)
	}
	t.Skipf("left out: %s isn't installed", name)
}

// googleSettings is the file that docs/providers.md shows.
func googleSettings(t *testing.T) string {
	t.Helper()
	for _, b := range blocksOf(t, "docs/providers.md") {
		if b.language == "json" {
			return b.text
		}
	}
	t.Fatal("docs/providers.md has no settings")
	return ""
}

func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a script to its end, and returns what it prints. What it has started ends with the test.
func (w *world) run(script string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-e", "-c", script)
	command.Dir, command.Env = w.home, w.env
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := os.CreateTemp(w.home, "out")
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	command.Stdout, command.Stderr = out, out // a file: the server that goes on would hold a pipe open
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	group := command.Process.Pid
	w.t.Cleanup(func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
	err = command.Wait()
	text, readErr := os.ReadFile(out.Name())
	if err != nil || readErr != nil {
		w.t.Fatalf("%s\n%v, %v\n%s", script, err, readErr, text)
	}
	return string(text)
}

// signIn makes a user, and returns a header with the cookie of a session.
func (w *world) signIn() {
	w.t.Helper()
	w.run("echo 'correct horse battery staple' | cloakroom user add ada --superuser --email ada@example.com --password-stdin")
}

// swap is a pair of what a block has and what stands there when it runs. AT is where the server listens, and HOME the folder.
type swap struct{ from, to string }

// swapped returns the text of a block with each swap made.
func (w *world) swapped(b block, swaps []swap) string {
	w.t.Helper()
	text := b.text
	for _, s := range swaps {
		if !strings.Contains(text, s.from) {
			w.t.Fatalf("%s has no %q", b, s.from)
		}
		text = strings.ReplaceAll(text, s.from, strings.NewReplacer("AT", w.at, "HOME", w.home).Replace(s.to))
	}
	return text
}

var serves = regexp.MustCompile(`(?m)^cloakroom serve`)

// runs is the check of commands that succeed. Those that serve lead to a server that is ready.
func runs(swaps ...swap) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		w := newWorld(t, "http")
		w.run(w.swapped(b, swaps))
		if serves.MatchString(b.text) {
			w.ready()
		}
	}
}

// withUser runs commands that need a user called ada.
func withUser(swaps ...swap) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		w := newWorld(t, "http")
		w.signIn()
		w.run(w.swapped(b, swaps))
	}
}

// onPostgres runs commands with the address of a new database in place of the one of the block.
func onPostgres(address string, swaps ...swap) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		w := newWorld(t, "http")
		w.run(w.swapped(b, append(swaps, swap{address, pgserver.Test(t)})))
		w.ready()
	}
}

// besideDjango runs commands on the database of a Django, on PostgreSQL.
func besideDjango(swaps ...swap) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		w := newWorld(t, "http")
		needDjango(t)
		database := pgserver.Test(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: []string{strings.Repeat("django key ", 5)}})
		w.write("django-key", strings.Repeat("django key ", 5)+"\n")
		w.run(w.swapped(b, append(swaps, swap{"postgres://me@localhost/site", database})))
		if serves.MatchString(b.text) {
			w.ready()
		}
	}
}

// ready ends the test unless the server answers.
func (w *world) ready() {
	w.t.Helper()
	answer, err := http.Get(w.url + "/readyz")
	if err != nil {
		w.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.t.Fatal(answer.Status)
	}
}
