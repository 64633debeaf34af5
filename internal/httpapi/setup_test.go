package httpapi_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

func (s *server) setupSecret() string {
	s.t.Helper()
	secret, err := s.api.Accounts.SetupSecret(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.secret.add(secret)
	return secret
}

func first(secret string) map[string]string {
	return map[string]string{"secret": secret, "username": "root", "email": "root@example.com", "password": newPassword}
}

// TestTheSetUpLinkCreatesTheFirstUserOnce: before, there is no user and no other way in. The link is invalid after its use, and of
// concurrent uses one succeeds.
func TestTheSetUpLinkCreatesTheFirstUserOnce(t *testing.T) {
	t.Attr("threat", "G09")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.api.Accounts.Hasher.Wait = time.Minute
		if r := s.client().send("GET", "/api/auth/setup", nil); r.field("needed") != true || r.field("password_min_length") != 15.0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for _, name := range []string{"admin", "root", "cloakroom", ""} {
			if r := s.client().login(name, name); r.StatusCode != 401 {
				t.Errorf("%q: got %d", name, r.StatusCode)
			}
		}
		void, secret := s.setupSecret(), s.setupSecret()
		for name, wrong := range map[string]string{
			"empty": "", "void": void, "cut": secret[:25], "longer": secret + "A", "in small letters": strings.ToLower(secret), "made up": strings.Repeat("A", 26),
		} {
			if r := s.client().send("POST", "/api/auth/setup", first(wrong)); !isProblem(r, 403, "setup_link_invalid") || len(r.Cookies()) > 0 {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
		weak := first(secret)
		weak["password"], weak["username"] = "short", "not a name"
		if r := s.client().send("POST", "/api/auth/setup", weak); !isProblem(r, 400, "invalid") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				who, c := first(secret), s.client()
				who["username"] += string(rune('a' + n))
				switch r := c.send("POST", "/api/auth/setup", who); {
				case r.StatusCode == 200 && r.field("is_superuser") == true && isSignedIn(c.send("GET", "/api/me", nil)):
					won.Add(1)
				case !isProblem(r, 403, "setup_link_invalid") || len(r.Cookies()) > 0:
					t.Errorf("got %d %s", r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		users, err := s.stores.Accounts.List(t.Context(), account.Query{})
		if err != nil || len(users) != 1 || won.Load() != 1 || len(s.records("")) != 1 {
			t.Errorf("%d uses succeeded, and there are %d users and %d sessions, want 1 of each (%v)", won.Load(), len(users), len(s.records("")), err)
		}
		for _, again := range []string{secret, s.setupSecret()} {
			if r := s.client().send("POST", "/api/auth/setup", first(again)); !isProblem(r, 403, "setup_link_invalid") {
				t.Errorf("a second use: got %d %s", r.StatusCode, r.body)
			}
		}
		if r := s.client().send("GET", "/api/auth/setup", nil); r.field("needed") != false {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if !s.logged(`"msg":"user_created"`, `"login":"root`, `"superuser":true`) || !s.logged(`"msg":"authz_fail"`, "/api/auth/setup") {
			t.Error("the set-up was not logged")
		}
	})
}
