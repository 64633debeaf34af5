package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/session"
)

// slowTokens has no token ready. While one is waited for, something happens.
type slowTokens struct{ during func() }

func (*slowTokens) Ready(*session.Session, string) []string { return nil }

func (s *slowTokens) Header(context.Context, *session.Session, string) ([]string, error) {
	s.during()
	return []string{"Bearer token"}, nil
}

// TestAnAssertionIsMadeAfterTheLastCheck: what has changed about the user while the token of a provider was waited for is in the assertion as
// well as in the headers.
func TestAnAssertionIsMadeAfterTheLastCheck(t *testing.T) {
	t.Attr("threat", "O12")
	tokens := &slowTokens{during: func() {}}
	got := http.Header{}
	m := newMember(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }, func(c *gateway.Config) {
		c.Signer, c.Tokens, c.UpstreamTokens = &signer{}, tokens, []string{"/=example"}
	})
	move := func(address string) {
		if _, err := m.accounts.Change(t.Context(), m.user.ID, func(u *account.User) error { u.Email = address; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	move("former@example.com")
	get := func() {
		r, err := http.NewRequestWithContext(t.Context(), "GET", m.server.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", m.cookie)
		answer, err := m.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != 200 || got.Get("Authorization") != "Bearer token" {
			t.Fatalf("got %d; the upstream got %v", answer.StatusCode, got)
		}
	}
	if get(); got.Get("Remote-Email") != "former@example.com" || !strings.Contains(got.Get("Cloakroom-Assertion"), "former@example.com") {
		t.Fatalf("the upstream got %v", got)
	}
	tokens.during = func() { move("ada@example.com") }
	if get(); got.Get("Remote-Email") != "ada@example.com" || !strings.Contains(got.Get("Cloakroom-Assertion"), `"ada@example.com"`) {
		t.Errorf("after the change the upstream got %v", got)
	}
}
