package httpapi_test

import (
	"strings"
	"testing"
)

func TestUsersChangeTheirOwnNames(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.user("ada")
		c := s.signedIn("ada")
		r := c.send("PATCH", "/api/auth/me", map[string]any{"first_name": " Ada ", "last_name": "Löwe"})
		if r.StatusCode != 200 || r.field("last_name") != "Löwe" || r.field("username") != "ada" {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		c.send("PATCH", "/api/auth/me", map[string]any{"first_name": "Ada"})
		if r := s.signedIn("ada").send("GET", "/api/me", nil); r.field("first_name") != "Ada" || r.field("last_name") != "Löwe" {
			t.Errorf("an absent field has changed: %s", r.body)
		}
		if !s.logged(`"msg":"user_updated"`) {
			t.Error("the change was not logged")
		}
		for field, value := range map[string]any{
			"username": "eve", "email": "eve@example.com", "is_staff": true, "is_superuser": true, "groups": []string{"g"}, "password": goodPassword,
		} {
			if r := c.send("PATCH", "/api/auth/me", map[string]any{field: value}); r.StatusCode != 400 {
				t.Errorf("%s: got %d %s", field, r.StatusCode, r.body)
			}
		}
		if r := c.send("PATCH", "/api/auth/me", map[string]any{"first_name": strings.Repeat("x", 151)}); !isProblem(r, 400, "invalid") {
			t.Errorf("a long name: got %d %s", r.StatusCode, r.body)
		}
	})
}
