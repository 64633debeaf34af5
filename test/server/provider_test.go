package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// providerFlags are those of a server with the provider "example", whose tokens the upstream of /things gets, and that of /others not.
func providerFlags(o *oidctest.OP, upstream string, more ...string) []string {
	return append([]string{
		"--provider", "example=" + o.Settings(`"keep_tokens":true`), "--upstream", "/things=" + upstream, "--upstream", "/others=" + upstream,
		"--upstream-token", "/things=example",
	}, more...)
}

// logout sends a logout token to a node.
func (s *server) logout(o *oidctest.OP) int {
	s.t.Helper()
	form := url.Values{"logout_token": {o.LogoutToken()}}
	r, err := http.NewRequest("POST", s.base+"/api/auth/oidc/example/backchannel-logout", strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := s.through.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// holdsNone ends the test if one of the tokens is in the log of the server, or in a file of its data.
func (s *server) holdsNone(tokens []string) {
	s.t.Helper()
	if len(tokens) == 0 {
		s.t.Fatal("no token was given")
	}
	holds := func(where string, text []byte) {
		for _, token := range tokens {
			if bytes.Contains(text, []byte(token)) {
				s.t.Errorf("%s has a token of the provider", where)
				return
			}
		}
	}
	holds("the log", []byte(s.log.String()))
	err := filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		holds(path, text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// echo is an application that answers with the header Authorization as it came.
func echo(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header["Authorization"])
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// browser keeps cookies and follows redirects.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

// newBrowser returns a browser that asks a node under the address base.
func newBrowser(t *testing.T, at *server, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, base, &http.Client{Jar: jar, Transport: viaNode{at, base}}}
}

// viaNode sends requests to base to a node, and others where they go.
type viaNode struct {
	node *server
	base string
}

func (v viaNode) RoundTrip(r *http.Request) (*http.Response, error) {
	if "http://"+r.URL.Host != v.base {
		return http.DefaultTransport.RoundTrip(r)
	}
	to := r.Clone(r.Context())
	to.Host, to.URL.Host = r.URL.Host, v.node.host()
	return v.node.transport.RoundTrip(to)
}

// asking returns the same browser with another node.
func (b *browser) asking(node *server) *browser {
	return &browser{b.t, b.base, &http.Client{Jar: b.http.Jar, Transport: viaNode{node, b.base}}}
}

func (b *browser) send(method, path string, body any, header ...string) answer {
	b.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, b.base+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", b.base)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	got, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer got.Body.Close()
	out, err := io.ReadAll(got.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{status: got.StatusCode, header: got.Header, body: out}
}

// signIn signs in at the provider.
func (b *browser) signIn() {
	b.t.Helper()
	r := b.send("POST", "/api/auth/oidc/example/start", map[string]any{"next": "/api/auth/me"})
	var out struct{ Location string }
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != 200 {
		b.t.Fatalf("start: %s", r)
	}
	got, err := b.http.Get(out.Location)
	if err != nil {
		b.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != 200 || got.Request.URL.Path != "/api/auth/me" {
		b.t.Fatalf("the sign-in ended at %s: %d %s, %v", got.Request.URL, got.StatusCode, text, err)
	}
}

// tokenAt returns what the upstream got as Authorization.
func (b *browser) tokenAt(path string, header ...string) string {
	b.t.Helper()
	r := b.send("GET", path, nil, header...)
	if r.status != 200 {
		b.t.Fatalf("%s: %s", path, r)
	}
	return string(r.body)
}

func quoted(header string) string { return strings.TrimSuffix(strings.TrimPrefix(header, `["`), `"]`) }

// TestTokensOfAProviderReachTheirUpstreamAlone: not the browser, nor another upstream, nor the log or the database, and no other caller
// gets to that upstream, whatever they send.
func TestTokensOfAProviderReachTheirUpstreamAlone(t *testing.T) {
	t.Attr("threat", "O12")
	o := oidctest.New(t)
	s := start(t, providerFlags(o, echo(t), "--rule", "public /things/open")...)
	s.people("ann", 1)
	b := newBrowser(t, s, s.base)
	b.signIn()
	token := b.tokenAt("/things/1")
	if !o.Gave(quoted(token)) {
		t.Fatalf("the upstream got %s", token)
	}
	if got := b.tokenAt("/things/open", "Authorization: Custom of-the-client"); got != token {
		t.Errorf("with an Authorization of the client the upstream got %s", got)
	}
	if got := b.tokenAt("/others/1", "Authorization: Custom of-the-client"); got != `["Custom of-the-client"]` {
		t.Errorf("another upstream got %s", got)
	}
	if r := b.send("GET", "/api/authz/auth-request", nil, "X-Original-URI: /things/1", "X-Original-Method: GET"); len(r.header["Authorization"]) > 0 || strings.Contains(fmt.Sprint(r.header, string(r.body)), "their-access") {
		t.Errorf("an answer to another proxy: %s %v", r, r.header)
	}

	byPassword := newBrowser(t, s, s.base)
	if r := byPassword.send("POST", "/api/auth/login", map[string]any{"username": "ann0", "password": goodPassword}); r.status != 200 {
		t.Fatal(r)
	}
	personal := byPassword.send("POST", "/api/auth/tokens", map[string]any{"name": "a script"})
	var made struct{ Token string }
	if err := json.Unmarshal(personal.body, &made); err != nil || made.Token == "" {
		t.Fatal(personal)
	}
	stranger := newBrowser(t, s, s.base)
	for name, c := range map[string]struct {
		r      answer
		status int
		code   string
	}{
		"a session of a password":  {byPassword.send("GET", "/things/1", nil), 403, "provider_token_missing"},
		"a public path":            {byPassword.send("GET", "/things/open", nil), 403, "provider_token_missing"},
		"a stranger":               {stranger.send("GET", "/things/1", nil), 401, "not_authenticated"},
		"a stranger, where public": {stranger.send("GET", "/things/open", nil), 401, "not_authenticated"},
		"a stranger with a token":  {stranger.send("GET", "/things/open", nil, "Authorization: Bearer "+strings.TrimPrefix(quoted(token), "Bearer ")), 401, ""},
		"a token of the user's":    {stranger.send("GET", "/things/1", nil, "Authorization: Bearer "+made.Token), 403, "provider_token_missing"},
	} {
		if c.r.status != c.status || c.code != "" && c.r.code() != c.code {
			t.Errorf("%s: %s, want %d %s", name, c.r, c.status, c.code)
		}
	}
	if r := byPassword.send("GET", "/others/1", nil); r.status != 200 {
		t.Errorf("another upstream: %s", r)
	}

	if r := b.send("POST", "/api/auth/logout", nil); r.status != 200 {
		t.Fatal(r)
	}
	if r := b.send("GET", "/things/1", nil); r.status != 401 {
		t.Errorf("after the sign-out: %s", r)
	}
	eventually(t, "the tokens are revoked", func() bool { _, revoked := o.Count(); return len(revoked) == 2 })
	s.stop()
	s.holdsNone(o.Tokens())
}

// TestParallelRequestsRenewATokenOnce, on one node and over three, and the end of the session on another node ends the use of the token
// before it is acknowledged.
func TestParallelRequestsRenewATokenOnce(t *testing.T) {
	t.Attr("threat", "O13")
	for name, nodes := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := oidctest.New(t)
			o.SetLife(4)
			upstream := echo(t)
			var all []*server
			if nodes == 1 {
				all = []*server{start(t, providerFlags(o, upstream)...)}
			} else {
				all = apart(t, pgserver.Test(t), providerFlags(o, upstream), providerFlags(o, upstream), providerFlags(o, upstream))
			}
			all[0].people("ann", 1)
			b := newBrowser(t, all[0], all[0].base)
			b.signIn()
			o.SetLife(3600)
			before := b.tokenAt("/things/1")
			time.Sleep(4 * time.Second) // until the token has ended
			var group sync.WaitGroup
			got := make([]string, 20)
			for i := range got {
				group.Go(func() { got[i] = string(b.asking(all[i%nodes]).send("GET", "/things/1", nil).body) })
			}
			group.Wait()
			if n, _ := o.Count(); n != 1 || o.Reused() != 0 {
				t.Errorf("renewed %d times, want once; a refresh token was used again %d times", n, o.Reused())
			}
			for _, token := range got {
				if token == before || token != got[0] || !o.Gave(quoted(token)) {
					t.Fatalf("the upstream got %q", got)
				}
			}
			last := all[nodes-1]
			if status := last.logout(o); status != 200 {
				t.Fatalf("a logout of the provider: %d", status)
			}
			for _, node := range all {
				if r := b.asking(node).send("GET", "/things/1", nil); r.status != 401 {
					t.Errorf("after the logout: %s", r)
				}
			}
			eventually(t, "the tokens are revoked", func() bool { _, revoked := o.Count(); return len(revoked) == 2 })
			for _, node := range all {
				node.stop()
				node.holdsNone(o.Tokens())
			}
		})
	}
}

// TestTokensOfASessionThatACommandHasEnded are revoked by the server, which isn't told.
func TestTokensOfASessionThatACommandHasEnded(t *testing.T) {
	t.Attr("threat", "O15")
	t.Parallel()
	o := oidctest.New(t)
	s := start(t, providerFlags(o, echo(t))...)
	s.people("ann", 1)
	b := newBrowser(t, s, s.base)
	b.signIn()
	b.tokenAt("/things/1")
	s.run("session", "revoke-all", b.username())
	if r := b.send("GET", "/things/1", nil); r.status != 401 {
		t.Errorf("after the command: %s", r)
	}
	eventually(t, "the tokens are revoked", func() bool { _, revoked := o.Count(); return len(revoked) == 2 })
}

// TestAProviderThatHangsHoldsOnlyWhatNeedsIt: neither other upstreams nor /readyz, and no session ends.
func TestAProviderThatHangsHoldsOnlyWhatNeedsIt(t *testing.T) {
	t.Attr("threat", "O05")
	o := oidctest.New(t)
	o.SetLife(4)
	s := start(t, providerFlags(o, echo(t))...)
	s.people("ann", 1)
	b := newBrowser(t, s, s.base)
	b.signIn()
	time.Sleep(4 * time.Second)
	o.Stall()
	held := make(chan answer, 1)
	go func() { held <- b.asking(s).send("GET", "/things/1", nil) }()
	for _, path := range []string{"/others/1", "/readyz", "/api/auth/me"} {
		if r := b.send("GET", path, nil); r.status != 200 {
			t.Errorf("%s: %s", path, r)
		}
	}
	if r := <-held; r.status != 502 || r.code() != "provider_unavailable" {
		t.Errorf("what needs the provider: %s", r)
	}
	o.Release()
	eventually(t, "the provider is asked again", func() bool { return b.send("GET", "/things/1", nil).status == 200 })
}
