package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestExtraIsSetByAdministratorsAlone, and its private part is shown to them alone.
func TestExtraIsSetByAdministratorsAlone(t *testing.T) {
	t.Attr("threat", "EX01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.with(s.user("root"), func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
		ada := s.user("ada")
		root, c := s.signedIn("root"), s.signedIn("ada")
		if r := c.send("GET", "/api/me", nil); strings.Contains(string(r.body), "extra") {
			t.Errorf("without any: %s", r.body)
		}
		path := adminPath + "/users/" + ada.ID
		r := root.send("PATCH", path, map[string]any{"extra": map[string]any{"plan": "pro", "n": 1}, "private_extra": map[string]any{"note": "canary"}})
		if r.StatusCode != 200 || fmt.Sprint(r.field("extra")) != "map[n:1 plan:pro]" || fmt.Sprint(r.field("private_extra")) != "map[note:canary]" {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		for _, path := range []string{"/api/me", "/api/auth/me"} {
			r := c.send("GET", path, nil)
			if fmt.Sprint(r.field("extra")) != "map[n:1 plan:pro]" || strings.Contains(string(r.body), "canary") {
				t.Errorf("%s: %s", path, r.body)
			}
		}
		for field, value := range map[string]any{"extra": map[string]any{}, "private_extra": map[string]any{}} {
			if r := c.send("PATCH", "/api/auth/me", map[string]any{field: value}); r.StatusCode != 400 {
				t.Errorf("a user sets %s: %d %s", field, r.StatusCode, r.body)
			}
		}
		if r := root.send("PATCH", path, map[string]any{"last_name": "Lovelace"}); fmt.Sprint(r.field("extra")) != "map[n:1 plan:pro]" {
			t.Errorf("an absent field has changed: %s", r.body)
		}
		for _, wrong := range []any{"x", []string{}, 1, nil, map[string]any{"x": strings.Repeat("x", 4096)}} {
			if r := root.send("PATCH", path, map[string]any{"extra": wrong}); r.StatusCode != 400 {
				t.Errorf("%.30v: %d %s", wrong, r.StatusCode, r.body)
			}
		}
		if r := root.send("PATCH", path, map[string]any{"extra": map[string]any{}}); r.StatusCode != 200 || r.field("extra") != nil || r.field("private_extra") == nil {
			t.Errorf("it is removed: %d %s", r.StatusCode, r.body)
		}
		if r := root.send("POST", adminPath+"/users", map[string]any{"username": "eve", "extra": map[string]any{"plan": "free"}}); fmt.Sprint(r.field("extra")) != "map[plan:free]" {
			t.Errorf("a new user: %d %s", r.StatusCode, r.body)
		}
	})
}
