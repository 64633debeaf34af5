package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/device/devicetest"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestMeFromTheNearCacheAllocatesLittle: GET /api/me with a session is the most frequent request, and answered from memory.
func TestMeFromTheNearCacheAllocatesLittle(t *testing.T) {
	handler, cookies := setUp(t, cloakroom.Config{Data: t.TempDir()})
	r := httptest.NewRequest("GET", "http://localhost:8000/api/me", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := &discard{header: http.Header{}}
	n := testing.AllocsPerRun(100, func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	})
	if w.status != http.StatusOK || n > 8 {
		t.Errorf("got %d with %v allocations, want 200 with at most 8", w.status, n)
	}
}

// TestMeWithABoundSessionAsksNoStore, and allocates at most once more than with another session.
func TestMeWithABoundSessionAsksNoStore(t *testing.T) {
	s, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), URL: "https://app.example.com", BindDevices: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	stored := 0
	s.Sessions.OnCheck = func(result string, asked bool) {
		if asked || result != "live" {
			stored++
		}
	}
	handler := s.Handler(nil)
	ask := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://app.example.com"+path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: got %d %s", method, path, w.Code, w.Body)
		}
		return w
	}
	pair := func(w *httptest.ResponseRecorder, name string) string {
		for _, c := range w.Result().Cookies() {
			if c.Name == name {
				return name + "=" + c.Value
			}
		}
		t.Fatalf("the answer sets no cookie %s", name)
		return ""
	}
	secret, err := s.Accounts.SetupSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := ask("POST", "/api/auth/setup", `{"secret":"`+secret+`","username":"ada","password":"a long enough passphrase"}`)
	ticket := "Cookie: " + pair(w, session.CookieName)
	allocations := func(cookies string) float64 {
		r := httptest.NewRequest("GET", "https://app.example.com/api/me", nil)
		r.Header.Set("Cookie", strings.TrimPrefix(cookies, "Cookie: "))
		w := &discard{header: http.Header{}}
		handler.ServeHTTP(w, r)
		stored = 0
		n := testing.AllocsPerRun(100, func() {
			clear(w.header)
			handler.ServeHTTP(w, r)
		})
		if w.status != http.StatusOK || stored > 0 {
			t.Errorf("got %d, and %d checks asked a store", w.status, stored)
		}
		return n
	}
	before := allocations(ticket)
	offer := regexp.MustCompile(`challenge="([^"]+)"`).FindStringSubmatch(w.Header().Get("Secure-Session-Registration"))
	w = ask("POST", device.RegisterPath, "", ticket, "Sec-Fetch-Site: same-origin", "Secure-Session-Response: "+devicetest.New().Registration(offer[1]).String())
	both := ticket + "; " + pair(w, device.CookieName)
	ask("GET", "/api/me", "", both)
	if got := ask("GET", "/api/auth/sessions", "", both).Body.String(); !strings.Contains(got, `"bound":true`) {
		t.Fatalf("the session isn't bound: %s", got)
	}
	if after := allocations(both); after > before+1 {
		t.Errorf("%v allocations with a bound session, %v with the same one before", after, before)
	}
}
