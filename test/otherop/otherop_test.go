// Package otherop_test signs people in at the provider of the zitadel/oidc library, over Go's own client.
package otherop_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

// serve serves what handler returns for the server's address, until the test ends.
func serve(t *testing.T, handler func(url string) http.Handler) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url = "http://" + listener.Addr().String()
	s := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler(url)}}
	s.Start()
	t.Cleanup(s.Close)
	return url
}

// person is a browser.
type person struct {
	t    *testing.T
	app  string
	http *http.Client
}

func newPerson(t *testing.T, app string) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t, app, &http.Client{Jar: jar}}
}

// send sends JSON from a page of the app, and returns the answer.
func (p *person) send(method, path string, body map[string]any) (status int, out map[string]any) {
	p.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.app+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", p.app)
	answer, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, out
}

// visit goes to the provider, enters name and password there, and returns where the browser ends.
func (p *person) visit(name string, start map[string]any) *url.URL {
	p.t.Helper()
	status, begun := p.send("POST", "/api/auth/oidc/zitadel/start", start)
	location, _ := begun["location"].(string)
	if status != 200 || location == "" {
		p.t.Fatalf("start: %d %v", status, begun)
	}
	form, err := p.http.Get(location)
	if err != nil {
		p.t.Fatal(err)
	}
	form.Body.Close()
	at := form.Request.URL
	if !strings.HasPrefix(at.Path, "/login/") {
		p.t.Fatalf("the provider leads to %s", at)
	}
	entered, err := p.http.PostForm(at.String(), url.Values{
		"id": {at.Query().Get("authRequestID")}, "username": {name}, "password": {"verysecure"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	defer entered.Body.Close()
	if entered.StatusCode != 200 {
		text, _ := io.ReadAll(io.LimitReader(entered.Body, 500))
		p.t.Fatalf("%s: %d %s", entered.Request.URL, entered.StatusCode, text)
	}
	return entered.Request.URL
}

// start starts a server that knows the provider as "zitadel".
func start(t *testing.T) (app string) {
	t.Helper()
	settings := filepath.Join(t.TempDir(), "zitadel.json")
	clients := map[string]*storage.Client{}
	provider := serve(t, func(issuer string) http.Handler {
		s := storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)
		return exampleop.SetupServer(issuer, s, slog.New(slog.DiscardHandler), false, op.WithAllowInsecure())
	})
	text, err := json.Marshal(map[string]any{"issuer": provider, "client_id": "cloakroom", "client_secret": "secret", "signup": true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, func(app string) http.Handler {
		clients["cloakroom"] = storage.WebClient("cloakroom", "secret", app+"/api/auth/oidc/zitadel/callback")
		s, err := cloakroom.New(t.Context(), cloakroom.Config{
			Data: t.TempDir(), URL: app, Providers: []string{"zitadel=" + settings}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		_, err = s.Accounts.Create(t.Context(), account.NewUser{Username: "first", Password: "a hanger for each coat", IsSuperuser: true})
		if err != nil {
			t.Fatal(err)
		}
		return s.Handler(nil)
	})
}

func TestASignInAtZitadelsProvider(t *testing.T) {
	app := start(t)
	first := newPerson(t, app)
	if at := first.visit("test-user2", map[string]any{"next": "/auth/account?a=b"}); at.String() != app+"/auth/account?a=b" {
		t.Fatalf("the browser ends at %s", at)
	}
	status, me := first.send("GET", "/api/me", nil)
	if status != 200 || me["username"] != "test-user2" || me["email"] != "test-user2@zitadel.ch" {
		t.Fatalf("the person is %d %v", status, me)
	}
	// This provider always says when the person has authenticated, and the account has nothing else to show.
	if status, _ := first.send("GET", "/api/auth/tokens", nil); status != 200 {
		t.Errorf("the sign-in isn't fresh: %d", status)
	}
	if at := first.visit("test-user2", map[string]any{"intent": "reauthenticate"}); at.String() != app+"/auth/account" {
		t.Fatalf("re-authentication ends at %s", at)
	}

	again := newPerson(t, app)
	again.visit("test-user2", map[string]any{})
	if _, other := again.send("GET", "/api/me", nil); other["id"] != me["id"] {
		t.Errorf("the second sign-in is of %v, the first of %v", other["id"], me["id"])
	}
	if status, _ := again.send("POST", "/api/auth/logout", nil); status != 200 {
		t.Errorf("sign-out: %d", status)
	}
	if status, _ := first.send("GET", "/api/me", nil); status != 200 {
		t.Errorf("the other session has ended: %d", status)
	}
}
