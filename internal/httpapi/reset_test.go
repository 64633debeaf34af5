package httpapi_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// resetSecret creates a reset secret, like an administrator.
func (s *server) resetSecret(u *account.User) string {
	s.t.Helper()
	secret, _, err := s.api.Accounts.ResetSecret(s.t.Context(), u.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	s.secret.add(secret)
	return secret
}

// linkSecret returns the secret of the link in an answer.
func (s *server) linkSecret(r *answer) string {
	s.t.Helper()
	link, _ := r.field("link").(string)
	secret, ok := strings.CutPrefix(link, s.public+"/auth/reset#")
	if !ok || r.StatusCode != 200 {
		s.t.Fatalf("no link: %d %s", r.StatusCode, r.body)
	}
	s.secret.add(secret)
	return secret
}

func resetting(secret, next string) map[string]string {
	return map[string]string{"secret": secret, "new_password": next}
}

// TestAPasswordResetEndsAllSessionsAndStartsNone, not even for the browser that sent it.
func TestAPasswordResetEndsAllSessionsAndStartsNone(t *testing.T) {
	t.Attr("threat", "R04")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		s.user("bob")
		own, bob := s.as(u), s.signedIn("bob")
		stream := own.listens()
		ticket := own.ticket()
		secret := s.resetSecret(u)
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, "short")); !isProblem(r, 400, "invalid") {
			t.Errorf("a short password: got %d %s", r.StatusCode, r.body)
		}
		for _, bad := range []map[string]string{{}, {"secret": secret}, {"new_password": newPassword}} {
			if r := s.client().send("POST", "/api/auth/password/reset", bad); !isProblem(r, 400, "invalid") {
				t.Errorf("%v: got %d %s", bad, r.StatusCode, r.body)
			}
		}
		r := own.send("POST", "/api/auth/password/reset", resetting(secret, newPassword))
		if r.StatusCode != 200 || strings.TrimSpace(string(r.body)) != "{}" || len(r.Cookies()) != 1 || r.cookie("cloakroom_device") == nil {
			t.Fatalf("got %d %s, cookies %v", r.StatusCode, r.body, r.Cookies())
		}
		s.dead(t, "the session that sent it", ticket)
		stream.ends("its page", "password_changed")
		if r := bob.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("another user: got %d", r.StatusCode)
		}
		if n := len(s.records(u.ID)); n != 0 {
			t.Errorf("%d sessions of the user are left", n)
		}
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, goodPassword)); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("a second reset: got %d %s", r.StatusCode, r.body)
		}
		if r := s.client().login("ada", newPassword); r.StatusCode != 200 {
			t.Errorf("the new password: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestResetsAreLogged: a successful one has the user. The harness checks that no line has the secret.
func TestResetsAreLogged(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	secret := s.resetSecret(u)
	for _, row := range []struct{ secret, password, event, reason, user string }{
		{"a guess", newPassword, "authn_password_change_fail", "reset link not valid", ""},
		{secret, "short", "authn_password_change_fail", "new password refused", ""},
		{secret, newPassword, "authn_password_change", "", u.ID},
	} {
		r := s.client().send("POST", "/api/auth/password/reset", resetting(row.secret, row.password))
		lines := s.lines(r)
		if len(lines) != 1 || lines[0].Event != row.event || lines[0].Reason != row.reason || lines[0].User != row.user {
			t.Errorf("%d: %+v", r.StatusCode, lines)
		}
	}
}
