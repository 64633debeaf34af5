package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// TestASignInDeletesTheCookieFromBeforeTheDomain: beside the new cookie it would be a second one of the same name, and
// neither would count.
func TestASignInDeletesTheCookieFromBeforeTheDomain(t *testing.T) {
	m := newManager()
	m.CookieName, m.CookieDomain = "sessionid", "example.com"
	for sent, want := range map[string][]string{
		"":                                     {"set example.com"},
		"sessionid=old":                        {"deleted ", "set example.com"},
		"sessionid=old; sessionid=old-as-well": {"deleted ", "set example.com"},
		"other=x":                              {"set example.com"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "https://app.example.com/", nil)
		r.Header.Set("Cookie", sent)
		w := httptest.NewRecorder()
		if _, err := m.SignIn(w, r, session.SignIn{User: "1"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range w.Result().Cookies() {
			did := "set "
			if c.MaxAge < 0 {
				did = "deleted "
			}
			if c.Name == "sessionid" && c.Path == "/" && c.Secure && c.HttpOnly {
				got = append(got, did+c.Domain)
			}
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("with %q: %q, want %q", sent, got, want)
		}
	}
}

// TestTwoSessionCookiesAreReported holds that two session cookies are distinguished from none.
func TestTwoSessionCookiesAreReported(t *testing.T) {
	m := newManager()
	for sent, want := range map[string]bool{"": false, "N=a": false, "N=a; N=b": true, "N=a; N=a": true, "N=; N=": true, "N=a; n=b": false} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Cookie", strings.ReplaceAll(sent, "N", session.CookieName))
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := session.RequestFrom(r.Context()).TwoCookies(); got != want {
				t.Errorf("%q: %v", sent, got)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}
