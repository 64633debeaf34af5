package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

const e2eFolder = "../../e2e"

// certified is npm's certified oidc-provider on a port of its own. Anyone signs in there with any name. It gives each refresh token once,
// and ends all of a grant when one is used twice.
type certified struct {
	t      *testing.T
	issuer string
	stdin  io.Writer
	done   chan struct{} // one for each message that it has dealt with
	log    *harness.Output

	mu     sync.Mutex
	events []providerEvent
}

// providerEvent is what e2e/op.mjs prints.
type providerEvent struct {
	Issuer   string
	Done     bool
	Given    string // a type of grant
	Tokens   []string
	Refused  string // a type of grant
	Code     string
	Answered string // such as "POST /token"
	Status   int
	Told     string // a client
	Error    string
}

// startCertified starts the provider, which ends with the test. The test is left out without Node and the packages of e2e.
func startCertified(t *testing.T) *certified {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(e2eFolder, "node_modules", "oidc-provider"))
	}
	if err != nil && os.Getenv("CLOAKROOM_TESTS_NEED_ALL") == "" {
		t.Skipf("left out: %v; run npm ci in e2e", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &certified{t: t, done: make(chan struct{}), log: &harness.Output{}}
	command := exec.Command(node, "op.mjs")
	command.Dir, command.Stderr = e2eFolder, c.log
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	ended := make(chan struct{})
	t.Cleanup(func() {
		stdin.Close()
		<-ended
		if err := command.Wait(); err != nil || t.Failed() {
			t.Logf("the provider: %v\n%s", err, c.log.Tail(15))
		}
	})
	if !lines.Scan() {
		close(ended)
		t.Fatalf("the provider doesn't start:\n%s", c.log.Tail(20))
	}
	var first providerEvent
	if err := json.Unmarshal(lines.Bytes(), &first); err != nil || first.Issuer == "" {
		t.Errorf("the provider prints %s", lines.Bytes())
	}
	c.issuer = first.Issuer
	go func() {
		defer close(ended)
		defer close(c.done)
		for lines.Scan() {
			c.note(lines.Bytes())
		}
	}()
	return c
}

func (c *certified) note(line []byte) {
	var e providerEvent
	switch err := json.Unmarshal(line, &e); {
	case err != nil:
		c.t.Errorf("the provider prints %s", line)
	case e.Done:
		c.done <- struct{}{}
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}
}

// tell sends the provider a message, and returns when it has dealt with it.
func (c *certified) tell(message map[string]any) {
	c.t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.stdin.Write(append(text, '\n')); err != nil {
		c.t.Fatalf("%v\n%s", err, c.log.Tail(20))
	}
	if _, ok := <-c.done; !ok {
		c.t.Fatalf("the provider has ended:\n%s", c.log.Tail(20))
	}
}

// setLife sets for how many seconds the access tokens are good that are given from now on.
func (c *certified) setLife(seconds int) { c.tell(map[string]any{"life": seconds}) }

// client describes a client for connect: the Cloakroom at a URL, which calls the provider "example". The provider tells of its logouts at
// the address logout.
func (*certified) client(name, at, logout string) map[string]any {
	return map[string]any{"name": name, "url": at, "provider": "example", "more": map[string]any{
		"backchannel_logout_uri": logout + "/api/auth/oidc/example/backchannel-logout",
	}}
}

// connect registers the clients.
func (c *certified) connect(clients ...map[string]any) { c.tell(map[string]any{"clients": clients}) }

// settings writes the settings of the provider for a client, with more members, and returns the file.
func (c *certified) settings(client string, more string) string {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "example.json")
	text := fmt.Sprintf(`{"issuer":%q,"client_id":%q,"client_secret":"a secret of the client, which is long enough","signup":true%s}`, c.issuer, client, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// count returns how many of the events so far are such ones.
func (c *certified) count(such func(e providerEvent) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if such(e) {
			n++
		}
	}
	return n
}

func (c *certified) given(grant string) int {
	return c.count(func(e providerEvent) bool { return e.Given == grant })
}

func (c *certified) refused() int {
	return c.count(func(e providerEvent) bool { return e.Refused != "" })
}

func (c *certified) revoked() int {
	return c.count(func(e providerEvent) bool { return e.Answered == "POST /token/revocation" && e.Status == http.StatusOK })
}

// tokens returns every token that was given.
func (c *certified) tokens() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		all = append(all, e.Tokens...)
	}
	return all
}

// gave reports whether the value of a header has one of the tokens.
func (c *certified) gave(header string) bool {
	token, ok := strings.CutPrefix(header, "Bearer ")
	return ok && slices.Contains(c.tokens(), token)
}

var (
	promptField = regexp.MustCompile(`name="prompt" value="(login|consent)"`)
	xsrfField   = regexp.MustCompile(`name="xsrf" value="(\w+)"`)
)

// visit begins an attempt at the provider, and goes on there as this person.
func (b *browser) visit(c *certified, person string, start map[string]any) *url.URL {
	b.t.Helper()
	return b.goOn(c, person, b.begin(start))
}

// begin is beginAt at "example".
func (b *browser) begin(start map[string]any) string {
	b.t.Helper()
	return b.beginAt("example", start)
}

// beginAt begins an attempt and returns the address at the provider.
func (b *browser) beginAt(provider string, start map[string]any) string {
	b.t.Helper()
	r := b.send("POST", "/api/auth/oidc/"+provider+"/start", start)
	var out struct{ Location string }
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK {
		b.t.Fatalf("start: %s", r)
	}
	return out.Location
}

// goOn opens a page of the provider, signs in as a person and permits what is asked for, as often as the provider asks, and returns where
// the browser ends.
func (b *browser) goOn(c *certified, person, location string) *url.URL {
	b.t.Helper()
	answer, err := b.http.Get(location)
	if err != nil {
		b.t.Fatal(err)
	}
	for range 3 {
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		at := answer.Request.URL
		if !strings.HasPrefix(at.String(), c.issuer) {
			return at
		}
		prompt := promptField.FindSubmatch(text)
		if prompt == nil {
			b.t.Fatalf("%s: %d %.500s", at, answer.StatusCode, text)
		}
		answer, err = b.http.PostForm(at.String(), url.Values{"prompt": {string(prompt[1])}, "login": {person}, "password": {"any"}})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Fatal("the provider asks again and again")
	return nil
}

// signOutThere signs out at the provider: of everything, or only of the one client that is named.
func (b *browser) signOutThere(c *certified, only string) {
	b.t.Helper()
	query := ""
	if only != "" {
		query = "?" + url.Values{"client_id": {only}}.Encode()
	}
	page, err := b.http.Get(c.issuer + "/session/end" + query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	xsrf := xsrfField.FindSubmatch(text)
	if xsrf == nil {
		b.t.Fatalf("the page of the sign-out: %d %.500s", page.StatusCode, text)
	}
	form := url.Values{"xsrf": {string(xsrf[1])}}
	if only == "" {
		form.Set("logout", "yes")
	}
	answer, err := b.http.PostForm(c.issuer+"/session/end/confirm", form)
	if err != nil {
		b.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		b.t.Fatalf("the sign-out at the provider: %d", answer.StatusCode)
	}
}

// username asks who is signed in; "" if no one is.
func (b *browser) username() string {
	b.t.Helper()
	r := b.send("GET", "/api/me", nil)
	if r.status == http.StatusUnauthorized {
		return ""
	}
	var me struct{ Username string }
	if err := json.Unmarshal(r.body, &me); err != nil || r.status != http.StatusOK {
		b.t.Fatal(r)
	}
	return me.Username
}
