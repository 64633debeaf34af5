// Package cloakroomtest helps to test programs that use Cloakroom: it has a whole server in memory, and clients that are signed
// in. No password is hashed unless a test sets one.
package cloakroomtest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Server is a server that listens on a free port of this machine until the test ends. It is safe for concurrent use.
type Server struct {
	*cloakroom.Server
	URL string // such as http://localhost:40123

	t       testing.TB
	address string
	handler atomic.Pointer[http.Handler]
}

// New starts a server with this Config. It sets the fields that say where things are: Stores to memory, and Data, URL and KeyFile.
// Without a Log, log lines go to the test's output. A Config that doesn't work ends the test.
func New(t testing.TB, c cloakroom.Config) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, address: listener.Addr().String()}
	_, port, _ := net.SplitHostPort(s.address)
	s.URL = "http://localhost:" + port
	stores := memory.New().Set
	c.Stores, c.Data, c.URL, c.KeyFile, c.DB, c.Pool, c.Schema, c.SQLite, c.Sessions, c.Feed, c.PeerListen, c.Ping = &stores, t.TempDir(), s.URL, "", "", nil, "", nil, "", "", "", nil
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if s.Server, err = cloakroom.New(context.Background(), c); err != nil {
		_ = listener.Close()
		t.Fatal(err)
	}
	s.serve(listener)
	return s
}

// serve answers on the listener, and does the background work, until the test ends.
func (s *Server) serve(listener net.Listener) {
	s.Handle(nil)
	web := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) })}}
	web.Start()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- s.Run(ctx) }()
	s.t.Cleanup(func() {
		s.Drain()
		web.Close()
		stop()
		if err := <-stopped; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
		if err := s.Close(); err != nil {
			s.t.Error(err)
		}
	})
}

// Handle sets the program's own handler, which gets every request that isn't for a route of Cloakroom. A call replaces what an
// earlier one has set; until the first, such requests are answered 404.
func (s *Server) Handle(next http.Handler) {
	h := s.Handler(next)
	s.handler.Store(&h)
}

// User returns the user with this name, who has at least these permissions, such as "shop.view_order". It creates the user, without
// a password, if there is none.
func (s *Server) User(name string, permissions ...string) *account.User {
	s.t.Helper()
	ctx := context.Background()
	u, err := s.Accounts.Store.Find(ctx, account.CanonicalLogin(name))
	if errors.Is(err, account.ErrNotFound) {
		u, err = s.Accounts.Create(ctx, account.NewUser{Username: name, NoPassword: true, Permissions: permissions})
	}
	if err == nil {
		u, err = s.grant(ctx, u, permissions)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *Server) grant(ctx context.Context, u *account.User, permissions []string) (*account.User, error) {
	missing := slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return slices.Contains(u.UserPermissions, p) })
	if len(missing) == 0 {
		return u, nil
	}
	return s.Accounts.Edit(ctx, u.ID, func(u *account.User) error {
		u.UserPermissions = append(u.UserPermissions, missing...)
		return nil
	})
}

// Client returns a client that is signed in as the user with this name, who is made if there is none, and has at least these
// permissions. The user has shown a password just now. Requests below [Server.URL] carry the session, and what a page of the
// server sends with an unsafe method: Origin and X-CSRFToken.
func (s *Server) Client(name string, permissions ...string) *http.Client {
	s.t.Helper()
	return s.SignIn(session.SignIn{User: s.User(name, permissions...).ID, Method: "password", Fresh: true, Methods: []string{"pwd"}})
}

// SignIn returns a client with the session that in describes, such as one whose user has shown a second factor, or no factor for a
// while. The epoch is set to the user's.
func (s *Server) SignIn(in session.SignIn) *http.Client {
	s.t.Helper()
	u, err := s.Accounts.Store.Load(context.Background(), in.User)
	if err != nil {
		s.t.Fatal(err)
	}
	in.Epoch = u.Epoch
	r := httptest.NewRequest(http.MethodPost, s.URL+"/", nil)
	w := httptest.NewRecorder()
	if _, err := s.Sessions.SignIn(w, r, in); err != nil {
		s.t.Fatal(err)
	}
	c := s.Visitor()
	c.Jar.SetCookies(r.URL, w.Result().Cookies())
	answer, err := c.Get(s.URL + "/api/auth/csrf") // as a page does when it starts
	if err != nil {
		s.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return c
}

// Visitor returns a client that isn't signed in. It keeps cookies, so it can sign in.
func (s *Server) Visitor() *http.Client {
	jar, _ := cookiejar.New(nil) // never fails
	return &http.Client{Jar: jar, Transport: &transport{server: s, jar: jar, base: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.address)
		},
	}}}
}

// transport adds to requests for the server what a page of the server sends.
type transport struct {
	server *Server
	jar    http.CookieJar
	base   *http.Transport
}

func (p *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if r.Header.Get("Origin") == "" {
			r.Header.Set("Origin", p.server.URL)
		}
		for _, c := range p.jar.Cookies(r.URL) {
			if c.Name == csrf.CookieName && r.Header.Get("X-CSRFToken") == "" {
				r.Header.Set("X-CSRFToken", c.Value)
			}
		}
	}
	return p.base.RoundTrip(r)
}
