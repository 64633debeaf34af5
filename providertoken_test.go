package cloakroom_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/oidc/oidctest"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// startWithProvider starts a server on the memory's stores, on an address of this machine. set changes its configuration.
func startWithProvider(t *testing.T, plan *storetest.FaultPlan, next func(s *cloakroom.Server) http.Handler, set func(*cloakroom.Config)) (*cloakroom.Server, http.Handler, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stores := storetest.Faulty(memory.New().Set, plan)
	c := cloakroom.Config{URL: "http://" + listener.Addr().String(), Data: t.TempDir(), Stores: &stores, Log: slog.New(slog.DiscardHandler)}
	set(&c)
	s, err := cloakroom.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accounts.Create(t.Context(), account.NewUser{Username: "root", Password: "correct horse battery staple"}); err != nil {
		t.Fatal(err)
	}
	var app http.Handler
	if next != nil {
		app = next(s)
	}
	handler := s.Handler(app)
	web := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	web.Start()
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, handler, c.URL
}

// signInAt signs in at the provider "example", and returns a client with the session.
func signInAt(t *testing.T, base string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	r, err := client.Post(base+"/api/auth/oidc/example/start", "application/json", strings.NewReader(`{"next":"/api/auth/me"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var begun struct{ Location string }
	if err := json.NewDecoder(r.Body).Decode(&begun); err != nil {
		t.Fatal(err)
	}
	r, err = client.Get(begun.Location)
	if err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	return client
}

// answers is an upstream that reads no more of a request than where it ends, and so allocates nothing for it.
func answers(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) > 2 {
						continue
					}
					if _, err := io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestATokenOfAProviderCostsTheGatewayLittle: no statement, and at most two allocations more than a request without one.
func TestATokenOfAProviderCostsTheGatewayLittle(t *testing.T) {
	o, upstream := oidctest.New(t), answers(t)
	var calls atomic.Int64
	plan := &storetest.FaultPlan{Before: func(string) error { calls.Add(1); return nil }}
	_, handler, base := startWithProvider(t, plan, nil, func(c *cloakroom.Config) {
		c.Providers = []string{"example=" + o.Settings(`"keep_tokens":true`)}
		c.Upstreams = []string{"/things=" + upstream, "/others=" + upstream}
		c.UpstreamTokens = []string{"/things=example"}
	})
	client := signInAt(t, base)
	at, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	w := &discard{header: http.Header{}}
	cost := func(path string) (statements int64, allocations float64) {
		r := httptest.NewRequest("GET", base+path, nil)
		for _, c := range client.Jar.Cookies(at) {
			r.AddCookie(c)
		}
		ask := func() {
			clear(w.header)
			handler.ServeHTTP(w, r)
			if w.status != http.StatusNoContent {
				t.Fatalf("%s: %d", path, w.status)
			}
		}
		ask()
		before := calls.Load()
		ask()
		statements = calls.Load() - before
		allocations = testing.AllocsPerRun(100, ask)
		for range 4 { // the fewest: what runs beside may allocate, too
			allocations = min(allocations, testing.AllocsPerRun(100, ask))
		}
		return statements, allocations
	}
	without, fewest := cost("/others/1")
	with, allocations := cost("/things/1")
	if with > without {
		t.Errorf("%d statements with a token, and %d without", with, without)
	}
	if allocations > fewest+2 {
		t.Errorf("%v allocations with a token, and %v without", allocations, fewest)
	}
}

// TestAProgramGetsTheTokenOfAProvider for the session of a request.
func TestAProgramGetsTheTokenOfAProvider(t *testing.T) {
	o := oidctest.New(t)
	_, _, base := startWithProvider(t, &storetest.FaultPlan{}, func(s *cloakroom.Server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			current, err := session.FromContext(r.Context())
			if err != nil || current == nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			token, err := s.ProviderToken(r.Context(), current, strings.TrimPrefix(r.URL.Path, "/"))
			if errors.Is(err, cloakroom.ErrNoProviderToken) {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			if err != nil || !o.Gave("Bearer "+token) {
				t.Errorf("the token is %q, %v", token, err)
			}
		})
	}, func(c *cloakroom.Config) { c.Providers = []string{"example=" + o.Settings(`"keep_tokens":true`)} })
	client := signInAt(t, base)
	for path, status := range map[string]int{"/example": 200, "/other": 403} {
		r, err := client.Get(base + path)
		if err != nil || r.StatusCode != status {
			t.Errorf("%s: %v, %v; want %d", path, r.Status, err, status)
		}
		r.Body.Close()
	}
}

// TestUpstreamTokensThatMakeNoSenseAreRefused at the start, with what to write.
func TestUpstreamTokensThatMakeNoSenseAreRefused(t *testing.T) {
	o := oidctest.New(t)
	kept, dropped := "kept="+o.Settings(`"keep_tokens":true`), "dropped="+o.Settings(`"keep_tokens":false`)
	for text, want := range map[string]string{
		"/things":       "want PREFIX=NAME",
		"things=kept":   "want PREFIX=NAME",
		"/things=":      "want PREFIX=NAME",
		"/others=kept":  `none of Config.Upstreams has the prefix "/others"`,
		"/=kept":        `none of Config.Upstreams has the prefix "/"`,
		"/things/=kept": "", "/things=kept": "",
		"/things=other":   "none of Config.Providers has the name other",
		"/things=dropped": `write "keep_tokens": true into the settings of the provider dropped`,
	} {
		stores := memory.New().Set
		s, err := cloakroom.New(t.Context(), cloakroom.Config{
			Data: t.TempDir(), Stores: &stores, Providers: []string{kept, dropped}, Upstreams: []string{"/things=http://127.0.0.1:1"},
			UpstreamTokens: []string{text}, Log: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			err = errors.Join(errors.New(""), s.Close())
		}
		if !strings.Contains(err.Error(), want) || want == "" && err.Error() != "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	stores := memory.New().Set
	stores.Grants = nil
	if _, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), Stores: &stores, Providers: []string{kept}}); err == nil || !strings.Contains(err.Error(), "Config.Stores needs Grants") {
		t.Errorf("without a store for them: %v", err)
	}
}
