package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// op is a provider at which everyone is ada. It gives each refresh token once, and ends all of a grant when one is used twice.
type op struct {
	*httptest.Server
	t   *testing.T
	key jose.JSONWebKey

	mu       sync.Mutex
	life     int64 // seconds that an access token is good for
	n        int
	codes    map[string]url.Values
	refresh  map[string]bool // those that count
	renewals int
	revoked  []string
	given    []string // every token that was given
	clients  []string // the addresses of the Cloakrooms
	hang     chan struct{}
}

func newOP(t *testing.T) *op {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &op{
		t: t, key: jose.JSONWebKey{Key: key, KeyID: "key", Algorithm: "ES256", Use: "sig"}, life: 3600,
		codes: map[string]url.Values{}, refresh: map[string]bool{},
	}
	o.Server = httptest.NewServer(o)
	t.Cleanup(func() {
		o.release()
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

// flags writes a file of settings, and returns the flags of the server.
func (o *op) flags(upstream string, more ...string) []string {
	o.t.Helper()
	file := filepath.Join(o.t.TempDir(), "example.json")
	text := fmt.Sprintf(`{"issuer":%q,"client_id":"cloakroom","client_secret":"secret","signup":true,"keep_tokens":true}`, o.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return append([]string{"--provider", "example=" + file, "--upstream", "/things=" + upstream, "--upstream", "/others=" + upstream,
		"--upstream-token", "/things=example"}, more...)
}

// stall lets every request wait until release is called.
func (o *op) stall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hang = make(chan struct{})
}

func (o *op) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hang != nil {
		close(o.hang)
		o.hang = nil
	}
}

func (o *op) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // at once, so that the end of the connection is noticed
	if err != nil {
		return
	}
	o.mu.Lock()
	hang := o.hang
	o.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		form = url.Values{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	write := func(v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			o.t.Logf("the provider answers: %v", err)
		}
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		write(map[string]any{
			"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token", "jwks_uri": o.URL + "/keys",
			"revocation_endpoint": o.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	case "/keys":
		write(map[string]any{"keys": []any{o.key.Public()}})
	case "/authorize":
		o.n++
		code := fmt.Sprint("code-", o.n)
		o.codes[code] = r.URL.Query()
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {r.URL.Query().Get("state")}}.Encode(), http.StatusSeeOther)
	case "/token":
		out, ok := o.grant(form)
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]any{"error": "invalid_grant"}
		}
		write(out)
	case "/revoke":
		o.revoked = append(o.revoked, form.Get("token"))
		delete(o.refresh, form.Get("token"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (o *op) grant(form url.Values) (map[string]any, bool) {
	o.n++
	access, refresh := fmt.Sprintf("their-access-%d-%s", o.n, rand.Text()), fmt.Sprintf("their-refresh-%d-%s", o.n, rand.Text())
	out := map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": o.life}
	switch form.Get("grant_type") {
	case "authorization_code":
		asked := o.codes[form.Get("code")]
		if asked == nil {
			return nil, false
		}
		delete(o.codes, form.Get("code"))
		id := o.sign(nil, map[string]any{"sub": "ada-there", "sid": "sid-" + form.Get("code"), "nonce": asked.Get("nonce")})
		out["id_token"] = id
		o.given = append(o.given, id)
	case "refresh_token":
		if !o.refresh[form.Get("refresh_token")] {
			clear(o.refresh) // used twice
			return nil, false
		}
		delete(o.refresh, form.Get("refresh_token"))
		o.renewals++
	}
	o.refresh[refresh] = true
	o.given = append(o.given, access, refresh)
	return out, true
}

func (o *op) sign(header map[jose.HeaderKey]any, claims map[string]any) string {
	now := time.Now().Unix()
	claims["iss"], claims["aud"], claims["iat"], claims["exp"] = o.URL, "cloakroom", now, now+120
	text, err := json.Marshal(claims)
	if err != nil {
		o.t.Error(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: o.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		o.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(text)
	if err != nil {
		o.t.Error(err)
		return ""
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		o.t.Error(err)
	}
	return compact
}

// logout sends a logout token for a subject to a node.
func (o *op) logout(at *server) int {
	o.t.Helper()
	token := o.sign(map[jose.HeaderKey]any{"typ": "logout+jwt"}, map[string]any{
		"jti": rand.Text(), "sub": "ada-there", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	r, err := http.NewRequest("POST", at.base+"/api/auth/oidc/example/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := at.through.RoundTrip(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func (o *op) setLife(seconds int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.life = seconds
}

func (o *op) count() (renewals int, revoked []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.renewals, slices.Clone(o.revoked)
}

// forget ends every grant.
func (o *op) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.refresh)
}

// isLive reports whether a header has an access token that the provider has given.
func (o *op) isLive(header string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	token, ok := strings.CutPrefix(header, "Bearer ")
	return ok && slices.Contains(o.given, token) && strings.HasPrefix(token, "their-access-")
}

// search ends the test if a token is in the log of the server, or in a file of its data.
func (o *op) search(s *server) {
	o.t.Helper()
	o.mu.Lock()
	given := slices.Clone(o.given)
	o.mu.Unlock()
	if len(given) == 0 {
		o.t.Fatal("no token was given")
	}
	holds := func(where string, text []byte) {
		for _, token := range given {
			if bytes.Contains(text, []byte(token)) {
				o.t.Errorf("%s has a token of the provider", where)
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
		o.t.Fatal(err)
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
	o := newOP(t)
	s := start(t, o.flags(echo(t), "--rule", "public /things/open")...)
	s.people("ann", 1)
	b := newBrowser(t, s, s.base)
	b.signIn()
	token := b.tokenAt("/things/1")
	if !o.isLive(quoted(token)) {
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
	eventually(t, "the tokens are revoked", func() bool { _, revoked := o.count(); return len(revoked) == 2 })
	s.stop()
	o.search(s)
}

// TestParallelRequestsRenewATokenOnce, on one node and over three, and the end of the session on another node ends the use of the token
// before it is acknowledged.
func TestParallelRequestsRenewATokenOnce(t *testing.T) {
	t.Attr("threat", "O13")
	for name, nodes := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			o.setLife(4)
			upstream := echo(t)
			var all []*server
			if nodes == 1 {
				all = []*server{start(t, o.flags(upstream)...)}
			} else {
				all = apart(t, pgserver.Test(t), o.flags(upstream), o.flags(upstream), o.flags(upstream))
			}
			all[0].people("ann", 1)
			b := newBrowser(t, all[0], all[0].base)
			b.signIn()
			o.setLife(3600)
			before := b.tokenAt("/things/1")
			time.Sleep(4 * time.Second) // until the token has ended
			var group sync.WaitGroup
			got := make([]string, 20)
			for i := range got {
				group.Go(func() { got[i] = string(b.asking(all[i%nodes]).send("GET", "/things/1", nil).body) })
			}
			group.Wait()
			if n, _ := o.count(); n != 1 {
				t.Errorf("renewed %d times, want once", n)
			}
			for _, token := range got {
				if token == before || token != got[0] || !o.isLive(quoted(token)) {
					t.Fatalf("the upstream got %q", got)
				}
			}
			last := all[nodes-1]
			if status := o.logout(last); status != 200 {
				t.Fatalf("a logout of the provider: %d", status)
			}
			for _, node := range all {
				if r := b.asking(node).send("GET", "/things/1", nil); r.status != 401 {
					t.Errorf("after the logout: %s", r)
				}
			}
			eventually(t, "the tokens are revoked", func() bool { _, revoked := o.count(); return len(revoked) == 2 })
			for _, node := range all {
				node.stop()
				o.search(node)
			}
		})
	}
}

// TestAProviderThatHangsHoldsOnlyWhatNeedsIt: neither other upstreams nor /readyz, and no session ends.
func TestAProviderThatHangsHoldsOnlyWhatNeedsIt(t *testing.T) {
	t.Attr("threat", "O05")
	o := newOP(t)
	o.setLife(4)
	s := start(t, o.flags(echo(t))...)
	s.people("ann", 1)
	b := newBrowser(t, s, s.base)
	b.signIn()
	time.Sleep(4 * time.Second)
	o.stall()
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
	o.release()
	eventually(t, "the provider is asked again", func() bool { return b.send("GET", "/things/1", nil).status == 200 })
}
