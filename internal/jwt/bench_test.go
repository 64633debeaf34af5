package jwt_test

import (
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/session"
)

// BenchmarkCheck measures what it costs to authenticate a request, with stores in memory, by a session and by an access
// token. "Signature alone" is the lower bound for any JWT.
func BenchmarkCheck(b *testing.B) {
	b.Run("session", func(b *testing.B) {
		w := newWorld(b)
		recorder := httptest.NewRecorder()
		if _, err := w.sessions.SignIn(recorder, newRequest(), session.SignIn{User: "1", Epoch: "first"}); err != nil {
			b.Fatal(err)
		}
		cookie := recorder.Result().Cookies()[0]
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(cookie)
		handler := w.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s == nil || err != nil {
				b.Fatal(err)
			}
		}))
		b.ReportAllocs()
		for b.Loop() {
			handler.ServeHTTP(nil, r)
		}
	})
	for _, algorithm := range []string{jwt.EdDSA, jwt.ES256} {
		b.Run(algorithm, func(b *testing.B) {
			w := newWorld(b)
			w.Keys.Algorithm = algorithm
			text := w.signIn().Access
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Authenticate(b.Context(), text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("EdDSA signature alone", func(b *testing.B) {
		w := newWorld(b)
		text := w.signIn().Access
		signed := []byte(text[:strings.LastIndex(text, ".")])
		key := w.signers()[0].key.(ed25519.PrivateKey)
		signature, public := ed25519.Sign(key, signed), key.Public().(ed25519.PublicKey)
		b.ReportAllocs()
		for b.Loop() {
			if !ed25519.Verify(public, signed, signature) {
				b.Fatal("wrong")
			}
		}
	})
	b.Run("a megabyte of dots", func(b *testing.B) {
		w := newWorld(b)
		w.signIn()
		text := strings.Repeat(".", 1<<20)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Authenticate(b.Context(), text); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
