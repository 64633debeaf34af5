package cloakroom_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

const goodPassword = "correct horse battery staple"

// assembled is a Server on a new directory, with the user ada, until the test ends. The first listener, which is
// not serving yet, has the address of its URL.
func assembled(t *testing.T, c cloakroom.Config) (*cloakroom.Server, *httptest.Server) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	t.Cleanup(web.Close)
	c.URL, c.Data = "http://"+web.Listener.Addr().String(), t.TempDir()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	srv, err := cloakroom.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := srv.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Password: goodPassword}); err != nil {
		t.Fatal(err)
	}
	return srv, web
}

// run does the background work of a Server until the test ends.
func run(t *testing.T, srv *cloakroom.Server) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// browser is a client with cookies, whose unsafe requests come from the server's own pages.
type browser struct {
	*http.Client
	t    *testing.T
	base string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar}, t, base}
}

func (b *browser) send(method, path string, body any) *http.Response {
	b.t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, bytes.NewReader(payload))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", b.base)
	answer, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func (b *browser) signIn() {
	b.t.Helper()
	if r := b.send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": goodPassword}); r.StatusCode != 200 {
		b.t.Fatalf("sign-in: %d", r.StatusCode)
	}
}

// TestAProgramsOwnHookTakesNothingFromTheServer: open pages are notified although the program has set the hook fields.
func TestAProgramsOwnHookTakesNothingFromTheServer(t *testing.T) {
	srv, web := assembled(t, cloakroom.Config{})
	var heard sync.Map
	srv.Sessions.OnEnd = func(e session.EndEvent) { heard.Store("ended "+e.Reason, true) }
	srv.Accounts.OnChange = func(id string) { heard.Store("changed "+id, true) }
	srv.Sessions.OnCheck = func(result string, stored bool) { heard.Store("checked "+result, true) }
	web.Config.Handler = srv.Handler(nil)
	web.Start()
	b := newBrowser(t, web.URL)
	u, err := srv.Accounts.Lookup(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	b.signIn()
	next := b.events()
	// As long as Run isn't called, the page can learn of the end only through the server's own hook.
	if _, err := srv.Sessions.RevokeAll(t.Context(), u.ID, nil); err != nil {
		t.Fatal(err)
	}
	next("session.ended")
	run(t, srv)
	b.signIn()
	next = b.events()
	if _, err := srv.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { u.IsStaff = true; return nil }); err != nil {
		t.Fatal(err)
	}
	next("permissions.changed")
	for _, want := range []string{"ended ended_elsewhere", "changed " + u.ID, "checked live"} {
		if _, ok := heard.Load(want); !ok {
			t.Errorf("the program doesn't hear %q", want)
		}
	}
}

// events opens the stream of events. next waits for an event, and ends the test if it doesn't come.
func (b *browser) events() (next func(event string)) {
	b.t.Helper()
	body := b.send("GET", "/api/auth/events", nil).Body
	lines := bufio.NewReader(body)
	return func(event string) {
		b.t.Helper()
		defer time.AfterFunc(30*time.Second, func() { body.Close() }).Stop()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				b.t.Fatalf("the page isn't notified of %s: %v", event, err)
			}
			if strings.HasPrefix(line, "event: "+event) {
				return
			}
		}
	}
}

// TestTwoHandlersOfOneServerWorkSideBySide, also while one is made after the other has begun to serve.
func TestTwoHandlersOfOneServerWorkSideBySide(t *testing.T) {
	srv, web := assembled(t, cloakroom.Config{Basic: true})
	run(t, srv)
	app := func(name string) http.Handler {
		return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }))
	}
	first, second := srv.Handler(app("first")), make(chan http.Handler, 1)
	web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Second") == "" {
			first.ServeHTTP(w, r)
			return
		}
		h := <-second
		second <- h
		h.ServeHTTP(w, r)
	})
	web.Start()
	b := newBrowser(t, web.URL)
	b.signIn()
	get := func(path string, headers ...string) string {
		r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := b.Do(r)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		return string(body)
	}
	var requests sync.WaitGroup
	for range 4 {
		requests.Go(func() {
			for range 50 {
				if got := get("/anything"); got != "first" {
					t.Errorf("the first handler answers %s", got)
				}
				if got := get("/api/me"); !strings.Contains(got, `"ada"`) {
					t.Errorf("/api/me answers %s", got)
				}
			}
		})
	}
	second <- srv.Handler(app("second"))
	requests.Wait()
	if got := get("/anything", "X-Second", "1"); got != "second" {
		t.Errorf("the second handler answers %s", got)
	}
	if got := get("/api/me", "X-Second", "1"); !strings.Contains(got, `"ada"`) {
		t.Errorf("/api/me of the second answers %s", got)
	}
}

// TestPasskeysAreThereWhereBrowsersTakeThem: the domain comes from the URL, and a domain that can't be used is an error.
func TestPasskeysAreThereWhereBrowsersTakeThem(t *testing.T) {
	for _, c := range []struct{ url, domain, want string }{
		{"http://localhost:8000", "", "localhost"},
		{"https://auth.example.com", "", "auth.example.com"},
		{"https://auth.example.com", "example.com", "example.com"},
		{"http://127.0.0.1:8000", "", "passkeys_off"},
		{"https://auth.example.com", "com", "error"},
		{"https://auth.example.com", "example.net", "error"},
	} {
		srv, err := cloakroom.New(t.Context(), cloakroom.Config{URL: c.url, PasskeyDomain: c.domain, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			if c.want != "error" || !strings.Contains(err.Error(), "Config.PasskeyDomain") {
				t.Errorf("%s, %q: %v", c.url, c.domain, err)
			}
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", c.url+"/api/auth/passkey/options", nil)
		w := httptest.NewRecorder()
		srv.Handler(nil).ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `"`+c.want+`"`) {
			t.Errorf("%s, %q: %s; want %s", c.url, c.domain, w.Body, c.want)
		}
		w = httptest.NewRecorder()
		srv.Handler(nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", c.url+"/.well-known/webauthn", nil))
		if served := w.Code == 200; served != (c.domain != "") {
			t.Errorf("%s, %q: related origins: %d %s", c.url, c.domain, w.Code, w.Body)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
}
