package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// relay is what a provider reaches a server through, such as a load balancer.
type relay struct {
	url string

	mu      sync.Mutex
	forms   []url.Values
	status  []int
	arrived func() // called with each answer, before the provider gets it
}

// newRelay starts a relay to a node, which is asked under the name of the server.
func newRelay(t *testing.T, node *server, host string, arrived func()) *relay {
	t.Helper()
	b := &relay{arrived: arrived}
	proxy := httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: node.host()})
			r.Out.Host = host
		},
		ModifyResponse: func(r *http.Response) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.status = append(b.status, r.StatusCode)
			if b.arrived != nil {
				b.arrived()
			}
			return nil
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		if _, err := io.Copy(&text, http.MaxBytesReader(w, r.Body, 1<<16)); err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(text.String())
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		b.forms = append(b.forms, form)
		b.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(text.String()))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

// answers returns the status of each answer so far. What arrived has done by then has happened before.
func (b *relay) answers() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.status)
}

// TestTheCertifiedProvider signs people in, links an account, renews tokens and ends sessions with npm's oidc-provider, on one node and on
// three. Each step is at another node than the one before.
func TestTheCertifiedProvider(t *testing.T) {
	t.Attr("threat", "O10")
	t.Attr("threat", "O13")
	for name, nodes := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := startCertified(t)
			flags := []string{
				"--provider", "example=" + op.settings("cloakroom", `,"keep_tokens":true,"scopes":["openid","email","profile","offline_access"],"parameters":{"prompt":"consent"}`),
				"--upstream", "/things=" + echo(t), "--upstream-token", "/things=example",
			}
			var all []*server
			if nodes == 1 {
				all = []*server{start(t, flags...)}
			} else {
				all = apart(t, pgserver.Test(t), flags, flags, flags)
			}
			first, second, third := all[0], all[min(1, nodes-1)], all[nodes-1]
			var grace *browser
			var meanwhile []answer
			front := newRelay(t, second, first.host(), func() {
				for _, node := range all {
					meanwhile = append(meanwhile, grace.asking(node).send("GET", "/api/auth/me", nil))
				}
			})
			op.connect(op.client("cloakroom", first.base, front.url))
			ann := first.people("ann", 1)[0].Username

			byPassword := newBrowser(t, second, first.base)
			if r := byPassword.send("POST", "/api/auth/login", map[string]any{"username": ann, "password": goodPassword}); r.status != 200 {
				t.Fatal(r)
			}
			if at := byPassword.visit(op, "ann-there", map[string]any{"intent": "link"}); at.Path != "/auth/account" || at.Fragment != "" {
				t.Fatalf("linking ends at %s", at)
			}
			linked := newBrowser(t, third, first.base)
			if at := linked.visit(op, "ann-there", map[string]any{"next": "/api/auth/me"}); at.Path != "/api/auth/me" || linked.username() != ann {
				t.Fatalf("the linked account ends at %s as %q", at, linked.username())
			}

			op.setLife(4)
			grace = newBrowser(t, first, first.base)
			if at := grace.visit(op, "grace", map[string]any{"next": "/api/auth/me"}); at.Path != "/api/auth/me" || grace.username() != "grace" {
				t.Fatalf("a new person ends at %s as %q", at, grace.username())
			}
			time.Sleep(4 * time.Second) // until the access token has ended
			if token := grace.asking(third).tokenAt("/things/1"); !op.gave(quoted(token)) {
				t.Errorf("the upstream got %s", token)
			}
			time.Sleep(4 * time.Second) // until that one has ended as well, whose refresh token another node has stored
			op.setLife(3600)
			renewed := op.given("refresh_token")
			var group sync.WaitGroup
			got := make([]string, 20)
			for i := range got {
				group.Go(func() { got[i] = string(grace.asking(all[i%nodes]).send("GET", "/things/1", nil).body) })
			}
			group.Wait()
			for _, token := range got {
				if token != got[0] || !op.gave(quoted(token)) {
					t.Fatalf("the upstream got %q", got)
				}
			}
			if n := op.given("refresh_token"); renewed == 0 || n != renewed+1 || op.refused() != 0 {
				t.Errorf("renewed %d and then %d times, and refused %d times", renewed, n-renewed, op.refused())
			}

			grace.signOutThere(op, "")
			if got := front.answers(); !slices.Equal(got, []int{200}) || len(meanwhile) != nodes {
				t.Fatalf("the back channel answers %v", got)
			}
			for i, r := range meanwhile {
				if r.status != 401 || r.code() != "session_ended" {
					t.Errorf("before the back channel has answered, node %d says %s", i, r)
				}
			}
			if r := linked.asking(second).send("GET", "/things/1", nil); r.status != 200 || linked.username() != ann {
				t.Errorf("the session of another person: %s", r)
			}
			if at := grace.visit(op, "grace", map[string]any{"next": "/api/auth/me"}); at.Path != "/api/auth/me" || grace.asking(third).username() != "grace" {
				t.Errorf("after the logout, a sign-in ends at %s", at)
			}

			revoked := op.revoked()
			if r := linked.send("POST", "/api/auth/logout", nil); r.status != 200 {
				t.Fatal(r)
			}
			eventually(t, "the provider is told to revoke", func() bool { return op.revoked() > revoked })
			for _, node := range all {
				node.stop()
				node.holdsNone(op.tokens())
			}
		})
	}
}

// TestTwoCertifiedProvidersAreNotMixedUp: one leads the browser to the other, so as to be given the code that the other makes out
// (RFC 9700, section 4.4).
func TestTwoCertifiedProvidersAreNotMixedUp(t *testing.T) {
	t.Attr("threat", "O01")
	bad, good := startCertified(t), startCertified(t)
	s := start(t, "--provider", "example="+bad.settings("cloakroom", ""), "--provider", "good="+good.settings("cloakroom", ""))
	s.people("ann", 1)
	callback := func(provider string) string { return s.base + "/api/auth/oidc/" + provider + "/callback" }
	for _, op := range []*certified{bad, good} {
		op.connect(map[string]any{"name": "cloakroom", "url": s.base, "more": map[string]any{"redirect_uris": []string{callback("example"), callback("good")}}})
	}
	for back, code := range map[string]string{"example": "provider_mismatch", "good": "attempt_lost"} {
		b := newBrowser(t, s, s.base)
		to, err := url.Parse(b.begin(map[string]any{}))
		if err != nil {
			t.Fatal(err)
		}
		query := to.Query()
		query.Set("redirect_uri", callback(back))
		at := b.goOn(good, "grace", good.issuer+to.Path+"?"+query.Encode())
		if at.Path != "/signin" || !strings.HasSuffix(at.Fragment, "error="+code) || b.username() != "" {
			t.Errorf("misled to %s, the browser ends at %s", back, at)
		}
	}
	if n := len(bad.tokens()) + len(good.tokens()) + bad.refused() + good.refused(); n != 0 {
		t.Errorf("a provider was sent a code: %d", n)
	}
	b := newBrowser(t, s, s.base)
	if at := b.visit(bad, "grace", map[string]any{"next": "/api/auth/me"}); at.Path != "/api/auth/me" || b.username() != "grace" {
		t.Errorf("a visit that isn't misled ends at %s", at)
	}
}

// jars keeps the cookies of each address apart, as those of hosts with names of their own.
type jars map[string]*cookiejar.Jar

func (j jars) of(u *url.URL) http.CookieJar {
	if j[u.Host] == nil {
		j[u.Host], _ = cookiejar.New(nil) // there is no error without options
	}
	return j[u.Host]
}

func (j jars) SetCookies(u *url.URL, cookies []*http.Cookie) { j.of(u).SetCookies(u, cookies) }
func (j jars) Cookies(u *url.URL) []*http.Cookie             { return j.of(u).Cookies(u) }

// TestTwoServersAtOneProvider, each a client of its own: a person signs in at the second without being asked again, and what ends at one
// ends at the other only if the provider says so.
func TestTwoServersAtOneProvider(t *testing.T) {
	t.Attr("threat", "O10")
	op := startCertified(t)
	names := []string{"one", "two"}
	var fronts []*relay
	var clients []map[string]any
	var servers []*server
	for _, name := range names {
		s := start(t, "--provider", "example="+op.settings(name, `,"end_session":true`))
		s.people("ann", 1)
		front := newRelay(t, s, s.host(), nil)
		servers, fronts, clients = append(servers, s), append(fronts, front), append(clients, op.client(name, s.base, front.url))
	}
	op.connect(clients...)
	both := func(cookies http.CookieJar) (one, two *browser) {
		one, two = newBrowser(t, servers[0], servers[0].base), newBrowser(t, servers[1], servers[1].base)
		one.http.Jar, two.http.Jar = cookies, cookies
		one.http.Transport = viaNode{servers[0], servers[0].base}
		return one, two
	}
	cookies := jars{}
	one, two := both(cookies)
	signIn := func(b *browser) {
		t.Helper()
		if at := b.visit(op, "grace", map[string]any{"next": "/api/auth/me"}); at.Path != "/api/auth/me" || b.username() != "grace" {
			t.Fatalf("the sign-in ends at %s", at)
		}
	}
	demand := func(when, atOne, atTwo string) {
		t.Helper()
		if who := one.username(); who != atOne {
			t.Errorf("%s, %q is signed in at the first, want %q", when, who, atOne)
		}
		if who := two.username(); who != atTwo {
			t.Errorf("%s, %q is signed in at the second, want %q", when, who, atTwo)
		}
	}
	signIn(one)
	demand("after a sign-in at the first", "grace", "")
	two.visit(op, "asked-again", map[string]any{}) // the provider only asks whether it may
	demand("after a visit through the second", "grace", "grace")

	r := one.send("POST", "/api/auth/logout", nil)
	var out struct {
		Location string `json:"end_session_url"`
	}
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != 200 || !strings.HasPrefix(out.Location, op.issuer) {
		t.Fatalf("sign-out: %s", r)
	}
	demand("after a sign-out at the first", "", "grace")
	signIn(one)
	one.signOutThere(op, "one")
	demand("after a logout of the first client", "", "grace")
	told := func(one, two []int) {
		t.Helper()
		if !slices.Equal(fronts[0].answers(), one) || !slices.Equal(fronts[1].answers(), two) {
			t.Errorf("the back channels answer %v and %v, want %v and %v", fronts[0].answers(), fronts[1].answers(), one, two)
		}
	}
	told([]int{200}, nil)

	signIn(one)
	form := url.Values{"logout_token": fronts[0].forms[0]["logout_token"]}
	for i, want := range []int{200, 400} {
		answer, err := http.PostForm(servers[i].base+"/api/auth/oidc/example/backchannel-logout", form)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a logout token of the first client at server %d: %d, want %d", i, answer.StatusCode, want)
		}
	}
	demand("after a replay of the first client's logout token", "grace", "grace")

	one.signOutThere(op, "")
	demand("after a sign-out at the provider", "", "")
	told([]int{200, 200}, []int{200})

	// The code of one client is worth nothing at the other.
	given := len(op.tokens())
	victim, attacker := newBrowser(t, servers[1], servers[1].base), newBrowser(t, servers[0], servers[0].base)
	stolen := attacker.codeOf(op, "mallory", servers[0].base)
	own, err := url.Parse(victim.begin(map[string]any{}))
	if err != nil {
		t.Fatal(err)
	}
	stolen.Set("state", own.Query().Get("state"))
	answer, err := victim.http.Get(servers[1].base + "/api/auth/oidc/example/callback?" + stolen.Encode())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if at := answer.Request.URL; at.Path != "/signin" || at.Fragment != "error=provider_mismatch" && at.Fragment != "error=provider_refused" || victim.username() != "" {
		t.Errorf("with the code of another client the browser ends at %s", at)
	}
	if len(op.tokens()) != given || op.refused() != 1 {
		t.Errorf("the provider gave %d tokens for it, and refused %d times", len(op.tokens())-given, op.refused())
	}
}

// codeOf signs in at the provider, and returns what it adds to the address of the server, which isn't asked.
func (b *browser) codeOf(c *certified, person, base string) (query url.Values) {
	b.t.Helper()
	location := b.begin(map[string]any{})
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), base) {
			query = r.URL.Query()
			r.URL = &url.URL{Scheme: "http", Host: strings.TrimPrefix(base, "http://"), Path: "/healthz"}
		}
		return nil
	}
	defer func() { b.http.CheckRedirect = nil }()
	b.goOn(c, person, location)
	if query.Get("code") == "" {
		b.t.Fatalf("the provider gave %v", query)
	}
	return query
}
