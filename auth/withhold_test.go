package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

func TestWhatCouldBeACredentialIsWithheldWhileTheStoreIsDown(t *testing.T) {
	a := newApp(t, func(c *auth.Config) { c.Tokens = &token.Service{Store: downTokens{}} })
	for line, kept := range map[string]bool{
		"Bearer " + strings.Repeat("ab", 32): false, "Token " + strings.Repeat("1", 40): false, "cloak_x": false,
		"Bearer opaque": true, "Basic YTpi": true, "Digest username=a": true, "": true,
	} {
		if rest := a.resolver.StripCredentials(t.Context(), []string{line}); (len(rest) == 1) != kept {
			t.Errorf("%q: kept %q", line, rest)
		}
	}
}

func TestBasicIsWithheldWhereItCounts(t *testing.T) {
	a := newApp(t)
	lines := []string{"basic YTpi", "Bearer x"}
	if rest := a.resolver.StripCredentials(t.Context(), lines); len(rest) != 2 {
		t.Errorf("kept %q", rest)
	}
	a = newApp(t, func(c *auth.Config) {
		c.Basic = func(*http.Request, string, string) (*account.User, error) { return nil, auth.ErrNotAuthenticated }
	})
	if rest := a.resolver.StripCredentials(t.Context(), lines); len(rest) != 1 || rest[0] != "Bearer x" {
		t.Errorf("kept %q", rest)
	}
}

func TestATicketIsWithheldWhileItsSessionIsThere(t *testing.T) {
	a := newApp(t)
	cookie := a.signIn(a.user(account.User{Username: "ann"}), session.SignIn{})
	_, ticket, _ := strings.Cut(cookie, "=")
	if rest := a.resolver.StripCredentials(t.Context(), []string{"Bearer " + ticket, "Bearer " + strings.Repeat("A", len(ticket))}); len(rest) != 1 || strings.Contains(rest[0], ticket) {
		t.Errorf("kept %q", rest)
	}
}

func TestASignInAloneIsNotAskedOfALimitedToken(t *testing.T) {
	a := newApp(t, withTokens)
	ann := a.user(account.User{Username: "ann", IsSuperuser: true})
	for scopes, want := range map[string]int{"": http.StatusNoContent, "app.read": http.StatusForbidden} {
		text, _, err := a.resolver.NewPersonalToken(t.Context(), ann, auth.PersonalTokenOptions{Name: "script", Scopes: strings.Fields(scopes)})
		if err != nil {
			t.Fatal(err)
		}
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+text)
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		a.resolver.Handler(auth.Require(next)).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("scopes %q: %d, want %d", scopes, w.Code, want)
		}
	}
}
