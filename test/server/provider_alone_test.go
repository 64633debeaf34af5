package server_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// TestAProviderCostsItsOwnButtonAlone when it is away, hangs or changes its keys: who is signed in stays so, and everybody else gets in,
// by a password or at another provider.
func TestAProviderCostsItsOwnButtonAlone(t *testing.T) {
	t.Attr("threat", "O05")
	t.Parallel()
	o, other := oidctest.New(t), oidctest.New(t)
	gone := filepath.Join(t.TempDir(), "gone.json")
	text := fmt.Sprintf(`{"issuer":"http://127.0.0.1:%d","client_id":"cloakroom","client_secret":"secret"}`, harness.FreePort(t))
	if err := os.WriteFile(gone, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--provider", "example="+o.Settings(`"label":"Example"`), "--provider", "other="+other.Settings(`"label":"Other"`), "--provider", "gone="+gone)
	ann := s.people("ann", 1)[0].Username
	there := newBrowser(t, s, s.base)
	there.signIn()
	password := map[string]any{"username": ann, "password": goodPassword}
	here := newBrowser(t, s, s.base)
	if r := here.send("POST", "/api/auth/login", password); r.status != 200 {
		t.Fatal(r)
	}
	untouched := func(when string) {
		t.Helper()
		for name, b := range map[string]*browser{"the provider's session": there, "the session of a password": here} {
			for _, path := range []string{"/api/me", "/api/auth/sessions", "/readyz", "/api/auth/methods"} {
				if r := b.send("GET", path, nil); r.status != 200 {
					t.Errorf("while %s, with %s, %s: %s", when, name, path, r)
				}
			}
		}
		if r := newBrowser(t, s, s.base).send("POST", "/api/auth/login", password); r.status != 200 {
			t.Errorf("while %s, a sign-in by password: %s", when, r)
		}
		if at := newBrowser(t, s, s.base).through("other"); at.Path != "/api/auth/me" {
			t.Errorf("while %s, a sign-in at another provider ends at %s", when, at)
		}
	}

	if r := newBrowser(t, s, s.base).send("POST", "/api/auth/oidc/gone/start", map[string]any{}); r.status != 502 || r.code() != "provider_unavailable" {
		t.Errorf("at a provider that is away: %s", r)
	}
	untouched("a provider is away")

	o.Stall()
	held := newBrowser(t, s, s.base)
	to, err := url.Parse(held.beginAt("example", map[string]any{}))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan *url.URL, 1)
	go func() { ended <- held.returning("example", to.Query().Get("state")) }()
	untouched("a provider hangs")
	if at := <-ended; at == nil || !strings.HasSuffix(at.Fragment, "error=provider_unavailable") {
		t.Errorf("at a provider that hangs a sign-in ends at %s", at)
	}
	o.Release()
	if at := newBrowser(t, s, s.base).through("example"); at.Path != "/api/auth/me" {
		t.Errorf("at a provider that answers again a sign-in ends at %s", at)
	}

	// The keys were read less than a minute ago, so the new one isn't known yet.
	if err := o.Rotate(); err != nil {
		t.Fatal(err)
	}
	untouched("a provider has new keys")
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(500 * time.Millisecond) {
		if newBrowser(t, s, s.base).through("example").Path == "/api/auth/me" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new key of a provider is never read")
		}
	}
	if status := s.logout(o); status != 200 {
		t.Errorf("a logout token under the new key: %d", status)
	}
	if r := there.send("GET", "/api/me", nil); r.status != 401 {
		t.Errorf("after the logout: %s", r)
	}
	if r := here.send("GET", "/api/me", nil); r.status != 200 {
		t.Errorf("after the logout, the session of a password: %s", r)
	}
}

// through visits a provider that asks nothing, and returns where the browser ends.
func (b *browser) through(provider string) *url.URL {
	b.t.Helper()
	answer, err := b.http.Get(b.beginAt(provider, map[string]any{"next": "/api/auth/me"}))
	if err != nil {
		b.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.Request.URL
}

// returning comes back from a provider, with a code that isn't one, and returns where the browser ends; nil if it ends nowhere.
func (b *browser) returning(provider, state string) *url.URL {
	answer, err := b.http.Get(b.base + "/api/auth/oidc/" + provider + "/callback?" + url.Values{"code": {"one"}, "state": {state}}.Encode())
	if err != nil {
		b.t.Error(err)
		return nil
	}
	answer.Body.Close()
	return answer.Request.URL
}
