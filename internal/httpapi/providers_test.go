package httpapi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

const (
	exampleIssuer = "https://accounts.example.com"
	otherIssuer   = "https://other.example"
)

// providers are two providers, "example", which signs people up, and "other", which doesn't, and answers by a form. What they say can be changed.
type providers struct {
	key jose.JSONWebKey

	mu     sync.Mutex
	codes  map[string]url.Values
	said   map[string]any // of the person who signs in there
	away   bool
	during func() // called while a code is exchanged

	ends  bool                   // a sign-out leads to "example"
	gives func(tokens ...string) // called with the tokens that are given; may be nil

	given, revoked []string // access tokens
}

var providersKey = sync.OnceValue(func() jose.JSONWebKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "key", Algorithm: "ES256", Use: "sig"}
})

func newProviders() *providers {
	return &providers{key: providersKey(), codes: map[string]url.Values{}, said: map[string]any{"sub": "ada-1", "sid": "sid-1"}}
}

// providers returns the API's side of both.
func (p *providers) providers(t testing.TB, base string) []*oidc.Provider {
	t.Helper()
	var all []*oidc.Provider
	for _, text := range []string{
		`{"issuer":"` + exampleIssuer + `","client_id":"cloakroom","client_secret":"secret","label":"Example","signup":true,"keep_tokens":true,"end_session":` + fmt.Sprint(p.ends) + `}`,
		`{"issuer":"` + otherIssuer + `","kind":"apple","client_id":"cloakroom","client_secret":"secret","second_factor":"theirs"}`,
	} {
		name := "example"
		if len(all) > 0 {
			name = "other"
		}
		s, err := oidc.ParseSettings(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, oidc.New(s, base+"/api/auth/oidc/"+name+"/callback", p))
	}
	return all
}

func (p *providers) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	if away {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	issuer := "https://" + r.URL.Host
	var out any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		out = map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys",
			"end_session_endpoint":                  issuer + "/end?of=session",
			"revocation_endpoint":                   issuer + "/revoke",
			"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
		}
	case "/keys":
		out = map[string]any{"keys": []any{p.key.Public()}}
	case "/revoke":
		_ = r.ParseForm()
		p.mu.Lock()
		p.revoked = append(p.revoked, r.PostForm.Get("token"))
		p.mu.Unlock()
	case "/token":
		out = p.exchange(issuer, r)
	}
	_ = json.NewEncoder(w).Encode(out)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func (p *providers) exchange(issuer string, r *http.Request) any {
	_ = r.ParseForm()
	if p.during != nil {
		p.during()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.codes[issuer+r.PostForm.Get("code")]
	delete(p.codes, issuer+r.PostForm.Get("code"))
	if asked == nil {
		return map[string]any{"error": "invalid_grant"}
	}
	claims := map[string]any{"iss": issuer, "aud": "cloakroom", "nonce": asked.Get("nonce")}
	if asked.Get("max_age") == "0" {
		claims["auth_time"] = time.Now().Unix()
	}
	for name, value := range p.said {
		claims[name] = value
	}
	access, refresh, id := "access-"+rand.Text(), "refresh-"+rand.Text(), p.sign(nil, claims)
	p.given = append(p.given, access)
	if p.gives != nil {
		p.gives(access, refresh, id)
	}
	return map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "id_token": id}
}

// sign makes a token that was issued now.
func (p *providers) sign(header map[jose.HeaderKey]any, claims map[string]any) string {
	now := time.Now().Unix()
	claims["iat"], claims["exp"] = now, now+120
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

func (p *providers) says(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = claims
}

// logout makes a logout token.
func (p *providers) logout(id string, claims map[string]any) string {
	all := map[string]any{
		"iss": exampleIssuer, "aud": "cloakroom", "jti": id,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range claims {
		all[name] = value
	}
	return p.sign(map[jose.HeaderKey]any{"typ": "logout+jwt"}, all)
}

// startWith starts a server with providers.
func startWith(t *testing.T, o options) (*server, *providers) {
	t.Helper()
	o.providers = newProviders()
	s := start(t, o)
	s.user("first")
	return s, o.providers
}

const startPath, callbackPath, logoutPath = "/api/auth/oidc/example/start", "/api/auth/oidc/example/callback", "/api/auth/oidc/example/backchannel-logout"

// goTo begins an attempt, lets the person sign in there, and returns the path at which the browser comes back.
func (c *client) goTo(p *providers, name string, body map[string]any) (back string, r *answer) {
	c.s.t.Helper()
	return c.goToWith(p, name, body)
}

// goToWith is goTo with headers.
func (c *client) goToWith(p *providers, name string, body map[string]any, headers ...string) (back string, r *answer) {
	c.s.t.Helper()
	if body == nil {
		body = map[string]any{}
	}
	r = c.send("POST", "/api/auth/oidc/"+name+"/start", body, headers...)
	if r.StatusCode != 200 {
		return "", r
	}
	u, err := url.Parse(fmt.Sprint(r.field("location")))
	if err != nil {
		c.s.t.Fatal(err)
	}
	asked := u.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	issuer := "https://" + u.Host
	code := rand.Text()
	p.codes[issuer+code] = asked
	q := url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {issuer}}
	return "/api/auth/oidc/" + name + "/callback?" + q.Encode(), r
}

// through signs in at a provider, and returns where the browser ends.
func (c *client) through(p *providers, name string, body map[string]any) string {
	c.s.t.Helper()
	back, r := c.goTo(p, name, body)
	if back == "" {
		c.s.t.Fatalf("start: %d %s", r.StatusCode, r.body)
	}
	return c.lands(back)
}

func (c *client) lands(back string) string {
	c.s.t.Helper()
	r := c.send("GET", back, nil, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
	if r.StatusCode != 303 {
		c.s.t.Fatalf("the callback: %d %s", r.StatusCode, r.body)
	}
	return r.Header.Get("Location")
}

// linked links a user to a subject at the provider "example".
func (s *server) linked(u *account.User, subject string) *account.User {
	s.t.Helper()
	must(s.t, s.stores.Links.Add(s.t.Context(), &federation.Link{ID: rand.Text(), User: u.ID, Issuer: exampleIssuer, Subject: subject}))
	return u
}

func atProvider(*testing.T, *scenario) []string { return []string{"example"} }

// linkOf gives the actor a link, whose ID is the parameter of the path.
func linkOf(t *testing.T, x *scenario) []string {
	l := &federation.Link{ID: rand.Text(), User: x.actor.ID, Issuer: exampleIssuer, Subject: rand.Text()}
	must(t, x.s.stores.Links.Add(t.Context(), l))
	return []string{l.ID}
}

func TestASignInAtAProvider(t *testing.T) {
	t.Attr("threat", "O08")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, https := range map[string]bool{"http": false, "https": true} {
			t.Run(name, func(t *testing.T) {
				s, p := startWith(t, options{stores: open, tls: https})
				u := s.linked(s.user("ada"), "ada-1")
				c := s.client()
				back, r := c.goTo(p, "example", map[string]any{"next": "/inbox?x=1#y", "remember": false})
				prefix := map[bool]string{false: "cloakroom_oidc_", true: "__Host-Http-cloakroom_oidc_"}[https]
				for _, cookie := range r.Cookies() {
					if strings.HasPrefix(cookie.Name, prefix) && (cookie.MaxAge != 600 || !cookie.HttpOnly || cookie.Secure != https || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/") {
						t.Errorf("the cookie is %+v", cookie)
					}
				}
				answer := c.send("GET", back, nil)
				if answer.StatusCode != 303 || answer.Header.Get("Location") != "/inbox?x=1#y" {
					t.Fatalf("the callback: %d %s %s", answer.StatusCode, answer.Header.Get("Location"), answer.body)
				}
				records := s.records(u.ID)
				if len(records) != 1 || records[0].Method.String() != "oidc" || records[0].Methods.String() != "fed" || records[0].ReauthenticatedAt != 0 || records[0].SecondAt != 0 || !records[0].Browser {
					t.Errorf("the sessions are %+v; want one that isn't fresh", records)
				}
				if me := c.send("GET", "/api/me", nil); me.field("username") != "ada" {
					t.Errorf("got %d %s", me.StatusCode, me.body)
				}
				if r := c.send("GET", "/api/auth/tokens", nil); !isProblem(r, 403, "fresh_sign_in_required") {
					t.Errorf("got %d %s; want 403 fresh_sign_in_required", r.StatusCode, r.body)
				}
			})
		}
	})
}

// TestAnAttemptCountsOnceInItsBrowser at its provider.
func TestAnAttemptCountsOnceInItsBrowser(t *testing.T) {
	t.Attr("threat", "O08")
	s, p := startWith(t, options{})
	u := s.linked(s.user("ada"), "ada-1")
	const lost = "/signin#error=attempt_lost"
	victim, attacker := s.client(), s.client()
	back, _ := attacker.goTo(p, "example", nil)
	if got := victim.lands(back); got != lost {
		t.Errorf("in another browser: %s", got)
	}
	other, _ := victim.goTo(p, "other", nil)
	if got := victim.lands(strings.Replace(other, "/other/", "/example/", 1)); got != lost {
		t.Errorf("at another provider: %s", got)
	}
	if got := victim.lands(callbackPath); got != lost {
		t.Errorf("with nothing: %s", got)
	}
	if r := victim.send("HEAD", back, nil); r.StatusCode != 404 {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
	if got := len(s.records(u.ID)); got != 0 {
		t.Fatalf("there are %d sessions", got)
	}
	if got := attacker.lands(back); got != "/auth/account" {
		t.Errorf("in its own browser: %s", got)
	}
	if got := attacker.lands(back); got != lost {
		t.Errorf("again: %s", got)
	}
	// A provider whose codes count more than once, and a browser that brings the cookie again.
	back, r := attacker.goTo(p, "example", nil)
	if got := attacker.lands(back); got != "/auth/account" {
		t.Fatal(got)
	}
	q, err := url.ParseQuery(back[strings.Index(back, "?")+1:])
	must(t, err)
	nonce, err := url.Parse(fmt.Sprint(r.field("location")))
	must(t, err)
	p.codes[exampleIssuer+q.Get("code")] = nonce.Query()
	attacker.jar.SetCookies(attacker.base(), r.Cookies())
	if got := attacker.lands(back); !strings.HasSuffix(got, "#error=attempt_lost") {
		t.Errorf("a replay: %s", got)
	}
}

// TestTabsDontDisturbEachOther: five attempts of a browser count, and the sixth takes the place of the oldest.
func TestTabsDontDisturbEachOther(t *testing.T) {
	t.Attr("threat", "O08")
	s, p := startWith(t, options{})
	s.linked(s.user("ada"), "ada-1")
	c := s.client()
	var tabs []string
	for range 6 {
		back, _ := c.goTo(p, "example", nil)
		tabs = append(tabs, back)
	}
	arrived := 0
	for _, back := range tabs {
		if c.lands(back) == "/auth/account" {
			arrived++
		}
	}
	if arrived != 5 {
		t.Errorf("%d of six tabs arrived, want 5", arrived)
	}
}

// TestNoAttemptLeavesTheSite goes through what browsers take for another site.
func TestNoAttemptLeavesTheSite(t *testing.T) {
	t.Attr("threat", "J03")
	text, err := os.ReadFile("../../web/pages/src/testdata/redirects.json")
	must(t, err)
	var payloads []string
	must(t, json.Unmarshal(text, &payloads))
	s, _ := startWith(t, options{})
	c := s.client()
	base, err := url.Parse(s.public)
	must(t, err)
	accepted := 0
	for _, next := range payloads {
		r := c.send("POST", startPath, map[string]any{"next": next})
		if isProblem(r, 400, "invalid") {
			continue
		}
		accepted++
		// As browsers read it: without tabs and line ends, and with slashes for backslashes.
		read := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(next)
		u, err := base.Parse(read)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(u.Path, "//") || r.StatusCode != 200 {
			t.Errorf("%q: %d %s; it leads to %s", next, r.StatusCode, r.body, u)
		}
	}
	if accepted == 0 || accepted == len(payloads) {
		t.Errorf("%d of %d are accepted", accepted, len(payloads))
	}
	for _, next := range []string{"", "x", "//evil.test", "/\\evil.test", "/\t/evil.test", "/\u00a0x", "/.//evil.test", "/%2e//evil.test", "/a/..//evil.test", "https://evil.test"} {
		if r := c.send("POST", startPath, map[string]any{"next": next}); !isProblem(r, 400, "invalid") {
			t.Errorf("%q: %d %s", next, r.StatusCode, r.body)
		}
	}
	for _, next := range []string{"/", "/a/b?c=d&e=/f#g", "/ä/日本", "/a:b", "/.well-known/x"} {
		if r := c.send("POST", startPath, map[string]any{"next": next}); r.StatusCode != 200 {
			t.Errorf("%q: %d %s", next, r.StatusCode, r.body)
		}
	}
}

// TestAPageOfATrustedOriginGetsItsBrowserBack signed in, before the second step, and after a refusal.
func TestAPageOfATrustedOriginGetsItsBrowserBack(t *testing.T) {
	t.Attr("threat", "J03")
	const app = "http://127.0.0.1:3000"
	s, p := startWith(t, options{origins: []string{app}})
	c := s.client()
	next := map[string]any{"next": app + "/notes?a=b#c"}
	if at := c.through(p, "example", next); at != next["next"] {
		t.Errorf("it ends at %s", at)
	}
	back, _ := s.client().goTo(p, "other", next)
	if at := c.lands(back); at != "/signin#error=attempt_lost" {
		t.Errorf("without the cookie, which has the page: %s", at)
	}
	if at := s.client().through(p, "other", next); at != app+"/notes?a=b#error=no_account" {
		t.Errorf("a refusal is told at %s", at)
	}
	u, _ := s.enrolled("grace")
	s.linked(u, "grace-1")
	p.says(map[string]any{"sub": "grace-1"})
	if at := s.client().through(p, "example", next); at != app+"/notes?a=b#pending" {
		t.Errorf("the second step is taken at %s", at)
	}
	for _, next := range []string{
		app, app + ".evil.test/", app + "@evil.test/", app + "//evil.test", app + `/\evil.test`, app + "/\t/x", "http://127.0.0.1:3001/", "https://127.0.0.1:3000/",
		"HTTP://127.0.0.1:3000/", "http://127.0.0.1:3000:80/", "http:/127.0.0.1:3000/", "javascript://127.0.0.1:3000/", "http://u@127.0.0.1:3000/", " " + app + "/",
	} {
		if r := c.send("POST", startPath, map[string]any{"next": next}); !isProblem(r, 400, "invalid") {
			t.Errorf("%q: %d %s", next, r.StatusCode, r.body)
		}
	}
}

// TestWhatProvidersRefuse is told to the person by a code behind the address of the page.
func TestWhatProvidersRefuse(t *testing.T) {
	s, p := startWith(t, options{})
	s.linked(s.user("ada"), "ada-1")
	c := s.client()
	back, _ := c.goTo(p, "example", map[string]any{"next": "/a?b"})
	denied := strings.Replace(back, "code=", "error=access_denied&x=", 1)
	if got := c.lands(denied); got != "/signin?next=%2Fa%3Fb#error=provider_refused" {
		t.Errorf("refused: %s", got)
	}
	back, _ = c.goTo(p, "example", nil)
	if got := c.lands(strings.Replace(back, url.QueryEscape(exampleIssuer), url.QueryEscape(otherIssuer), 1)); !strings.HasSuffix(got, "#error=provider_mismatch") {
		t.Errorf("of another issuer: %s", got)
	}
	back, _ = c.goTo(p, "example", nil)
	p.away = true
	if got := c.lands(back); !strings.HasSuffix(got, "#error=provider_unavailable") {
		t.Errorf("away: %s", got)
	}
	if _, r := c.goTo(p, "other", nil); !isProblem(r, 502, "provider_unavailable") {
		t.Errorf("away at the start: %d %s", r.StatusCode, r.body)
	}
	if r := c.send("GET", "/readyz", nil); r.StatusCode != 200 {
		t.Errorf("/readyz: %d", r.StatusCode)
	}
	for _, path := range []string{"/api/auth/oidc/unknown/start", "/api/auth/oidc/EXAMPLE/start"} {
		if r := c.send("POST", path, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	if r := c.send("POST", startPath, nil, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"); r.StatusCode != 403 {
		t.Errorf("from another site's page: %d %s", r.StatusCode, r.body)
	}
	if r := c.send("GET", startPath, nil); r.StatusCode != 405 {
		t.Errorf("by a link: %d", r.StatusCode)
	}
}

// TestPeopleWithoutAnAccount: the key of a person is issuer and subject, and no address opens an account that exists.
func TestPeopleWithoutAnAccount(t *testing.T) {
	t.Attr("threat", "J06")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		victim := s.with(s.user("ada"), func(u *account.User) { u.Email = "ada@example.com" })
		for name, c := range map[string]struct {
			at     string
			claims map[string]any
			want   string
		}{
			"the address of an account":             {"example", map[string]any{"sub": "a", "email": "ada@example.com", "email_verified": true}, "#error=link_required"},
			"in capitals":                           {"example", map[string]any{"sub": "a", "email": "ADA@EXAMPLE.com", "email_verified": "true"}, "#error=link_required"},
			"no sign-up":                            {"other", map[string]any{"sub": "b", "email": "b@example.com", "email_verified": true}, "#error=no_account"},
			"no sign-up, the address of an account": {"other", map[string]any{"sub": "b", "email": "ada@example.com", "email_verified": true}, "#error=link_required"},
		} {
			p.says(c.claims)
			if got := s.client().through(p, c.at, nil); !strings.HasSuffix(got, c.want) {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		for name, c := range map[string]struct {
			claims          map[string]any
			username, email string
		}{
			"everything":                    {map[string]any{"sub": "1", "preferred_username": "bob", "email": "bob@example.com", "email_verified": true, "name": "Bob B. Builder"}, "bob", "bob@example.com"},
			"an unverified address":         {map[string]any{"sub": "2", "preferred_username": "carol", "email": "ada@example.com", "email_verified": false}, "carol", ""},
			"an address as username":        {map[string]any{"sub": "3", "preferred_username": "ada@example.com", "email": "dave@example.com", "email_verified": true}, "dave", "dave@example.com"},
			"a username of another account": {map[string]any{"sub": "4", "preferred_username": "ada"}, "ada-", ""},
			"nothing":                       {map[string]any{"sub": "5"}, "example", ""},
		} {
			p.says(c.claims)
			client := s.client()
			if got := client.through(p, "example", nil); got != "/auth/account" {
				t.Errorf("%s: %s", name, got)
				continue
			}
			me := client.send("GET", "/api/me", nil)
			if username := fmt.Sprint(me.field("username")); !strings.HasPrefix(username, c.username) || me.field("email") != c.email {
				t.Errorf("%s: %s", name, me.body)
			}
			again := s.client()
			if got := again.through(p, "example", nil); got != "/auth/account" || again.send("GET", "/api/me", nil).field("id") != me.field("id") {
				t.Errorf("%s, again: %s", name, got)
			}
		}
		// The same subject elsewhere is another person.
		p.says(map[string]any{"sub": "1"})
		if got := s.client().through(p, "other", nil); !strings.HasSuffix(got, "#error=no_account") {
			t.Errorf("the subject at another issuer: %s", got)
		}
		if len(s.records(victim.ID)) != 0 {
			t.Error("the victim has a session")
		}
	})
}

// TestNoStrangerComesBeforeTheFirstAdministrator: the set-up link would not work any more.
func TestNoStrangerComesBeforeTheFirstAdministrator(t *testing.T) {
	t.Attr("threat", "J06")
	p := newProviders()
	s := start(t, options{providers: p})
	if got := s.client().through(p, "example", nil); !strings.HasSuffix(got, "#error=no_account") {
		t.Errorf("got %s", got)
	}
	if needed, err := s.api.Accounts.NeedsSetup(t.Context()); err != nil || !needed {
		t.Errorf("NeedsSetup = %v, %v", needed, err)
	}
}

// TestALinkOfAGoneOrDisabledAccountOpensNothing.
func TestALinkOfAGoneOrDisabledAccountOpensNothing(t *testing.T) {
	t.Attr("threat", "J06")
	s, p := startWith(t, options{})
	u := s.linked(s.user("ada"), "ada-1")
	s.with(u, func(u *account.User) { u.IsActive = false })
	if got := s.client().through(p, "example", nil); !strings.HasSuffix(got, "#error=no_account") {
		t.Errorf("disabled: %s", got)
	}
	must(t, s.stores.Accounts.Delete(t.Context(), u.ID))
	c := s.client()
	if got := c.through(p, "example", nil); got != "/auth/account" || c.send("GET", "/api/me", nil).field("id") == u.ID {
		t.Errorf("deleted: %s", got)
	}
}

// TestTheLocalSecondFactorIsAskedAfterAProvider too, unless the provider is trusted for it and says that one was shown just now.
func TestTheLocalSecondFactorIsAskedAfterAProvider(t *testing.T) {
	t.Attr("threat", "O06")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		u, app := s.enrolled("ada")
		s.linked(u, "ada-1")
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "other", User: u.ID, Issuer: otherIssuer, Subject: "ada-2"}))
		c := s.client()
		p.says(map[string]any{"sub": "ada-1", "amr": []string{"mfa"}})
		before := len(s.records(u.ID))
		if got := c.through(p, "example", map[string]any{"next": "/x"}); got != "/signin?next=%2Fx#pending" {
			t.Fatalf("got %s", got)
		}
		for _, cookie := range c.jar.Cookies(c.base()) {
			s.secret.add(cookie.Value)
		}
		if len(s.records(u.ID)) != before {
			t.Fatal("there is a session after the first step")
		}
		ok(t, c.second(app.next()))
		records := slices.DeleteFunc(s.records(u.ID), func(r *session.Record) bool { return r.Method.String() != "oidc" })
		if len(records) != 1 {
			t.Fatalf("%d sessions were begun at the provider", len(records))
		}
		if r := records[0]; !strings.Contains(r.Methods.String(), "fed") || !strings.Contains(r.Methods.String(), "otp") || r.SecondAt == 0 {
			t.Errorf("the session is %+v", r)
		}
		for name, claims := range map[string]map[string]any{
			"no word of it": {"sub": "ada-2"},
			"long ago":      {"sub": "ada-2", "amr": []string{"mfa"}, "auth_time": time.Now().Add(-time.Hour).Unix()},
			"without time":  {"sub": "ada-2", "amr": []string{"mfa"}, "auth_time": nil},
		} {
			p.says(claims)
			if got := s.client().through(p, "other", nil); !strings.HasSuffix(got, "#pending") {
				t.Errorf("%s: %s", name, got)
			}
		}
		p.says(map[string]any{"sub": "ada-2", "amr": []string{"mfa"}})
		c = s.client()
		if got := c.through(p, "other", nil); got != "/auth/account" {
			t.Fatalf("a trusted provider: %s", got)
		}
		if r := c.send("POST", "/api/auth/factors/recovery", nil); r.StatusCode != 200 {
			t.Errorf("fully fresh: %d %s", r.StatusCode, r.body)
		}
	})
}

// TestLinking: an account at a provider is linked in the session that asked for it, fully fresh, and to one user.
func TestLinking(t *testing.T) {
	t.Attr("threat", "J06")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		u, other := s.user("ada"), s.user("bob")
		c := s.client()
		ok(t, c.login("ada", goodPassword))
		linking := map[string]any{"intent": "link", "next": "/auth/account#linked"}
		if _, r := s.client().goTo(p, "example", linking); !isProblem(r, 401, "not_authenticated") {
			t.Errorf("a stranger: %d %s", r.StatusCode, r.body)
		}
		// Begun in one session, finished in another.
		back, _ := c.goTo(p, "example", linking)
		ok(t, c.login("bob", goodPassword))
		if got := c.lands(back); got != "/auth/account#error=attempt_lost" {
			t.Errorf("in another's session: %s", got)
		}
		ok(t, c.login("ada", goodPassword))
		back, _ = c.goTo(p, "example", linking)
		c.send("POST", "/api/auth/logout", nil)
		if got := c.lands(back); got != "/auth/account#error=attempt_lost" {
			t.Errorf("after a sign-out: %s", got)
		}
		if all, err := s.stores.Links.List(t.Context(), u.ID); err != nil || len(all) != 0 {
			t.Fatalf("%d links, %v", len(all), err)
		}
		ok(t, c.login("ada", goodPassword))
		for range 2 {
			if got := c.through(p, "example", linking); got != "/auth/account#linked" {
				t.Fatalf("got %s", got)
			}
		}
		r := c.send("GET", "/api/auth/links", nil)
		links, _ := r.field("links").([]any)
		if len(links) != 1 || !strings.Contains(string(r.body), `"provider":"example","label":"Example"`) {
			t.Fatalf("the links are %s", r.body)
		}
		id := fmt.Sprint(links[0].(map[string]any)["id"])
		b := s.client()
		ok(t, b.login("bob", goodPassword))
		if got := b.through(p, "example", linking); got != "/auth/account#error=already_linked" {
			t.Errorf("to a second account: %s", got)
		}
		if r := b.send("DELETE", "/api/auth/links/"+id, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("another's link: %d %s", r.StatusCode, r.body)
		}
		begun := s.client()
		begun.through(p, "example", nil)
		if r := begun.send("DELETE", "/api/auth/links/"+id, nil); !isProblem(r, 403, "full_sign_in_required") {
			t.Errorf("without a fresh sign-in: %d %s", r.StatusCode, r.body)
		}
		ok(t, c.send("DELETE", "/api/auth/links/"+id, nil))
		if r := begun.send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("a session that was begun through it: %d", r.StatusCode)
		}
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the session that has removed it: %d", r.StatusCode)
		}
		if got := len(s.records(other.ID)); got == 0 {
			t.Error("another user's session has ended")
		}
	})
}

// grantOf returns the tokens that are kept for one of the sessions of a user, and for no other.
func (s *server) grantOf(user string) *federation.Grant {
	s.t.Helper()
	all, err := s.stores.Grants.List(s.t.Context(), user, "", 9)
	must(s.t, err)
	if len(all) != 1 || !slices.ContainsFunc(s.records(user), func(r *session.Record) bool { return r.PublicID == all[0].Session }) {
		s.t.Fatalf("the tokens of %s are kept as %+v", user, all)
	}
	return all[0]
}

// TestUnlinkingEndsTheTokensAndTheTicket of the session that does it, which was begun through the link.
func TestUnlinkingEndsTheTokensAndTheTicket(t *testing.T) {
	t.Attr("threat", "O12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		u := s.user("ada")
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "mine", User: u.ID, Issuer: exampleIssuer, Subject: "ada-1"}))
		c := s.client()
		if got := c.through(p, "example", nil); got != "/auth/account" {
			t.Fatal(got)
		}
		ok(t, c.send("POST", "/api/auth/reauthenticate", map[string]any{"password": goodPassword}))
		if g := s.grantOf(u.ID); g.Ended != 0 || g.User != u.ID || g.Issuer != exampleIssuer {
			t.Fatalf("the tokens are kept as %+v", g)
		}
		before := c.ticket()
		given := p.lastGiven()
		ok(t, c.send("DELETE", "/api/auth/links/mine", nil))
		for range 6000 {
			if p.has(given) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !p.has(given) {
			t.Error("the tokens still count")
		}
		if c.ticket() == before {
			t.Error("the ticket has stayed")
		}
		ok(t, c.send("GET", "/api/me", nil))
		if r := s.client().hold(before).send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("the former ticket: %d", r.StatusCode)
		}
	})
}

// lastGiven returns the access token that was given last.
func (p *providers) lastGiven() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given[len(p.given)-1]
}

// has reports whether a token was revoked.
func (p *providers) has(revoked string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.revoked, revoked)
}

// TestTokensThatAreNotKeptAreRevoked: those of a visit that began no session, and of none that its revocation could end.
func TestTokensThatAreNotKeptAreRevoked(t *testing.T) {
	t.Attr("threat", "O15")
	s, p := startWith(t, options{})
	linking := map[string]any{"intent": "link", "next": "/auth/account#linked"}
	s.user("ada")
	c := s.client()
	ok(t, c.login("ada", goodPassword))
	bob := s.linked(s.user("bob"), "bob-1")

	p.says(map[string]any{"sub": "bob-1"})
	b := s.client()
	if got := b.through(p, "example", nil); got != "/auth/account" {
		t.Fatalf("a sign-in: %s", got)
	}
	kept := []string{p.lastGiven()}
	if got := c.through(p, "example", linking); got != "/auth/account#error=already_linked" {
		t.Fatalf("bob's account: %s", got)
	}
	kept = append(kept, p.lastGiven()) // to revoke it may end bob's session
	ok(t, b.send("GET", "/api/me", nil))

	for _, x := range []struct {
		name   string
		claims map[string]any
		by     *client
		body   map[string]any
		want   string
	}{
		{"an address of an account", map[string]any{"sub": "eve", "email": "ada@example.com", "email_verified": true}, s.client(), nil, "/signin?next=%2Fauth%2Faccount#error=link_required"},
		{"a link", map[string]any{"sub": "ada-1"}, c, linking, "/auth/account#linked"},
		{"the same again", map[string]any{"sub": "ada-1"}, c, linking, "/auth/account#linked"},
	} {
		p.says(x.claims)
		if got := x.by.through(p, "example", x.body); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
		token := p.lastGiven()
		for i := 0; !p.has(token); i++ {
			if i == 1000 {
				t.Fatalf("%s: not revoked", x.name)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, token := range kept {
		if p.has(token) {
			t.Error("tokens of a living session, or of the account it was begun with, were revoked")
		}
	}
	if g := s.grantOf(bob.ID); g.Ended != 0 {
		t.Errorf("the grant has ended: %+v", g)
	}

	ok(t, b.send("POST", "/api/auth/logout", nil))
	p.says(map[string]any{"sub": "bob-1"})
	if got := c.through(p, "example", linking); got != "/auth/account#error=already_linked" {
		t.Fatalf("bob's account: %s", got)
	}
	for token, i := p.lastGiven(), 0; !p.has(token); i++ {
		if i == 1000 {
			t.Fatal("after the end of bob's session: not revoked")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestTokensFollowASignInThroughItsSecondStep.
func TestTokensFollowASignInThroughItsSecondStep(t *testing.T) {
	t.Attr("threat", "O12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		u, a := s.enrolled("ada")
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "mine", User: u.ID, Issuer: exampleIssuer, Subject: "ada-1"}))
		c := s.client()
		if got := c.through(p, "example", nil); !strings.HasSuffix(got, "#pending") {
			t.Fatal(got)
		}
		all, err := s.stores.Grants.List(t.Context(), "", "", 9)
		if err != nil || len(all) != 1 || !all[0].Pending {
			t.Fatalf("%d grants, %v", len(all), err)
		}
		ok(t, c.second(a.next()))
		if g := s.grantOf(u.ID); g.Pending || g.Ended != 0 {
			t.Errorf("the tokens are kept as %+v", g)
		}
	})
}

// TestASignOutLeadsToTheProvider of the session, if its settings ask for that, and is done before. The address has no token.
func TestASignOutLeadsToTheProvider(t *testing.T) {
	p := newProviders()
	p.ends = true
	s := start(t, options{providers: p})
	s.user("first")
	s.user("ada")
	leaves := func(c *client, body map[string]any) string {
		t.Helper()
		r := c.send("POST", "/api/auth/logout", body)
		ok(t, r)
		if me := c.send("GET", "/api/me", nil); me.StatusCode != 401 {
			t.Errorf("after the sign-out: %d", me.StatusCode)
		}
		address, _ := r.field("end_session_url").(string)
		return address
	}
	want := exampleIssuer + "/end?" + url.Values{"of": {"session"}, "client_id": {"cloakroom"}, "post_logout_redirect_uri": {s.public + "/signin"}}.Encode()
	for _, body := range []map[string]any{{}, {"everywhere": true}} {
		c := s.client()
		c.through(p, "example", nil)
		if got := leaves(c, body); got != want {
			t.Errorf("%v: it leads to %q, want %q", body, got, want)
		}
	}
	c := s.client()
	ok(t, c.login("ada", goodPassword))
	if got := leaves(c, map[string]any{}); got != "" {
		t.Errorf("a session of a password leads to %q", got)
	}
	p.says(map[string]any{"sub": "ada-2"})
	c = s.client()
	c.through(p, "example", nil)
	s.api.Links = brokenOrigins{s.api.Links}
	if got := leaves(c, map[string]any{}); got != "" {
		t.Errorf("with a store that fails it leads to %q", got)
	}
}

// brokenOrigins is a link store that can't say where a session was begun.
type brokenOrigins struct{ federation.Store }

func (brokenOrigins) Origin(context.Context, string) (*federation.SessionOrigin, error) {
	return nil, errors.New("the store is away")
}

// failsOnce is a link store that can't say, once, what was begun by a link.
type failsOnce struct {
	federation.Store
	after int // how many calls it answers before
}

func (s *failsOnce) Origins(ctx context.Context, issuer, subject, sid string) ([]*federation.SessionOrigin, error) {
	if s.after--; s.after == -1 {
		return nil, errors.New("the store is away")
	}
	return s.Store.Origins(ctx, issuer, subject, sid)
}

// TestARemovalOfALinkThatFailsLeavesNoSession: whichever look at the store fails, a repetition doesn't find less to end.
func TestARemovalOfALinkThatFailsLeavesNoSession(t *testing.T) {
	t.Attr("threat", "J06")
	for _, after := range []int{0, 1} {
		var store *failsOnce
		s, p := startWith(t, options{change: func(a *httpapi.API) {
			store = &failsOnce{Store: a.Links, after: 1 << 30}
			a.Links = store
		}})
		u := s.user("ada")
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "mine", User: u.ID, Issuer: exampleIssuer, Subject: "ada-1"}))
		c, begun := s.client(), s.client()
		ok(t, c.login("ada", goodPassword))
		p.says(map[string]any{"sub": "ada-1"})
		if got := begun.through(p, "example", nil); got != "/auth/account" {
			t.Fatalf("it lands at %s", got)
		}
		store.after = after
		if r := c.send("DELETE", "/api/auth/links/mine", nil); !isProblem(r, 503, "unavailable") {
			t.Errorf("the store fails after %d calls: %d %s", after, r.StatusCode, r.body)
		}
		if r := c.send("DELETE", "/api/auth/links/mine", nil); r.StatusCode != 204 && r.StatusCode != 200 && r.StatusCode != 404 {
			t.Errorf("the repetition: %d %s", r.StatusCode, r.body)
		}
		if r := begun.send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("the store fails after %d calls, and a session that was begun by the link lives on: %d", after, r.StatusCode)
		}
	}
}

// TestTheLastWayInStays: a user who has nothing but links keeps one.
func TestTheLastWayInStays(t *testing.T) {
	t.Attr("threat", "O09")
	s, p := startWith(t, options{})
	c := s.client()
	if got := c.through(p, "example", nil); got != "/auth/account" {
		t.Fatal(got)
	}
	if r := c.send("POST", "/api/auth/oidc/example/start", map[string]any{"intent": "link"}); !isProblem(r, 403, "full_sign_in_required") {
		t.Errorf("not fresh: %d %s", r.StatusCode, r.body)
	}
	if got := c.through(p, "example", map[string]any{"intent": "reauthenticate", "next": "/x"}); got != "/x" {
		t.Fatalf("re-authentication: %s", got)
	}
	r := c.send("GET", "/api/auth/links", nil)
	id := fmt.Sprint(r.field("links").([]any)[0].(map[string]any)["id"])
	if r := c.send("DELETE", "/api/auth/links/"+id, nil); !isProblem(r, 409, "last_way_in") {
		t.Errorf("the last link: %d %s", r.StatusCode, r.body)
	}
	half := s.halfPasskey(c.send("GET", "/api/me", nil).field("username").(string))
	if r := c.send("DELETE", "/api/auth/links/"+id, nil); !isProblem(r, 409, "last_way_in") {
		t.Errorf("the last link beside a passkey that is being added: %d %s", r.StatusCode, r.body)
	}
	must(t, s.stores.Factors.Delete(t.Context(), half))
	p.says(map[string]any{"sub": "ada-2"})
	if got := c.through(p, "other", map[string]any{"intent": "link"}); got != "/auth/account" {
		t.Fatalf("linking another: %s", got)
	}
	ok(t, c.send("DELETE", "/api/auth/links/"+id, nil))
}

// TestTheLastPasskeyStaysWithoutAnotherWayIn: a user who has no password keeps a passkey, or a link.
func TestTheLastPasskeyStaysWithoutAnotherWayIn(t *testing.T) {
	t.Attr("threat", "O09")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, providers: newProviders()})
		u := s.with(s.user("ada"), func(u *account.User) { u.Password = "!" })
		a, b := s.withPasskey(u, factor.Passkey), s.withPasskey(u, factor.Passkey)
		s.withPasskey(u, factor.SecurityKey) // which doesn't sign in alone
		remove := func(d *passkeytest.Device) *answer {
			c := s.client()
			ok(t, c.send("POST", "/api/auth/passkey/login", s.assertion(d)))
			return c.send("DELETE", fmt.Sprintf("/api/auth/factors/%x", d.ID[:8]), nil)
		}
		ok(t, remove(a))
		if r := remove(b); !isProblem(r, 409, "last_way_in") {
			t.Errorf("the last passkey: %d %s", r.StatusCode, r.body)
		}
		s.halfPasskey("ada")
		if r := remove(b); !isProblem(r, 409, "last_way_in") {
			t.Errorf("the last passkey beside one that is being added: %d %s", r.StatusCode, r.body)
		}
		s.linked(u, "ada-1")
		ok(t, remove(b))
	})
}

// halfPasskey stores a passkey whose addition isn't finished, and returns its ID.
func (s *server) halfPasskey(username string) string {
	s.t.Helper()
	u, err := s.api.Accounts.Lookup(s.t.Context(), username)
	must(s.t, err)
	f := &factor.Factor{
		ID: rand.Text(), User: u.ID, Kind: factor.Passkey, State: factor.Adding, Epoch: u.Epoch, Created: time.Now().Unix(),
		RPID: passkeyDomain, Credential: []byte(rand.Text()),
	}
	must(s.t, s.stores.Factors.Add(s.t.Context(), f))
	return f.ID
}

type pausedLinks struct {
	federation.Store
	before, after *pause
}

func (s pausedLinks) Remove(ctx context.Context, user, id string, keep int) error {
	s.before.at("a link is removed")
	err := s.Store.Remove(ctx, user, id, keep)
	s.after.at("a link was removed")
	return err
}

type pausedFactors struct {
	factor.Store
	before, after *pause
}

func (s pausedFactors) SetState(ctx context.Context, id string, from, to factor.State, epoch string) error {
	s.before.at("a factor changes")
	err := s.Store.SetState(ctx, id, from, to, epoch)
	s.after.at("a factor has changed")
	return err
}

// removals is a server on stores that pause, with a user who has a passkey and a link, and no password.
type removals struct {
	*server
	user                            *account.User
	device                          *passkeytest.Device
	linkIsRemoved, linkWasRemoved   *pause
	factorChanges, factorHasChanged *pause
	passkey, link                   string // the paths
}

func startRemovals(t *testing.T) *removals {
	t.Helper()
	x := &removals{
		linkIsRemoved: newPause("a link is removed"), linkWasRemoved: newPause("a link was removed"),
		factorChanges: newPause("a factor changes"), factorHasChanged: newPause("a factor has changed"),
	}
	x.server = start(t, options{providers: newProviders(), stores: func(t *testing.T) stores {
		set := inMemory(t)
		set.Links = pausedLinks{set.Links, x.linkIsRemoved, x.linkWasRemoved}
		set.Factors = pausedFactors{set.Factors, x.factorChanges, x.factorHasChanged}
		return set
	}})
	x.user = x.linked(x.with(x.server.user("ada"), func(u *account.User) { u.Password = "!" }), "ada-1")
	x.device = x.withPasskey(x.user, factor.Passkey)
	links, err := x.stores.Links.List(t.Context(), x.user.ID)
	must(t, err)
	x.passkey, x.link = fmt.Sprintf("/api/auth/factors/%x", x.device.ID[:8]), "/api/auth/links/"+links[0].ID
	return x
}

// removes sends a request to remove something, whose answer comes later.
func (x *removals) removes(path string) <-chan *answer {
	x.t.Helper()
	c, answers := x.client(), make(chan *answer, 1)
	ok(x.t, c.send("POST", "/api/auth/passkey/login", x.assertion(x.device)))
	go func() { answers <- c.send("DELETE", path, nil) }()
	return answers
}

// left counts the links of the user, and the passkeys that count.
func (x *removals) left() (links, passkeys int) {
	x.t.Helper()
	all, err := x.stores.Links.List(x.t.Context(), x.user.ID)
	must(x.t, err)
	p, err := x.stores.Factors.Load(x.t.Context(), x.user.ID)
	must(x.t, err)
	for _, f := range p.Factors {
		if f.State == factor.Active {
			passkeys++
		}
	}
	return len(all), passkeys
}

// TestRemovalsAtOnceLeaveAWayIn: of the last passkey and the last link one stays, whichever request writes first.
func TestRemovalsAtOnceLeaveAWayIn(t *testing.T) {
	t.Attr("threat", "O09")
	t.Run("the link is removed while the passkey is", func(t *testing.T) {
		x := startRemovals(t)
		x.linkIsRemoved.armed.Store(true)
		link := x.removes(x.link)
		<-x.linkIsRemoved.reached
		x.factorHasChanged.armed.Store(true)
		passkey := x.removes(x.passkey)
		<-x.factorHasChanged.reached
		close(x.linkIsRemoved.opened)
		if r := <-link; !isProblem(r, 409, "last_way_in") {
			t.Errorf("the link: %d %s", r.StatusCode, r.body)
		}
		close(x.factorHasChanged.opened)
		ok(t, <-passkey)
		if links, passkeys := x.left(); links != 1 || passkeys != 0 {
			t.Errorf("%d links and %d passkeys are left", links, passkeys)
		}
	})
	t.Run("the passkey is removed after the link", func(t *testing.T) {
		x := startRemovals(t)
		x.factorChanges.armed.Store(true)
		passkey := x.removes(x.passkey)
		<-x.factorChanges.reached
		ok(t, <-x.removes(x.link))
		close(x.factorChanges.opened)
		if r := <-passkey; !isProblem(r, 409, "last_way_in") {
			t.Errorf("the passkey: %d %s", r.StatusCode, r.body)
		}
		if links, passkeys := x.left(); links != 0 || passkeys != 1 {
			t.Errorf("%d links and %d passkeys are left", links, passkeys)
		}
	})
}

// TestALinkIsNotRestoredToAnEndedSession: what takes an account back removes the ways in on purpose.
func TestALinkIsNotRestoredToAnEndedSession(t *testing.T) {
	t.Attr("threat", "J06")
	x := startRemovals(t)
	x.linkWasRemoved.armed.Store(true)
	link := x.removes(x.link)
	<-x.linkWasRemoved.reached
	_, err := x.api.Accounts.RenewEpoch(t.Context(), x.user.ID, x.user.Epoch)
	must(t, err)
	must(t, x.api.Steps.RemoveAll(t.Context(), x.user.ID))
	close(x.linkWasRemoved.opened)
	if r := <-link; r.StatusCode != 401 {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	if links, passkeys := x.left(); links != 0 || passkeys != 0 {
		t.Errorf("%d links and %d passkeys are left", links, passkeys)
	}
}

// TestReauthenticationAtAProvider counts for people who have nothing of their own to show, for their own link, and if the provider says
// that they have authenticated just now.
func TestReauthenticationAtAProvider(t *testing.T) {
	t.Attr("threat", "O09")
	s, p := startWith(t, options{})
	again := map[string]any{"intent": "reauthenticate"}
	owner := s.client()
	s.linked(s.user("ada"), "ada-1")
	ok(t, owner.login("ada", goodPassword))
	if _, r := owner.goTo(p, "example", again); !isProblem(r, 403, "own_factor_required") {
		t.Errorf("with a password: %d %s", r.StatusCode, r.body)
	}
	p.says(map[string]any{"sub": "new"})
	c := s.client()
	c.through(p, "example", nil)
	for name, x := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"another person": {map[string]any{"sub": "ada-1"}, "provider_mismatch"},
		"unknown person": {map[string]any{"sub": "unknown"}, "provider_mismatch"},
		"an hour ago":    {map[string]any{"sub": "new", "auth_time": time.Now().Add(-time.Hour).Unix()}, "not_fresh"},
		"without time":   {map[string]any{"sub": "new", "auth_time": nil}, "not_fresh"},
	} {
		p.says(x.claims)
		if got := c.through(p, "example", again); got != "/auth/account#error="+x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
		if r := c.send("GET", "/api/auth/tokens", nil); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Fatalf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	p.says(map[string]any{"sub": "new"})
	before := c.ticket()
	if got := c.through(p, "example", again); got != "/auth/account" || c.ticket() == before {
		t.Fatalf("got %s, and a new ticket: %v", got, c.ticket() != before)
	}
	if r := c.send("GET", "/api/auth/tokens", nil); r.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", r.StatusCode, r.body)
	}
	back, _ := c.goTo(p, "example", again)
	before = c.ticket()
	user := fmt.Sprint(c.send("GET", "/api/me", nil).field("id"))
	must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "key", User: user, Kind: factor.Passkey, State: factor.Active, Credential: []byte("key")}))
	if got := c.lands(back); got != "/auth/account#error=not_fresh" || c.ticket() != before {
		t.Errorf("with a passkey that was added meanwhile: %s, and a new ticket: %v", got, c.ticket() != before)
	}
}

// TestAProviderOpensNoChangeOfFactors to a person who has factors: neither a sign-in at one, nor its word that the person has just shown
// two factors there, nor a token, stands for the factors of the account.
func TestAProviderOpensNoChangeOfFactors(t *testing.T) {
	t.Attr("threat", "O09")
	s, p := startWith(t, options{})
	u, app := s.enrolled("ada")
	s.linked(u, "ada-1")
	c := s.client()
	p.says(map[string]any{"sub": "ada-1", "amr": []string{"mfa"}})
	if got := c.through(p, "example", nil); !strings.HasSuffix(got, "#pending") {
		t.Fatalf("got %s", got)
	}
	ok(t, c.second(app.next()))
	s.change(u.ID, func(r *session.Record) { r.SecondAt -= 601 })
	personal := s.issue(u, token.Params{Kind: token.Personal, Name: "script"})
	again := map[string]any{"intent": "reauthenticate"}
	refused := func(when string) {
		t.Helper()
		for name, x := range fullyFresh {
			if r := c.send(x.method, x.path, x.body); !isProblem(r, 403, "full_sign_in_required") {
				t.Errorf("%s, %s: %d %s", when, name, r.StatusCode, r.body)
			}
			if r := s.program().send(x.method, x.path, x.body, "Authorization: Bearer "+personal); r.StatusCode != 403 {
				t.Errorf("%s, %s, by a token: %d %s", when, name, r.StatusCode, r.body)
			}
		}
	}
	refused("ten minutes after the sign-in")
	for _, name := range []string{"example", "other"} {
		if _, r := c.goTo(p, name, again); !isProblem(r, 403, "own_factor_required") {
			t.Errorf("step-up at %s: %d %s", name, r.StatusCode, r.body)
		}
	}
	refused("after a step-up at a provider")

	// An attempt from before there was a factor counts no more than one from after.
	bare := s.linked(s.user("eve"), "eve-1")
	s.with(bare, func(u *account.User) { u.Password = "!" })
	c = s.as(bare)
	p.says(map[string]any{"sub": "eve-1", "amr": []string{"mfa"}})
	back, r := c.goTo(p, "example", again)
	if back == "" {
		t.Fatalf("start: %d %s", r.StatusCode, r.body)
	}
	must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "key", User: bare.ID, Kind: factor.SecurityKey, State: factor.Active, Credential: []byte("key")}))
	if got := c.lands(back); got != "/auth/account#error=not_fresh" {
		t.Errorf("an attempt from before: %s", got)
	}
	refused("with a key that was added meanwhile")
}

// back sends a logout token as a provider does.
func (s *server) back(token string) *answer {
	s.t.Helper()
	return s.program().raw("POST", logoutPath, strings.NewReader(url.Values{"logout_token": {token}}.Encode()), "Content-Type: application/x-www-form-urlencoded")
}

// TestAProviderEndsItsSessions by the session, by the subject, or by both.
func TestAProviderEndsItsSessions(t *testing.T) {
	t.Attr("threat", "O10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, x := range map[string]struct {
			claims map[string]any
			ended  string // of: one and two, the same person in two sessions there; other, another person; password
		}{
			"the session":                  {map[string]any{"sid": "sid-1"}, "one"},
			"the session of the subject":   {map[string]any{"sid": "sid-1", "sub": "ada-1"}, "one"},
			"the subject":                  {map[string]any{"sub": "ada-1"}, "one two"},
			"an unknown session":           {map[string]any{"sid": "sid-9"}, ""},
			"an unknown session, subject":  {map[string]any{"sid": "sid-9", "sub": "ada-1"}, "one two"},
			"an unknown subject":           {map[string]any{"sub": "sid-1"}, ""},
			"a session of another subject": {map[string]any{"sid": "sid-3", "sub": "ada-1"}, "other"},
		} {
			t.Run(name, func(t *testing.T) {
				s, p := startWith(t, options{stores: open})
				u := s.linked(s.linked(s.user("ada"), "ada-1"), "ada-3")
				clients := map[string]*client{}
				for name, claims := range map[string]map[string]any{
					"one": {"sub": "ada-1", "sid": "sid-1"}, "two": {"sub": "ada-1", "sid": "sid-2"}, "other": {"sub": "ada-3", "sid": "sid-3"},
				} {
					p.says(claims)
					clients[name] = s.client()
					if got := clients[name].through(p, "example", nil); got != "/auth/account" {
						t.Fatal(got)
					}
				}
				clients["password"] = s.as(u)
				token := p.logout("token", x.claims)
				for range 2 {
					ok(t, s.back(token))
				}
				for name, c := range clients {
					want := 200
					if strings.Contains(" "+x.ended+" ", " "+name+" ") {
						want = 401
					}
					if r := c.send("GET", "/api/me", nil); r.StatusCode != want {
						t.Errorf("%s: %d, want %d", name, r.StatusCode, want)
					}
				}
				if r := s.back("x." + token); !isProblem(r, 400, "invalid_request") {
					t.Errorf("a forged token: %d %s", r.StatusCode, r.body)
				}
			})
		}
	})
}

// TestALogoutReachesWhatIsOnItsWay: a callback that is being answered, and a sign-in that waits for its second step.
func TestALogoutReachesWhatIsOnItsWay(t *testing.T) {
	t.Attr("threat", "O10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open})
		u := s.linked(s.user("ada"), "ada-1")
		for name, claims := range map[string]map[string]any{"sid": {"sid": "sid-1"}, "sub": {"sub": "ada-1"}} {
			p.during = func() { ok(t, s.back(p.logout("during "+name, claims))) }
			c := s.client()
			if got := c.through(p, "example", nil); !strings.HasSuffix(got, "#error=attempt_lost") || c.ticket() != "" || len(s.records(u.ID)) != 0 {
				t.Errorf("%s: %s, and the session is there: %v", name, got, len(s.records(u.ID)) != 0)
			}
		}
		p.during = nil
		v, app := s.enrolled("bob")
		s.linked(v, "bob-1")
		p.says(map[string]any{"sub": "bob-1", "sid": "sid-b"})
		c := s.client()
		if got := c.through(p, "example", nil); !strings.HasSuffix(got, "#pending") {
			t.Fatal(got)
		}
		for _, cookie := range c.jar.Cookies(c.base()) {
			s.secret.add(cookie.Value)
		}
		ok(t, s.back(p.logout("pending", map[string]any{"sid": "sid-b"})))
		if r := c.send("GET", "/api/auth/login/pending", nil); !isProblem(r, 401, "pending_ended") {
			t.Errorf("the pending sign-in: %d %s; want 401 pending_ended", r.StatusCode, r.body)
		}
		if r := c.second(app.next()); !isProblem(r, 401, "pending_ended") {
			t.Errorf("the second step: %d %s; want 401 pending_ended", r.StatusCode, r.body)
		}
	})
}

// TestAReplayedLogoutEndsNothingNewer: a repeat ends what was begun before its first time.
func TestAReplayedLogoutEndsNothingNewer(t *testing.T) {
	t.Attr("threat", "O10")
	s, p := startWith(t, options{})
	s.linked(s.user("ada"), "ada-1")
	token := p.logout("token", map[string]any{"sub": "ada-1"})
	ok(t, s.back(token))
	time.Sleep(1100 * time.Millisecond) // times are whole seconds
	c := s.client()
	if got := c.through(p, "example", nil); got != "/auth/account" {
		t.Fatal(got)
	}
	ok(t, s.back(token))
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
		t.Errorf("a session that began after the logout: %d", r.StatusCode)
	}
	ok(t, s.back(p.logout("another", map[string]any{"sub": "ada-1"})))
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 401 {
		t.Errorf("after another logout: %d", r.StatusCode)
	}
	ok(t, s.back(p.logout("a third", map[string]any{"sub": "ada-1"})))
	if all := strings.Count(s.log.String(), `"msg":"authn_provider_logout"`); all != 4 {
		t.Errorf("%d logouts are recorded, want 4", all)
	}
	if n := strings.Count(s.log.String(), `"ended":0`); n != 3 || !s.logged(`"msg":"authn_provider_logout"`, `"ended":1`) {
		t.Errorf("%d logouts have ended nothing, want 3, and the other one session", n)
	}
}

// TestAFailedStoreCallDuringALogoutIsA503 and a repeat finishes what was left.
func TestAFailedStoreCallDuringALogoutIsA503(t *testing.T) {
	t.Attr("threat", "O10")
	for n := 1; ; n++ {
		plan := &storetest.FaultPlan{}
		inner := inMemory(t)
		s, p := startWith(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
		s.stores = inner
		s.linked(s.user("ada"), "ada-1")
		var clients []*client
		for range 2 {
			c := s.client()
			if got := c.through(p, "example", nil); got != "/auth/account" {
				t.Fatal(got)
			}
			clients = append(clients, c)
		}
		token := p.logout("token", map[string]any{"sub": "ada-1"})
		*plan = storetest.FaultPlan{Call: n}
		r := s.back(token)
		calls := plan.Calls()
		*plan = storetest.FaultPlan{}
		failed := len(calls) >= n
		if failed && !isProblem(r, 503, "unavailable") {
			t.Errorf("%s fails: %d %s", calls[n-1], r.StatusCode, r.body)
		}
		if failed {
			ok(t, s.back(token))
		}
		for _, c := range clients {
			if r := c.send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("fault %d: a session is left: %d", n, r.StatusCode)
			}
		}
		if !failed {
			return
		}
	}
}

// TestAFailedStoreCallDuringACallbackStartsNoSession, and is a 503.
func TestAFailedStoreCallDuringACallbackStartsNoSession(t *testing.T) {
	t.Attr("threat", "O08")
	for _, signup := range []bool{false, true} {
		for n := 1; ; n++ {
			plan := &storetest.FaultPlan{}
			inner := inMemory(t)
			s, p := startWith(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
			s.stores = inner
			if !signup {
				s.linked(s.user("ada"), "ada-1")
			}
			c := s.client()
			back, _ := c.goTo(p, "example", nil)
			*plan = storetest.FaultPlan{Call: n}
			r := c.send("GET", back, nil)
			if len(plan.Calls()) < n {
				break
			}
			call := plan.Calls()[n-1]
			if !isProblem(r, 503, "unavailable") && !(r.StatusCode == 303 && strings.HasPrefix(call, "throttle.")) {
				t.Errorf("%s fails: %d %s %s", call, r.StatusCode, r.Header.Get("Location"), r.body)
			}
			if r.StatusCode == 503 && c.ticket() != "" {
				t.Errorf("%s fails: the browser has a ticket", call)
			}
		}
	}
}

// TestAnInterruptedSignUpKeepsNoOneOut: wherever the stores go away, the same person gets an account at the next attempt.
func TestAnInterruptedSignUpKeepsNoOneOut(t *testing.T) {
	t.Attr("threat", "J06")
	for n := 1; ; n++ {
		plan := &storetest.FaultPlan{}
		inner := inMemory(t)
		s, p := startWith(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
		s.stores = inner
		p.says(map[string]any{"sub": "ada-1", "email": "ada@example.com", "email_verified": true})
		c := s.client()
		back, _ := c.goTo(p, "example", nil)
		*plan = storetest.FaultPlan{Call: n, Rest: true}
		r := c.send("GET", back, nil)
		calls := plan.Calls()
		*plan = storetest.FaultPlan{}
		if len(calls) < n {
			if got := c.send("GET", "/api/me", nil).field("email"); got != "ada@example.com" || n < 5 {
				t.Errorf("without an outage, after %d calls, the address is %v", len(calls), got)
			}
			break
		}
		if got := s.client().through(p, "example", nil); got != "/auth/account" {
			t.Errorf("an outage begins at %s, which is answered %d; the next attempt lands at %s", calls[n-1], r.StatusCode, got)
		}
	}
}

// leftLinks is a link store whose browser has gone when it adds a link.
type leftLinks struct {
	federation.Store
	leave func()
}

func (l *leftLinks) Add(ctx context.Context, link *federation.Link) error {
	if l.leave == nil {
		return l.Store.Add(ctx, link)
	}
	l.leave()
	<-ctx.Done()
	return ctx.Err()
}

// TestABrowserThatLeavesASignUpLeavesNoAccount behind, with which no one could do anything.
func TestABrowserThatLeavesASignUpLeavesNoAccount(t *testing.T) {
	t.Attr("threat", "J06")
	var links *leftLinks
	s, p := startWith(t, options{change: func(a *httpapi.API) {
		links = &leftLinks{Store: a.Links}
		a.Links = links
	}})
	p.says(map[string]any{"sub": "ada-1", "preferred_username": "ada"})
	c := s.client()
	back, _ := c.goTo(p, "example", nil)
	ctx, cancel := context.WithCancel(t.Context())
	links.leave = cancel
	q, err := http.NewRequestWithContext(ctx, "GET", s.public+back, nil)
	must(t, err)
	if answer, err := c.Do(q); err == nil {
		_ = answer.Body.Close()
		t.Fatalf("the browser has got an answer: %d", answer.StatusCode)
	}
	gone := func() bool {
		_, err := s.stores.Accounts.Find(t.Context(), "ada")
		return errors.Is(err, account.ErrNotFound)
	}
	for began := time.Now(); !gone(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the account is left")
		}
	}
}

// TestAnOutageIsNoLostAttempt: a link that is asked for while the sessions can't be read is answered 503, and isn't made.
func TestAnOutageIsNoLostAttempt(t *testing.T) {
	t.Attr("threat", "J06")
	for n := 1; ; n++ {
		plan := &storetest.FaultPlan{}
		inner := inMemory(t)
		s, p := startWith(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
		s.stores = inner
		u := s.user("ada")
		c := s.as(u)
		back, _ := c.goTo(p, "example", map[string]any{"intent": "link"})
		*plan = storetest.FaultPlan{Call: n}
		r := c.send("GET", back, nil)
		calls := plan.Calls()
		*plan = storetest.FaultPlan{}
		links, err := s.stores.Links.List(t.Context(), u.ID)
		must(t, err)
		if len(calls) < n {
			if r.Header.Get("Location") != "/auth/account" || len(links) != 1 || n < 4 {
				t.Errorf("without an outage, after %d calls: %d %s, %d links", len(calls), r.StatusCode, r.Header.Get("Location"), len(links))
			}
			break
		}
		done := r.Header.Get("Location") == "/auth/account"
		if !done && !isProblem(r, 503, "unavailable") || done != (len(links) == 1) {
			t.Errorf("%s fails: %d %s, and there are %d links", calls[n-1], r.StatusCode, r.Header.Get("Location"), len(links))
		}
	}
}

// usedLinks calls a function once, when the link of a sign-in has been read.
type usedLinks struct {
	federation.Store
	once func()
}

func (l *usedLinks) Use(ctx context.Context, id string, at int64, email string) error {
	err := l.Store.Use(ctx, id, at, email)
	if then := l.once; then != nil {
		l.once = nil
		then()
	}
	return err
}

// TestAnAccountTakenBackIsNotOpenedByALinkThatIsOnItsWay: the account is declared compromised while the provider answers, or once the
// account and its link have been read.
func TestAnAccountTakenBackIsNotOpenedByALinkThatIsOnItsWay(t *testing.T) {
	t.Attr("threat", "X10")
	for _, read := range []bool{false, true} {
		links := &usedLinks{}
		s, p := startWith(t, options{change: func(a *httpapi.API) { links.Store, a.Links = a.Links, links }})
		root := s.as(s.superuser("root"))
		u := s.linked(s.user("ada"), "ada-1")
		takeBack := func() { s.compromised(root, u) }
		if p.during = takeBack; read {
			p.during, links.once = nil, takeBack
		}
		c := s.client()
		if got := c.through(p, "example", nil); got == "/auth/account" && c.send("GET", "/api/me", nil).field("id") == u.ID {
			t.Error("the attacker is signed in")
		}
		if all := s.records(u.ID); len(all) != 0 {
			t.Errorf("there are sessions: %+v", all)
		}
	}
}

// TestARequiredSecondFactorIsAskedAfterAProvider too.
func TestARequiredSecondFactorIsAskedAfterAProvider(t *testing.T) {
	t.Attr("threat", "O06")
	for onPassword, want := range map[bool]string{false: "#error=enrolment_required", true: "#pending"} {
		s, p := startWith(t, options{change: requiring(secondstep.Required, onPassword)})
		u := s.linked(s.user("ada"), "ada-1")
		if got := s.client().through(p, "example", nil); !strings.HasSuffix(got, want) || len(s.records(u.ID)) != 0 {
			t.Errorf("set-up after one factor %v: %s, want %s and no session", onPassword, got, want)
		}
	}
}

// TestOnlyFormsOfProvidersAreRead: another body is refused, and other fields are ignored.
func TestOnlyFormsOfProvidersAreRead(t *testing.T) {
	t.Attr("threat", "O10")
	s, p := startWith(t, options{})
	s.linked(s.user("ada"), "ada-1")
	c := s.client()
	if got := c.through(p, "example", nil); got != "/auth/account" {
		t.Fatal(got)
	}
	token := p.logout("token", map[string]any{"sub": "ada-1"})
	for kind, body := range map[string]string{
		"text/plain": "logout_token=" + token, "application/xml": token, "": "logout_token=" + token,
		"application/json": `[]`, "application/x-www-form-urlencoded": "logout_token=" + token + "&logout_token=" + token,
		"application/x-www-form-urlencoded; charset=utf-8": "x=y", "application/json; charset=utf-8": `{"logout_token":1}`,
	} {
		r := s.program().raw("POST", logoutPath, strings.NewReader(body), "Content-Type: "+kind)
		if r.StatusCode != 400 && r.StatusCode != 415 {
			t.Errorf("%q: %d %s", kind, r.StatusCode, r.body)
		}
	}
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
		t.Errorf("the session has ended: %d", r.StatusCode)
	}
	ok(t, s.program().raw("POST", logoutPath, strings.NewReader("state=x&logout_token="+token), "Content-Type: application/x-www-form-urlencoded"))
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 401 {
		t.Errorf("the session goes on: %d", r.StatusCode)
	}
}

// TestAnAnswerAsAForm changes nothing, and becomes the same answer as others give, whatever page it comes from.
func TestAnAnswerAsAForm(t *testing.T) {
	t.Attr("threat", "E3")
	s, p := startWith(t, options{strict: true, change: func(a *httpapi.API) { a.Providers[1].SignUp = true }})
	c := s.client()
	apple := []string{"Content-Type: application/x-www-form-urlencoded", "Origin: https://other.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}
	csrf := c.send("GET", "/api/auth/csrf", nil)
	back, r := c.goToWith(p, "other", nil, "X-CSRFToken: "+fmt.Sprint(csrf.field("csrftoken")))
	if back == "" {
		t.Fatalf("start: %d %s", r.StatusCode, r.body)
	}
	path, query, _ := strings.Cut(back, "?")
	form, err := url.ParseQuery(query)
	must(t, err)
	form.Set("user", `{"name":{"firstName":"Grace","lastName":"Hopper"},"email":"grace@example.com"}`)
	form.Set("id_token", "ignored")

	before := snapshot(t, s.stores)
	stranger := s.program()
	r = stranger.raw("POST", path, strings.NewReader(form.Encode()), apple...)
	at := r.Header.Get("Location")
	if r.StatusCode != 303 || !strings.HasPrefix(at, path+"?") || len(r.Header["Set-Cookie"]) > 0 || strings.Contains(at, "Grace") || strings.Contains(at, "ignored") {
		t.Fatalf("the form: %d %v %s", r.StatusCode, r.Header, r.body)
	}
	if now := snapshot(t, s.stores); now != before {
		t.Errorf("the form has changed something:\n%s\n%s", before, now)
	}
	if got := stranger.lands(at); got != "/signin#error=attempt_lost" {
		t.Errorf("in another browser: %s", got)
	}
	if got := c.lands(at); got != "/auth/account" {
		t.Fatalf("it lands at %s", got)
	}
	if me := c.send("GET", "/api/me", nil); me.field("first_name") != "Grace" || me.field("last_name") != "Hopper" {
		t.Errorf("the person is %s", me.body)
	}

	for name, x := range map[string]struct {
		path, body string
		code       int
	}{
		"a provider that answers by a redirect": {callbackPath, "state=x", 403},
		"a slash at the end":                    {path + "/", "state=x", 403},
		"another spelling":                      {strings.Replace(path, "other", "%6fther", 1), "state=x", 403},
		"capital letters":                       {strings.Replace(path, "other", "OTHER", 1), "state=x", 403},
		"the start":                             {strings.Replace(path, "callback", "start", 1), "", 403},
		"no such provider":                      {strings.Replace(path, "other", "gone", 1), "state=x", 403},
		"a field twice":                         {path, "state=x&state=y", 400},
		"a field that is too long":              {path, "state=" + strings.Repeat("x", 4097), 400},
		"nothing":                               {path, "", 303},
		"a user that is too long":               {path, "user=" + strings.Repeat("x", 1025), 303},
	} {
		if r := stranger.raw("POST", x.path, strings.NewReader(x.body), apple...); r.StatusCode != x.code || strings.Contains(r.Header.Get("Location"), "user") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := stranger.raw("POST", callbackPath, strings.NewReader("state=x"), apple[0]); r.StatusCode != 404 {
		t.Errorf("without an origin, at a provider that answers by a redirect: %d", r.StatusCode)
	}
}

// TestWordsAboutThePersonAreThoseOfTheForm: what stands in the address is no other text.
func TestWordsAboutThePersonAreThoseOfTheForm(t *testing.T) {
	t.Attr("threat", "O08")
	for _, user := range []string{`{"name":{"firstName":"Mallory"}}`, "AAAA", ""} {
		s, p := startWith(t, options{change: func(a *httpapi.API) { a.Providers[1].SignUp = true }})
		c := s.client()
		back, _ := c.goTo(p, "other", nil)
		if got := c.lands(back + "&user=" + url.QueryEscape(user)); got != "/auth/account" {
			t.Fatalf("it lands at %s", got)
		}
		if me := c.send("GET", "/api/me", nil); me.field("first_name") != "" {
			t.Errorf("%q: the person is %s", user, me.body)
		}
	}
}

// TestALinkIsToldByMail, and its removal too.
func TestALinkIsToldByMail(t *testing.T) {
	t.Attr("threat", "J06")
	box := newPostbox()
	s, p := startWith(t, options{mail: box})
	u := s.user("ada")
	c := s.client()
	ok(t, c.login("ada", goodPassword))
	if got := c.through(p, "example", map[string]any{"intent": "link"}); got != "/auth/account" {
		t.Fatalf("it lands at %s", got)
	}
	if m := box.ofKind(t, "provider_linked", 0); about(m) != fmt.Sprintf("provider_linked to %s about %q", u.Email, u.ID) {
		t.Errorf("the message is %s", about(m))
	}
	all, err := s.stores.Links.List(t.Context(), u.ID)
	must(t, err)
	ok(t, c.send("DELETE", "/api/auth/links/"+all[0].ID, nil))
	if m := box.ofKind(t, "provider_unlinked", 0); about(m) != fmt.Sprintf("provider_unlinked to %s about %q", u.Email, u.ID) {
		t.Errorf("the message is %s", about(m))
	}
}

// TestGroupsComeAndGoAsTheProviderSays, and others stay.
func TestGroupsComeAndGoAsTheProviderSays(t *testing.T) {
	t.Attr("threat", "O11")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open, change: func(a *httpapi.API) {
			a.Providers[0].GroupsClaim, a.Providers[0].Groups = "groups", map[string]string{"devs": "editors", "ops": "admins", "lost": "nowhere"}
		}})
		for _, name := range []string{"editors", "admins", "club"} {
			s.group(name)
		}
		u := s.linked(s.with(s.user("ada"), func(u *account.User) { u.Groups = []string{"admins", "club"} }), "ada-1")
		for _, step := range []struct {
			claim any
			want  []string
		}{
			{[]string{"devs", "lost", "club"}, []string{"club", "editors"}},
			{[]string{"devs", "ops"}, []string{"admins", "club", "editors"}},
			{nil, []string{"club"}},
		} {
			p.says(map[string]any{"sub": "ada-1", "groups": step.claim})
			if got := s.client().through(p, "example", nil); got != "/auth/account" {
				t.Fatalf("it lands at %s", got)
			}
			now, err := s.stores.Accounts.Load(t.Context(), u.ID)
			must(t, err)
			if !slices.Equal(now.Groups, step.want) {
				t.Errorf("after %v the groups are %v", step.claim, now.Groups)
			}
		}
		p.says(map[string]any{"sub": "new-1", "groups": []string{"ops"}})
		c := s.client()
		c.through(p, "example", nil)
		if me := c.send("GET", "/api/me", nil); fmt.Sprint(me.field("groups")) != "[admins]" {
			t.Errorf("a new person is %s", me.body)
		}
	})
}

// TestHalfASignInGivesNoGroups: they come with the second step.
func TestHalfASignInGivesNoGroups(t *testing.T) {
	t.Attr("threat", "O11")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s, p := startWith(t, options{stores: open, change: func(a *httpapi.API) {
			a.Providers[0].GroupsClaim, a.Providers[0].Groups = "groups", map[string]string{"devs": "editors"}
		}})
		s.group("editors")
		u, app := s.enrolled("ada")
		s.linked(u, "ada-1")
		p.says(map[string]any{"sub": "ada-1", "groups": []string{"devs"}})
		c := s.client()
		if got := c.through(p, "example", nil); !strings.HasSuffix(got, "#pending") {
			t.Fatalf("it lands at %s", got)
		}
		groups := func() []string {
			now, err := s.stores.Accounts.Load(t.Context(), u.ID)
			must(t, err)
			return now.Groups
		}
		if got := groups(); len(got) != 0 {
			t.Errorf("half a sign-in has given the groups %v", got)
		}
		ok(t, c.second(app.next()))
		if got := groups(); !slices.Equal(got, []string{"editors"}) {
			t.Errorf("the whole sign-in has given the groups %v", got)
		}
	})
}

// changesGroups is an account store in which an administrator changes a user once a provider's group has been looked up.
type changesGroups struct {
	account.Store
	meanwhile func()
}

func (s *changesGroups) Groups(ctx context.Context) ([]account.Group, error) {
	all, err := s.Store.Groups(ctx)
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
	return all, err
}

// TestAProviderLeavesTheGroupsThatAnAdministratorGivesMeanwhile: they are read again in the change itself.
func TestAProviderLeavesTheGroupsThatAnAdministratorGivesMeanwhile(t *testing.T) {
	t.Attr("threat", "O11")
	var store *changesGroups
	s, p := startWith(t, options{change: func(a *httpapi.API) {
		store = &changesGroups{Store: a.Accounts.Store}
		a.Accounts.Store = store
		a.Providers[0].GroupsClaim, a.Providers[0].Groups = "groups", map[string]string{"devs": "editors"}
	}})
	for _, name := range []string{"editors", "club", "board"} {
		s.group(name)
	}
	u := s.linked(s.with(s.user("ada"), func(u *account.User) { u.Groups = []string{"club"} }), "ada-1")
	store.meanwhile = func() {
		_, err := s.stores.Accounts.Change(t.Context(), u.ID, func(u *account.User) error { u.Groups = []string{"board"}; return nil })
		must(t, err)
	}
	p.says(map[string]any{"sub": "ada-1", "groups": []string{"devs"}})
	if got := s.client().through(p, "example", nil); got != "/auth/account" {
		t.Fatalf("it lands at %s", got)
	}
	if store.meanwhile != nil {
		t.Fatal("no group was looked up")
	}
	now, err := s.stores.Accounts.Load(t.Context(), u.ID)
	must(t, err)
	if !slices.Equal(now.Groups, []string{"board", "editors"}) {
		t.Errorf("the groups are %v", now.Groups)
	}
}

// TestPeopleOfOtherDomainsStayOut, whatever they come for.
func TestPeopleOfOtherDomainsStayOut(t *testing.T) {
	t.Attr("threat", "O11")
	s, p := startWith(t, options{change: func(a *httpapi.API) { a.Providers[0].AllowedDomains = []string{"example.com"} }})
	u := s.linked(s.user("ada"), "ada-1")
	p.says(map[string]any{"sub": "ada-1", "email": "ada@evil.test", "email_verified": true})
	if got := s.client().through(p, "example", nil); got != "/signin?next=%2Fauth%2Faccount#error=not_admitted" || len(s.records(u.ID)) != 0 {
		t.Errorf("a linked person lands at %s", got)
	}
	c := s.client()
	s.user("bob")
	ok(t, c.login("bob", goodPassword))
	if got := c.through(p, "example", map[string]any{"intent": "link"}); got != "/auth/account#error=not_admitted" {
		t.Errorf("linking lands at %s", got)
	}
	p.says(map[string]any{"sub": "ada-1", "email": "ada@example.com", "email_verified": true})
	if got := s.client().through(p, "example", nil); got != "/auth/account" {
		t.Errorf("a person of the domain lands at %s", got)
	}
}
