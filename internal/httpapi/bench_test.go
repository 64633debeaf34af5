package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/token"
)

// discard is a response writer that discards the body.
type discard struct {
	header http.Header
	status int
}

func (n *discard) Header() http.Header         { return n.header }
func (n *discard) WriteHeader(status int)      { n.status = status }
func (n *discard) Write(b []byte) (int, error) { return len(b), nil }

func serveMany(b *testing.B, handler http.Handler, r *http.Request, status int) {
	b.Helper()
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
	if w.status != status {
		b.Errorf("%d", w.status)
	}
}

// benched returns an API without the network, and the cookie of a user.
func benched(b *testing.B, st stores) (*httpapi.API, *http.Cookie) {
	b.Helper()
	var log safeBuffer
	whole, api := build(b, st, "http://localhost:8000", options{}, &log)
	run(b, whole)
	u := &account.User{Username: "ada", Password: "!", IsActive: true, Epoch: "first", DateJoined: time.Now().Unix()}
	if err := st.Accounts.Create(b.Context(), u); err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	in := session.SignIn{User: u.ID, Epoch: u.Epoch, Method: "password", Fresh: true}
	if _, err := api.Sessions.SignIn(w, httptest.NewRequest("POST", "/", nil), in); err != nil {
		b.Fatal(err)
	}
	return api, w.Result().Cookies()[0]
}

// fencedStores are those of an SQLite file behind the cache, which answers from memory.
func fencedStores(tb testing.TB) stores {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "test.db"))
	if err != nil {
		tb.Fatal(err)
	}
	commits, err := db.Commits(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	cache, set := nearcache.New(nearcache.Config{Commits: commits}), db.Set
	set.Sessions, set.Accounts, set.Tokens = cache.Sessions(set.Sessions), cache.Accounts(set.Accounts), cache.Tokens(set.Tokens)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- cache.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		<-done
		db.Close()
	})
	return set
}

func asked(method, path string, cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest(method, "http://localhost:8000"+path, nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return r
}

func BenchmarkMe(b *testing.B) {
	for name, open := range map[string]func(testing.TB) stores{"memory": memoryStores, "sqlite": sqliteStores, "fenced": fencedStores} {
		b.Run(name, func(b *testing.B) {
			api, cookie := benched(b, open(b))
			serveMany(b, api.Handler(nil), asked("GET", "/api/me", cookie), 200)
		})
	}
	b.Run("visitor", func(b *testing.B) {
		api, _ := benched(b, memoryStores(b))
		serveMany(b, api.Handler(nil), asked("GET", "/api/me", nil), 401)
	})
	b.Run("app", func(b *testing.B) { // what the middleware adds to a route of the app
		api, _ := benched(b, memoryStores(b))
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })
		serveMany(b, api.Handler(next), asked("GET", "/api/orders", nil), 200)
	})
}

func BenchmarkCSRFCheck(b *testing.B) {
	api, cookie := benched(b, memoryStores(b))
	r := asked("POST", "/api/auth/logout", cookie)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "http://localhost:8000")
	for name, token := range map[string]string{"fetch metadata": "", "csrftoken": api.CSRF.Issue(httptest.NewRecorder(), r, "a session")} {
		b.Run(name, func(b *testing.B) {
			r.Header.Set("X-CSRFToken", token)
			b.ReportAllocs()
			for b.Loop() {
				caller := csrf.Caller{Ticket: true, Binding: func() (string, error) { return "a session", nil }}
				if err := api.CSRF.Check(r, caller); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScheme measures GET /api/me with each kind of credential, through the whole middleware, with stores in memory. The
// session comes first, as the reference for the others.
func BenchmarkScheme(b *testing.B) {
	api, cookie := benched(b, memoryStores(b))
	api.Sessions.AppTokens = true
	u, err := api.Accounts.Store.Find(b.Context(), "ada")
	if err != nil {
		b.Fatal(err)
	}
	opaque := func(kind token.Kind) string {
		text, _, err := api.Tokens.Create(b.Context(), token.Params{User: u.ID, Epoch: u.Epoch, Kind: kind, Name: "x"})
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
	pair, err := api.JWT.Create(b.Context(), jwt.SignIn{User: u.ID, Epoch: u.Epoch})
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	if _, err := api.Sessions.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: u.Epoch, App: true}); err != nil {
		b.Fatal(err)
	}
	handler := api.Handler(nil)
	for _, scheme := range []struct{ name, header, value string }{
		{"session", "Cookie", cookie.Name + "=" + cookie.Value},
		{"app", "X-Session-Token", w.Header().Get("X-Session-Token")},
		{"drf", "Authorization", "Token " + opaque(token.DRF)},
		{"knox", "Authorization", "Token " + opaque(token.Knox)},
		{"personal", "Authorization", "Bearer " + opaque(token.Personal)},
		{"jwt", "Authorization", "Bearer " + pair.Access},
	} {
		b.Run(scheme.name, func(b *testing.B) {
			r := asked("GET", "/api/me", nil)
			r.Header.Set(scheme.header, scheme.value)
			serveMany(b, handler, r, 200)
		})
	}
}
