package httpapi_test

import "testing"

func TestSignInAndSignOut(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.user("ada")
		c := s.signedIn("ada")
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 || r.field("username") != "ada" {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		for _, p := range []string{"/api/auth/sessions", "/api/auth/csrf", "/healthz", "/readyz", "/api/auth/openapi.yaml", "/api/auth/setup"} {
			if r := c.send("GET", p, nil); r.StatusCode != 200 {
				t.Errorf("%s %d %s", p, r.StatusCode, r.body)
			}
		}
		if r := c.login("ada", "wrong"); r.StatusCode != 401 || r.code() != "invalid_credentials" {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if r := c.send("POST", "/api/auth/logout", nil); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	})
}
