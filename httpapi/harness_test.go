package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/clientip"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/requestid"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// stores are what a server keeps its things in.
type stores struct {
	Sessions  session.Store
	Accounts  account.Store
	Throttles throttle.Store
	Keys      keyring.Store
}

func inMemory(*testing.T) stores {
	db := memory.New()
	return stores{db.Sessions(), db.Accounts(), db.Throttles(), db.Keys()}
}

func inSQLite(t *testing.T) stores {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return stores{db.Sessions(), db.Accounts(), db.Throttles(), db.Keys()}
}

// onEachStore runs a test against every store that there is.
func onEachStore(t *testing.T, test func(t *testing.T, open func(*testing.T) stores)) {
	t.Run("memory", func(t *testing.T) { test(t, inMemory) })
	t.Run("sqlite", func(t *testing.T) { test(t, inSQLite) })
}

// options change how the server under test is put together.
type options struct {
	stores  func(*testing.T) stores // nil: inMemory
	tls     bool                    // https, with a certificate that clients of the harness trust
	origins []string
	strict  bool
	trusted []string
	hsts    string
	pages   httpapi.Pages
	next    http.Handler
	change  func(*httpapi.API)
}

// server is the real API on a real port.
type server struct {
	*httptest.Server
	t      *testing.T
	api    *httpapi.API
	stores stores
	log    *safeBuffer // everything that was logged, down to debug
}

// start serves the API on a free port of this machine until the test ends.
func start(t *testing.T, o options) *server {
	t.Helper()
	if o.stores == nil {
		o.stores = inMemory
	}
	s := &server{t: t, stores: o.stores(t), log: &safeBuffer{}}
	var handler http.Handler
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
	}))
	s.Config.MaxHeaderBytes = 64 << 10
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(s.log, nil), slog.LevelWarn)
	if o.tls {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	s.api = assemble(t, s.stores, s.URL, o, s.log)
	if o.change != nil {
		o.change(s.api)
	}
	handler = s.api.Handler(o.next)
	return s
}

func assemble(t *testing.T, st stores, base string, o options, log io.Writer) *httpapi.API {
	t.Helper()
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := csrf.New(csrf.Config{URL: base, Origins: o.origins, Strict: o.strict, Keys: func() [][]byte { return ring.Derive("csrf") }})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := clientip.ParseTrust(o.trusted)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(requestid.LogHandler(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	sessions := &session.Manager{
		Store: st.Sessions, InsecureHTTP: !o.tls, Log: logger,
		Passive: func(r *http.Request) bool { return r.URL.Query().Get("slide") == "false" },
	}
	return &httpapi.API{
		Sessions: sessions,
		Accounts: &account.Service{
			Store: st.Accounts, Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: st.Throttles},
		},
		Auth: auth.New(sessions, st.Accounts), CSRF: guard, Client: trust, Keys: ring, Pages: o.pages,
		Healthy: func(ctx context.Context) error { _, err := st.Keys.Sealed(ctx); return err },
		Secure:  o.tls, HSTS: o.hsts, Log: logger,
	}
}

// goodPassword passes the policy.
const goodPassword = "correct horse battery staple"

// user creates an account with goodPassword.
func (s *server) user(name string) *account.User {
	s.t.Helper()
	u, err := s.api.Accounts.Create(s.t.Context(), account.New{Username: name, Email: name + "@example.com", Password: goodPassword})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// client is a browser without scripts: it keeps cookies, says where its unsafe requests come from unless the test does,
// and follows no redirect. Every answer under /api is checked against openapi.yaml.
type client struct {
	*http.Client
	s       *server
	jar     *cookiejar.Jar
	program bool // says nothing of itself, as programs do
}

func (s *server) client() *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.Server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{Client: &c, s: s, jar: jar}
}

// signedIn returns a client that has just signed in.
func (s *server) signedIn(name string) *client {
	s.t.Helper()
	c := s.client()
	if r := c.login(name, goodPassword); r.StatusCode != http.StatusOK {
		s.t.Fatalf("sign-in of %s: %d %s", name, r.StatusCode, r.body)
	}
	return c
}

func (c *client) login(name, password string) *answer {
	c.s.t.Helper()
	return c.send("POST", "/api/auth/login", map[string]any{"username": name, "password": password})
}

// ticket returns the value of the session cookie; "" if there is none.
func (c *client) ticket() string {
	for _, cookie := range c.jar.Cookies(c.base()) {
		if cookie.Name == session.PlainCookieName || cookie.Name == session.CookieName {
			return cookie.Value
		}
	}
	return ""
}

func (c *client) base() *url.URL {
	u, err := url.Parse(c.s.URL)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return u
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body []byte
}

// code returns the stable code of a problem; "" for other answers.
func (a *answer) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

// field returns a top-level member of the body.
func (a *answer) field(name string) any {
	var m map[string]any
	_ = json.Unmarshal(a.body, &m)
	return m[name]
}

// cookie returns the cookie that the answer sets; nil if it sets none of the name.
func (a *answer) cookie(name string) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// send sends a JSON body, or none if body is nil, with header lines such as "Origin: http://x".
func (c *client) send(method, path string, body any, header ...string) *answer {
	c.s.t.Helper()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.s.t.Fatal(err)
		}
		payload = bytes.NewReader(b)
		header = append([]string{"Content-Type: application/json"}, header...)
	}
	return c.raw(method, path, payload, header...)
}

// raw sends a body as it is.
func (c *client) raw(method, path string, body io.Reader, header ...string) *answer {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.URL+path, body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	_, site := r.Header["Sec-Fetch-Site"]
	_, origin := r.Header["Origin"]
	if !c.program && !site && !origin && method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", c.s.URL)
	}
	return c.do(r)
}

func (c *client) do(r *http.Request) *answer {
	c.s.t.Helper()
	response, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	a := &answer{response, b}
	described(c.s.t, r, a)
	return a
}

// described checks an answer against openapi.yaml: its status is listed for the route, and headers and body fit.
func described(t *testing.T, r *http.Request, a *answer) {
	t.Helper()
	document := openAPIRouter()
	at := *r
	at.URL = &url.URL{Path: strings.TrimSuffix(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
	if at.Method == http.MethodHead {
		return
	}
	route, params, err := document.FindRoute(&at)
	if err != nil {
		return // not a route of the document, or not a method of it: 404 or 405, which other tests look at
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: &at, PathParams: params, Route: route},
		Status:                 a.StatusCode, Header: a.Header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: the answer is not as openapi.yaml says: %v\n%d %s", r.Method, r.URL.Path, err, a.StatusCode, a.body)
	}
}

var openAPIRouter = sync.OnceValue(func() routers.Router {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		panic(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		panic(err)
	}
	if err := document.Validate(context.Background()); err != nil {
		panic(err)
	}
	openapi3filter.RegisterBodyDecoder("application/problem+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		panic(err)
	}
	return router
})

// safeBuffer is a buffer that a server may write to while a test reads it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
