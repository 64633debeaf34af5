package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

// discard is a response writer that discards the body.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkMe measures GET /api/me with a session, through the whole server on SQLite: with the session and the user in the
// near cache, which is the default, and with Revocation "strict", which reads both from the database.
func BenchmarkMe(b *testing.B) {
	for name, revocation := range map[string]string{"near cache": "fenced", "database": "strict"} {
		b.Run(name, func(b *testing.B) {
			handler, cookies := setUp(b, cloakroom.Config{Data: b.TempDir(), Revocation: revocation})
			r := httptest.NewRequest("GET", "http://localhost:8000/api/me", nil)
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
			if w.status != http.StatusOK {
				b.Errorf("got %d, want 200", w.status)
			}
		})
	}
}

// setUp returns the handler of a new server, and the cookies of its first user.
func setUp(tb testing.TB, c cloakroom.Config) (http.Handler, []*http.Cookie) {
	tb.Helper()
	s, err := cloakroom.New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	secret, err := s.Accounts.SetupSecret(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	handler := s.Handler(nil)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "http://localhost:8000/api/auth/setup",
		strings.NewReader(`{"secret":"`+secret+`","username":"ada","password":"a long enough passphrase"}`))
	r.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		tb.Fatalf("set-up: got %d %s", w.Code, w.Body)
	}
	return handler, w.Result().Cookies()
}
