package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkCheck is what one request costs: the note of the ticket, and the look at the session.
func BenchmarkCheck(b *testing.B) {
	m := &session.Manager{Store: memory.New().Sessions()}
	w := httptest.NewRecorder()
	if _, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: "1"}); err != nil {
		b.Fatal(err)
	}
	for name, cookie := range map[string]string{
		"live": w.Result().Cookies()[0].String(), "anonymous": "theme=dark", "unknown": session.CookieName + "=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		b.Run(name, func(b *testing.B) {
			h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s, err := session.FromContext(r.Context()); err != nil || (s != nil) != (name == "live") {
					b.Fatal(s, err)
				}
			}))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookie)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{}, r)
			}
		})
	}
}
