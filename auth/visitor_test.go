package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// app is a Resolver on stores in memory that a test can watch and fail.
type app struct {
	t        testing.TB
	sessions *session.Manager
	accounts *accounts
	resolver *auth.Resolver
	tokens   *token.Service // nil: none count
	log      *bytes.Buffer
}

func newApp(t testing.TB, changes ...func(*auth.Config)) *app {
	db, log := memory.New(), &bytes.Buffer{}
	a := &app{
		t: t, log: log, accounts: &accounts{Store: db.Accounts},
		sessions: &session.Manager{Store: db.Sessions, Log: slog.New(slog.NewTextHandler(log, nil))},
	}
	a.sessions.Audit = &audit.Log{Text: a.sessions.Log}
	c := auth.Config{Sessions: a.sessions, Accounts: a.accounts}
	for _, change := range changes {
		change(&c)
	}
	a.resolver, a.tokens = auth.New(c), c.Tokens
	return a
}

// accounts counts the look-ups, and fails them while err is set.
type accounts struct {
	account.Store
	mu     sync.Mutex
	err    error
	loaded int
}

func (a *accounts) Load(ctx context.Context, id string) (*account.User, error) {
	a.mu.Lock()
	a.loaded++
	err := a.err
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return a.Store.Load(ctx, id)
}

var errOutage = errors.New("the database is down")

// down is a store that never answers.
type down struct{ session.Store }

func (down) Load(context.Context, session.ID) (*session.Record, error) { return nil, errOutage }

func (a *app) user(u account.User) *account.User {
	a.t.Helper()
	u.IsActive, u.Epoch = true, "1"
	if err := a.accounts.Create(a.t.Context(), &u); err != nil {
		a.t.Fatal(err)
	}
	return &u
}

func (a *app) change(id string, change func(*account.User)) {
	a.t.Helper()
	if _, err := a.accounts.Change(a.t.Context(), id, func(u *account.User) error { change(u); return nil }); err != nil {
		a.t.Fatal(err)
	}
}

// serve sends a request with a cookie through the Resolver.
func (a *app) serve(cookie string, handler http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	a.resolver.Handler(handler).ServeHTTP(w, r)
	return w
}

// signIn returns the cookie of a new session.
func (a *app) signIn(u *account.User, in session.SignIn) string {
	a.t.Helper()
	in.User, in.Epoch = u.ID, u.Epoch
	w := a.serve("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.sessions.SignIn(w, r, in); err != nil {
			a.t.Fatal(err)
		}
	}))
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}

// identity returns the identity of a request with the cookie.
func (a *app) identity(cookie string) (i *auth.Identity, err error) {
	a.serve(cookie, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { i, err = auth.FromContext(r.Context()) }))
	return i, err
}

// outcome returns how a request to a guarded page ends: "in", or the code of the refusal.
func (a *app) outcome(cookie string, guard func(http.Handler) http.Handler) string {
	a.t.Helper()
	w := a.serve(cookie, guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })))
	if w.Code == http.StatusTeapot {
		return "in"
	}
	var problem struct {
		Code   string
		Status int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || problem.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%d %v %s: %v", w.Code, w.Header(), w.Body, err)
	}
	if len(w.Result().Cookies()) > 0 {
		a.t.Errorf("a refusal sets %v", w.Result().Cookies())
	}
	return problem.Code
}
