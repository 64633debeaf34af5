package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

const adminPath = "/api/auth/admin"

// adminRoutes are the routes for administrators, with the permission that each requires.
var adminRoutes = map[string]string{
	"GET /users/{id}/factors":            "auth.change_user",
	"DELETE /users/{id}/factors":         "auth.change_user",
	"GET /users":                         "auth.view_user",
	"POST /users":                        "auth.add_user",
	"GET /users/{id}":                    "auth.view_user",
	"PATCH /users/{id}":                  "auth.change_user",
	"DELETE /users/{id}":                 "auth.delete_user",
	"POST /users/{id}/password":          "auth.change_user",
	"POST /users/{id}/reset":             "auth.change_user",
	"POST /users/{id}/compromised":       "auth.change_user",
	"POST /users/{id}/disable":           "auth.change_user",
	"POST /users/disable":                "auth.change_user",
	"POST /users/{id}/enable":            "auth.change_user",
	"POST /users/{id}/end":               "auth.change_user",
	"GET /users/{id}/sessions":           "sessions.view_session",
	"DELETE /users/{id}/sessions":        "sessions.delete_session",
	"GET /sessions":                      "sessions.view_session",
	"DELETE /sessions/{id}":              "sessions.delete_session",
	"GET /groups":                        "auth.view_group",
	"POST /groups":                       "auth.add_group",
	"GET /groups/{name}":                 "auth.view_group",
	"PATCH /groups/{name}":               "auth.change_group",
	"DELETE /groups/{name}":              "auth.delete_group",
	"PUT /groups/{name}/members/{id}":    "auth.change_user",
	"DELETE /groups/{name}/members/{id}": "auth.change_user",
	"GET /audit":                         "admin.view_logentry",
	"GET /audit/export":                  "admin.view_logentry",
	"GET /permissions":                   "auth.view_group",
	"GET /users/{id}/tokens":             "authtoken.view_token",
	"DELETE /users/{id}/tokens":          "authtoken.delete_token",
	"DELETE /tokens/{id}":                "authtoken.delete_token",
	"GET /invitations":                   "auth.view_user", "POST /invitations": "auth.add_user", "POST /invitations/{id}/send": "auth.add_user",
	"DELETE /invitations/{id}": "auth.add_user",
}

// administrator creates a staff user with these permissions.
func (s *server) administrator(name string, permissions ...string) *account.User {
	s.t.Helper()
	return s.with(s.user(name), func(u *account.User) { u.IsStaff, u.UserPermissions = true, permissions })
}

// superuser creates a superuser.
func (s *server) superuser(name string) *account.User {
	s.t.Helper()
	return s.with(s.user(name), func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
}

// with changes a user in the store.
func (s *server) with(u *account.User, change func(*account.User)) *account.User {
	s.t.Helper()
	u, err := s.stores.Accounts.Change(s.t.Context(), u.ID, func(u *account.User) error { change(u); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *server) group(name string, permissions ...string) {
	s.t.Helper()
	if err := s.stores.Accounts.SetGroup(s.t.Context(), account.Group{Name: name, Permissions: permissions}); err != nil {
		s.t.Fatal(err)
	}
}

// everything returns all permissions that the routes require.
func everything() (all []string) {
	for _, p := range adminRoutes {
		all = append(all, p)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// allBut returns all permissions except one.
func allBut(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == one })
}

// TestANewSuperuserMayUseTheAdministration: is_superuser implies is_staff, which a superuser can't lose alone.
func TestANewSuperuserMayUseTheAdministration(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		root := s.as(s.superuser("root"))
		made := root.send("POST", adminPath+"/users", map[string]any{"username": "made", "is_superuser": true, "password": newPassword})
		ada := s.user("ada")
		path := adminPath + "/users/" + ada.ID
		raised := root.send("PATCH", path, map[string]bool{"is_superuser": true})
		for _, r := range []*answer{made, raised} {
			if ok(t, r); r.field("is_superuser") != true || r.field("is_staff") != true {
				t.Errorf("got %s", r.body)
			}
			u := s.load(fmt.Sprint(r.field("id")))
			ok(t, s.as(u).send("GET", adminPath+"/users", nil))
		}
		if r := root.send("PATCH", path, map[string]bool{"is_staff": false}); r.StatusCode != 400 || !strings.Contains(string(r.body), `"is_staff"`) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if r := root.send("PATCH", path, map[string]bool{"is_staff": false, "is_superuser": false}); r.field("is_staff") != false {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAdministrationRequiresStaffThePermissionAndAFreshSignIn: each route refuses all other callers, with the same reason for
// any path and body.
func TestAdministrationRequiresStaffThePermissionAndAFreshSignIn(t *testing.T) {
	s := start(t, options{mail: byInvitation()})
	root := s.superuser("root")
	stale := s.as(root)
	s.change(root.ID, func(r *session.Record) { r.ReauthenticatedAt -= 3600 })
	text, _, err := s.api.Auth.NewPersonalToken(t.Context(), root, auth.PersonalTokenOptions{Name: "script", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	clients := map[string]*client{}
	user := func(name string, change func(*account.User)) *client {
		if clients[name] == nil {
			clients[name] = s.as(s.with(s.user(name), change))
		}
		return clients[name]
	}
	found := 0
	for _, r := range httpapi.Routes() {
		path, ok := strings.CutPrefix(r.Path, adminPath)
		if !ok {
			continue
		}
		found++
		permission, listed := adminRoutes[r.Method+" "+path]
		if !listed {
			t.Errorf("%s %s is not in the table", r.Method, r.Path)
		}
		name := strings.ReplaceAll(permission, ".", "-")
		late := "fresh_sign_in_required"
		if strings.HasSuffix(path, "/factors") {
			late = "full_sign_in_required"
		}
		for _, row := range []struct {
			who    string
			c      *client
			header []string
			status int
			code   string
		}{
			{"a visitor", s.client(), nil, 401, "not_authenticated"},
			{"a user", user("user", func(*account.User) {}), nil, 403, "permission_denied"},
			{"a user with the permission", user("may-"+name, func(u *account.User) { u.UserPermissions = []string{permission} }), nil, 403, "permission_denied"},
			{"a superuser who isn't staff", user("super", func(u *account.User) { u.IsSuperuser = true }), nil, 403, "permission_denied"},
			{"staff with all other permissions", user("others-"+name, func(u *account.User) {
				u.IsStaff, u.UserPermissions = true, allBut(everything(), permission)
			}), nil, 403, "permission_denied"},
			{"a superuser some time after sign-in", stale, nil, 403, late},
			{"a superuser's token", s.program(), []string{"Authorization: Bearer " + text}, 403, "session_required"},
		} {
			for _, body := range []any{nil, map[string]string{"no such": "field"}} {
				if a := row.c.send(r.Method, at(r), body, row.header...); !isProblem(a, row.status, row.code) {
					t.Errorf("%s %s by %s: got %d %s", r.Method, r.Path, row.who, a.StatusCode, a.body)
				}
			}
		}
		staff := user("staff-"+name, func(u *account.User) { u.IsStaff, u.UserPermissions = true, []string{permission} })
		if a := staff.send(r.Method, at(r), nil); a.StatusCode == 401 || a.StatusCode == 403 || a.StatusCode >= 500 {
			t.Errorf("%s %s by staff with the permission: got %d %s", r.Method, r.Path, a.StatusCode, a.body)
		}
	}
	if found != len(adminRoutes) {
		t.Errorf("%d routes, %d in the table", found, len(adminRoutes))
	}
}

// escalation is an act for which the permission of its route isn't enough.
type escalation struct {
	name, method, path string
	body               any
}

// TestAdministratorsCantGrantOrTakeMoreThanTheyHave: an administrator with every permission of this API tries to gain rights,
// or to change users with more rights. Nothing changes. A superuser may do all of it.
func TestAdministratorsCantGrantOrTakeMoreThanTheyHave(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.group("bosses", "blog.delete_post")
		s.group("staffers", "auth.view_user")
		boss := s.superuser("boss")
		able := s.with(s.user("able"), func(u *account.User) { u.Groups = []string{"bosses"} })
		plain := s.user("plain")
		s.as(boss)
		s.as(able)
		admin := s.as(s.administrator("admin", everything()...))
		own := s.load(s.records("4")[0].User)
		user := func(u *account.User, rest string) string { return adminPath + "/users/" + u.ID + rest }
		sessionOf := func(u *account.User) string { return adminPath + "/sessions/" + s.records(u.ID)[0].PublicID }
		acts := []escalation{
			{"make a superuser", "PATCH", user(plain, ""), map[string]any{"is_superuser": true}},
			{"make staff", "PATCH", user(plain, ""), map[string]any{"is_staff": true}},
			{"give a permission", "PATCH", user(plain, ""), map[string]any{"direct_permissions": []string{"auth.view_user", "blog.delete_post"}}},
			{"give a group", "PATCH", user(plain, ""), map[string]any{"groups": []string{"staffers", "bosses"}}},
			{"grant a permission", "PATCH", user(plain, ""), map[string]any{"grant": []string{"blog.delete_post"}}},
			{"join a group", "PATCH", user(plain, ""), map[string]any{"join": []string{"bosses"}}},
			{"add to a group", "PUT", adminPath + "/groups/bosses/members/" + plain.ID, nil},
			{"make a new superuser", "POST", adminPath + "/users", map[string]any{"username": "eve", "is_superuser": true}},
			{"make new staff", "POST", adminPath + "/users", map[string]any{"username": "eva", "is_staff": true}},
			{"make a new user with a permission", "POST", adminPath + "/users", map[string]any{"username": "evi", "direct_permissions": []string{"blog.delete_post"}}},
			{"make a new user in a group", "POST", adminPath + "/users", map[string]any{"username": "evo", "groups": []string{"bosses"}}},
			{"make a group", "POST", adminPath + "/groups", map[string]any{"name": "mine", "permissions": []string{"blog.delete_post"}}},
			{"give a group a permission", "PATCH", adminPath + "/groups/staffers", map[string]any{"permissions": []string{"blog.delete_post"}}},
			{"take a group's permissions", "PATCH", adminPath + "/groups/bosses", map[string]any{"permissions": []string{}}},
			{"add a permission to a group's", "PATCH", adminPath + "/groups/staffers", map[string]any{"grant": []string{"blog.delete_post"}}},
			{"take one of a group's permissions", "PATCH", adminPath + "/groups/bosses", map[string]any{"revoke": []string{"blog.delete_post"}}},
			{"delete a group", "DELETE", adminPath + "/groups/bosses", nil},
			{"take out of a group", "DELETE", adminPath + "/groups/bosses/members/" + able.ID, nil},
		}
		for _, u := range []*account.User{boss, able} {
			acts = append(acts,
				escalation{"end a session of " + u.Username, "DELETE", sessionOf(u), nil},
				escalation{"end the sessions of " + u.Username, "DELETE", user(u, "/sessions"), nil},
				escalation{"end everything of " + u.Username, "POST", user(u, "/end"), nil},
				escalation{"rename " + u.Username, "PATCH", user(u, ""), map[string]any{"username": u.Username + "2"}},
				escalation{"set the password of " + u.Username, "POST", user(u, "/password"), map[string]any{"password": newPassword}},
				escalation{"reset the password of " + u.Username, "POST", user(u, "/reset"), nil},
				escalation{"declare the account of " + u.Username + " compromised", "POST", user(u, "/compromised"), nil},
				escalation{"disable " + u.Username, "POST", user(u, "/disable"), nil},
				escalation{"enable " + u.Username, "POST", user(u, "/enable"), nil},
				escalation{"delete " + u.Username, "DELETE", user(u, ""), nil},
			)
		}
		before := snapshot(t, s.stores)
		for _, act := range append(acts, escalation{"rise", "PATCH", user(own, ""), map[string]any{"is_superuser": true}},
			escalation{"take more", "PATCH", user(own, ""), map[string]any{"direct_permissions": []string{"blog.delete_post"}}}) {
			if r := admin.send(act.method, act.path, act.body); !isProblem(r, 403, "permission_denied") {
				t.Errorf("%s: got %d %s", act.name, r.StatusCode, r.body)
			} else if !strings.Contains(s.log.String(), r.Header.Get("X-Request-Id")) {
				t.Errorf("%s: the refusal is not logged", act.name)
			}
		}
		if after := snapshot(t, s.stores); after != before {
			t.Errorf("something changed:\n%s\n%s", before, after)
		}
		root := s.as(s.superuser("root"))
		for _, act := range acts {
			if act.name == "end the sessions of boss" || act.name == "end the sessions of able" {
				continue // a list of which the only session has just ended is 200 as well
			}
			if r := root.send(act.method, act.path, act.body); r.StatusCode != 200 {
				if strings.HasPrefix(act.name, "take out") && r.StatusCode == 404 {
					continue // the group has just been deleted
				}
				t.Errorf("a superuser: %s: got %d %s", act.name, r.StatusCode, r.body)
			}
		}
	})
}

// TestAdministratorsCantLockThemselvesOut: they can't disable, delete or demote their own account.
func TestAdministratorsCantLockThemselvesOut(t *testing.T) {
	s := start(t, options{})
	root := s.superuser("root")
	c := s.as(root)
	own := adminPath + "/users/" + root.ID
	for _, act := range []escalation{
		{"disable", "POST", own + "/disable", nil},
		{"delete", "DELETE", own, nil},
		{"compromised", "POST", own + "/compromised", nil},
		{"no superuser", "PATCH", own, map[string]any{"is_superuser": false}},
		{"no staff", "PATCH", own, map[string]any{"is_staff": false}},
	} {
		if r := c.send(act.method, act.path, act.body); !isProblem(r, 403, "permission_denied") {
			t.Errorf("%s: got %d %s", act.name, r.StatusCode, r.body)
		}
	}
	if r := c.send("PATCH", own, map[string]any{"first_name": "Root"}); r.StatusCode != 200 || r.field("first_name") != "Root" {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// list returns one member of each object of a list in the response.
func (a *answer) list(t *testing.T, name, member string) (all []string) {
	t.Helper()
	var out map[string]json.RawMessage
	var items []map[string]any
	if json.Unmarshal(a.body, &out) != nil || json.Unmarshal(out[name], &items) != nil {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	for _, item := range items {
		all = append(all, fmt.Sprint(item[member]))
	}
	return all
}

func wantList(t *testing.T, about string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", about, got, want)
	}
}

func TestAdministratorsManageUsers(t *testing.T) {
	t.Attr("threat", "R08")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		c := s.as(s.superuser("root"))
		do := func(status int, method, path string, body any) *answer {
			t.Helper()
			r := c.send(method, adminPath+path, body)
			if r.StatusCode != status {
				t.Fatalf("%s %s: got %d %s", method, path, r.StatusCode, r.body)
			}
			return r
		}
		do(200, "POST", "/groups", map[string]any{"name": "night shift", "permissions": []string{"blog.add_post"}})
		r := do(200, "POST", "/users", map[string]any{
			"username": "ada", "password": goodPassword, "email": "Ada@EXAMPLE.com", "first_name": "Ada", "groups": []string{"night shift"},
			"direct_permissions": []string{"blog.view_post", "blog.view_post"}, "is_staff": true,
		})
		id := string(r.rawField("id"))
		if r.field("email") != "Ada@example.com" || r.field("is_active") != true || r.field("has_password") != true || r.field("is_staff") != true ||
			fmt.Sprint(r.field("permissions")) != "[blog.add_post blog.view_post]" || fmt.Sprint(r.field("direct_permissions")) != "[blog.view_post]" {
			t.Errorf("the new user is %s", r.body)
		}
		for _, bad := range []map[string]any{
			{}, {"username": "ADA"}, {"username": "b b"}, {"username": "bob", "password": "short"}, {"username": "bob", "groups": []string{"unknown"}},
			{"username": "bob", "groups": "unknown"}, {"username": "bob", "direct_permissions": []string{"nonsense"}},
			{"username": "bob", "email": "unknown"}, {"username": "bob", "is_active": false},
		} {
			if r := c.send("POST", adminPath+"/users", bad); !isProblem(r, 400, "invalid") {
				t.Errorf("%v: got %d %s", bad, r.StatusCode, r.body)
			}
		}
		for n := range 5 {
			if r := do(200, "POST", "/users", map[string]any{"username": fmt.Sprint("user", n)}); r.field("has_password") != false {
				t.Errorf("the new user is %s", r.body)
			}
		}
		wantList(t, "all", do(200, "GET", "/users", nil).list(t, "users", "username"), "root", "ada", "user0", "user1", "user2", "user3", "user4")
		first := do(200, "GET", "/users?limit=3", nil)
		wantList(t, "a page", first.list(t, "users", "username"), "root", "ada", "user0")
		second := do(200, "GET", fmt.Sprintf("/users?limit=4&after=%v", first.field("next")), nil)
		wantList(t, "the next", second.list(t, "users", "username"), "user1", "user2", "user3", "user4")
		if second.field("next") != nil {
			t.Errorf("the last page: %s", second.body)
		}
		wantList(t, "a search", do(200, "GET", "/users?search=EXAMPLE.com", nil).list(t, "users", "username"), "root", "ada")
		wantList(t, "members", do(200, "GET", "/users?group=night%20shift", nil).list(t, "users", "username"), "ada")
		for _, bad := range []string{"limit=0", "limit=201", "limit=x", "limit=-1"} {
			if r := do(400, "GET", "/users?"+bad, nil); r.code() != "invalid" {
				t.Errorf("%s: %s", bad, r.body)
			}
		}
		if r := do(200, "PATCH", "/users/"+id, map[string]any{"last_name": "Lovelace", "groups": []string{}}); r.field("last_name") != "Lovelace" ||
			r.field("first_name") != "Ada" || fmt.Sprint(r.field("permissions")) != "[blog.view_post]" {
			t.Errorf("the changed user is %s", r.body)
		}
		if r := do(200, "PUT", "/groups/night%20shift/members/"+id, nil); fmt.Sprint(r.field("groups")) != "[night shift]" {
			t.Errorf("the added member is %s", r.body)
		}
		if r := do(200, "DELETE", "/groups/night%20shift/members/"+id, nil); fmt.Sprint(r.field("groups")) != "[]" {
			t.Errorf("the removed member is %s", r.body)
		}
		do(404, "DELETE", "/groups/night%20shift/members/"+id, nil)
		do(404, "PUT", "/groups/unknown/members/"+id, nil)
		for _, path := range []string{"/users/999", "/users/unknown", "/users/0", "/users/%2B1"} {
			do(404, "GET", path, nil)
			do(404, "DELETE", path, nil)
			do(404, "PATCH", path, map[string]any{"first_name": "x"})
			do(404, "POST", path+"/reset", nil)
			do(404, "POST", path+"/compromised", nil)
		}
		if r := c.send("PATCH", adminPath+"/users/"+id, map[string]any{"username": "ROOT"}); !isProblem(r, 400, "invalid") {
			t.Errorf("a taken name: got %d %s", r.StatusCode, r.body)
		}

		ada := s.signedIn("ada")
		do(200, "POST", "/users/"+id+"/disable", nil)
		if r := ada.send("GET", "/api/me", nil); r.code() != "session_ended" {
			t.Errorf("disabled: got %d %s", r.StatusCode, r.body)
		}
		do(409, "POST", "/users/"+id+"/reset", nil)
		if r := do(200, "POST", "/users/"+id+"/enable", nil); r.field("is_active") != true {
			t.Errorf("enabled: %s", r.body)
		}
		ada = s.signedIn("ada")
		do(200, "POST", "/users/"+id+"/end", nil)
		if r := ada.send("GET", "/api/me", nil); r.code() != "session_ended" {
			t.Errorf("everything ended: got %d %s", r.StatusCode, r.body)
		}
		ada = s.signedIn("ada")
		if r := c.send("POST", adminPath+"/users/"+id+"/password", map[string]any{"password": "short"}); !isProblem(r, 400, "invalid") {
			t.Errorf("a short password: got %d %s", r.StatusCode, r.body)
		}
		do(200, "POST", "/users/"+id+"/password", map[string]any{"password": newPassword})
		if r := ada.send("GET", "/api/me", nil); r.code() != "session_ended" {
			t.Errorf("a new password: got %d %s", r.StatusCode, r.body)
		}
		link, _ := do(200, "POST", "/users/"+id+"/reset", nil).field("link").(string)
		secret, ok := strings.CutPrefix(link, s.public+"/auth/reset#")
		s.secret.add(secret)
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, goodPassword)); !ok || r.StatusCode != 200 {
			t.Errorf("the link %q: got %d %s", link, r.StatusCode, r.body)
		}
		ada = s.signedIn("ada")
		do(200, "DELETE", "/users/"+id, nil)
		do(404, "GET", "/users/"+id, nil)
		if r := ada.send("GET", "/api/me", nil); r.code() != "session_ended" {
			t.Errorf("deleted: got %d %s", r.StatusCode, r.body)
		}
	})
}

// rawField returns the JSON of a top-level member of the body.
func (a *answer) rawField(name string) json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(a.body, &m)
	return m[name]
}

// TestAdministratorsAtOnceDontUndoEachOther: what one administrator gives stays, although the list that another one has seen
// doesn't have it.
func TestAdministratorsAtOnceDontUndoEachOther(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		c := s.as(s.superuser("root"))
		patch := func(path string, body map[string]any, field, want string) {
			t.Helper()
			if r := c.send("PATCH", adminPath+path, body); r.StatusCode != 200 || fmt.Sprint(r.field(field)) != want {
				t.Errorf("%v: got %d %s, want %s %s", body, r.StatusCode, r.body, field, want)
			}
		}
		names := func(all ...string) []string { return append([]string{}, all...) }
		for _, g := range []string{"club", "crew"} {
			if r := c.send("POST", adminPath+"/groups", map[string]any{"name": g, "permissions": names("a.x")}); r.StatusCode != 200 {
				t.Fatalf("got %d %s", r.StatusCode, r.body)
			}
		}
		patch("/groups/club", map[string]any{"grant": names("b.x")}, "permissions", "[a.x b.x]")
		patch("/groups/club", map[string]any{"grant": names("c.x", "b.x"), "revoke": names("a.x", "z.x")}, "permissions", "[b.x c.x]")
		patch("/groups/club", map[string]any{"revoke": names()}, "permissions", "[b.x c.x]")
		user := "/users/" + s.user("bob").ID
		patch(user, map[string]any{"join": names("club"), "grant": names("d.x")}, "groups", "[club]")
		patch(user, map[string]any{"join": names("crew", "club"), "leave": names("gone")}, "groups", "[club crew]")
		patch(user, map[string]any{"leave": names("club"), "grant": names("e.x"), "revoke": names("d.x", "z.x")}, "direct_permissions", "[e.x]")
		patch(user, map[string]any{"last_name": "Brown"}, "groups", "[crew]")
		for path, bad := range map[string]map[string]any{
			"/groups/club": {"grant": names("x")},
			user:           {"grant": names("x")},
			user + "/":     {"join": names("gone")}, // the trailing slash makes it another key
		} {
			if r := c.send("PATCH", adminPath+path, bad); !isProblem(r, 400, "invalid") {
				t.Errorf("%v: got %d %s", bad, r.StatusCode, r.body)
			}
		}
		if r := c.send("POST", adminPath+"/users", map[string]any{"username": "ann", "join": names("club")}); !isProblem(r, 400, "invalid") {
			t.Errorf("join of a new user: got %d %s", r.StatusCode, r.body)
		}
	})
}

func TestAdministratorsManageGroups(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		c := s.as(s.superuser("root"))
		for _, g := range []string{"a/b", "50%", "é ü"} {
			if r := c.send("POST", adminPath+"/groups", map[string]any{"name": g, "permissions": []string{"b.x", "a.x"}}); r.StatusCode != 200 ||
				fmt.Sprint(r.field("permissions")) != "[a.x b.x]" {
				t.Errorf("%q: got %d %s", g, r.StatusCode, r.body)
			}
		}
		wantList(t, "all", c.send("GET", adminPath+"/groups", nil).list(t, "groups", "name"), "50%", "a/b", "é ü")
		for _, path := range []string{"a%2Fb", "50%25", "%C3%A9%20%C3%BC"} {
			if r := c.send("PATCH", adminPath+"/groups/"+path, map[string]any{"permissions": []string{"c.x", "a.x", "c.x"}}); fmt.Sprint(r.field("permissions")) != "[a.x c.x]" {
				t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
			}
			if r := c.send("GET", adminPath+"/groups/"+path, nil); r.StatusCode != 200 || fmt.Sprint(r.field("permissions")) != "[a.x c.x]" {
				t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
			}
		}
		all := c.send("GET", adminPath+"/permissions", nil)
		if got := fmt.Sprint(all.field("permissions")); !strings.HasPrefix(got, "[a.x admin.view_logentry auth.add_group auth.add_user ") || !strings.Contains(got, " c.x sessions.delete_session") {
			t.Errorf("permissions: %s", got)
		}
		for _, bad := range []map[string]any{{}, {"name": "50%"}, {"name": " "}, {"name": "x", "permissions": []string{"x"}}, {"name": "x", "permissions": "a.x"}} {
			if r := c.send("POST", adminPath+"/groups", bad); !isProblem(r, 400, "invalid") {
				t.Errorf("%v: got %d %s", bad, r.StatusCode, r.body)
			}
		}
		for _, bad := range []map[string]any{{}, {"name": "x", "permissions": []string{}}, {"permissions": []string{"x"}}} {
			if r := c.send("PATCH", adminPath+"/groups/50%25", bad); !isProblem(r, 400, "invalid") {
				t.Errorf("%v: got %d %s", bad, r.StatusCode, r.body)
			}
		}
		if r := c.send("DELETE", adminPath+"/groups/a%2Fb", nil); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for _, method := range []string{"GET", "DELETE"} {
			if r := c.send(method, adminPath+"/groups/a%2Fb", nil); !isProblem(r, 404, "not_found") {
				t.Errorf("%s: got %d %s", method, r.StatusCode, r.body)
			}
		}
	})
}

func TestAnAdministratorListsAndEndsSessions(t *testing.T) {
	t.Attr("threat", "X04")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		admin := s.as(s.administrator("admin", "sessions.view_session", "sessions.delete_session"))
		ada, bob := s.user("ada"), s.user("bob")
		first, second, third, dead := s.as(ada), s.as(ada), s.as(bob), s.as(bob)
		ids := map[string]*client{first.sessionID(): first, second.sessionID(): second, third.sessionID(): third, admin.sessionID(): admin}
		over := dead.sessionID()
		for _, r := range s.records(bob.ID) {
			if r.PublicID == over {
				expired := *r
				expired.Expires = 1
				if err := s.stores.Sessions.Delete(t.Context(), r.ID); err != nil {
					t.Fatal(err)
				}
				if err := s.stores.Sessions.Create(t.Context(), &expired); err != nil {
					t.Fatal(err)
				}
			}
		}
		var seen, users []string
		for cursor := ""; ; {
			r := admin.send("GET", adminPath+"/sessions?limit=1&after="+cursor, nil)
			seen = append(seen, r.list(t, "sessions", "id")...)
			users = append(users, r.list(t, "sessions", "username")...)
			next, more := r.field("next").(string)
			if !more {
				break
			}
			cursor = next
		}
		slices.Sort(users)
		wantList(t, "who is signed in", users, "ada", "ada", "admin", "bob")
		for _, id := range seen {
			if ids[id] == nil {
				t.Errorf("the session list has the ID of the user, %q", id)
			}
		}
		if got := admin.send("GET", adminPath+"/users/"+ada.ID+"/sessions", nil).list(t, "sessions", "id"); len(got) != 2 {
			t.Errorf("ada's: %q", got)
		}
		told := first.listens()
		if r := admin.send("DELETE", adminPath+"/sessions/"+first.sessionID(), nil); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		told.ends("one session ended", "administrator")
		if r := second.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the other one: got %d", r.StatusCode)
		}
		told = second.listens()
		if r := admin.send("DELETE", adminPath+"/users/"+ada.ID+"/sessions", nil); r.StatusCode != http.StatusOK || r.field("ended") != 1.0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		told.ends("all sessions ended", "administrator")
		for _, id := range []string{over, "unknown", "%20"} {
			if r := admin.send("DELETE", adminPath+"/sessions/"+id, nil); !isProblem(r, 404, "not_found") {
				t.Errorf("%s: got %d %s", id, r.StatusCode, r.body)
			}
		}
		if r := third.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the session of another user: got %d", r.StatusCode)
		}
	})
}

// TestAdministratorsListAndEndTokens: all of a user, or one. The list never has the text of a token. An administrator can't end
// the tokens of a user with more rights.
func TestAdministratorsListAndEndTokens(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		admin := s.as(s.administrator("admin", "authtoken.view_token", "authtoken.delete_token"))
		ada, root := s.user("ada"), s.superuser("root")
		texts := map[string]string{}
		for _, kind := range []token.Kind{token.DRF, token.Knox, token.Personal} {
			text, made, err := s.api.Tokens.Create(t.Context(), token.Params{User: ada.ID, Epoch: ada.Epoch, Kind: kind, Name: "x"})
			if err != nil {
				t.Fatal(err)
			}
			texts[made.ID] = text
		}
		list := admin.send("GET", adminPath+"/users/"+ada.ID+"/tokens", nil)
		ids := list.list(t, "tokens", "id")
		wantList(t, "ada's kinds", slices.Sorted(slices.Values(list.list(t, "tokens", "kind"))), "drf", "knox", "personal")
		for _, text := range texts {
			if strings.Contains(string(list.body), text) {
				t.Error("the list has the text of a token")
			}
		}
		if r := admin.send("DELETE", adminPath+"/tokens/"+ids[0], nil); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if _, err := s.api.Tokens.Check(t.Context(), texts[ids[0]], token.DRF, token.Knox, token.Personal); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("the ended token is still found: %v", err)
		}
		if r := admin.send("DELETE", adminPath+"/users/"+ada.ID+"/tokens", nil); r.StatusCode != 200 || r.field("ended") != 2.0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for _, id := range []string{ids[0], "unknown", "%20"} {
			if r := admin.send("DELETE", adminPath+"/tokens/"+id, nil); !isProblem(r, 404, "not_found") {
				t.Errorf("%s: got %d %s", id, r.StatusCode, r.body)
			}
		}
		_, made, err := s.api.Tokens.Create(t.Context(), token.Params{User: root.ID, Epoch: root.Epoch, Kind: token.Personal, Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/tokens/" + made.ID, "/users/" + root.ID + "/tokens"} {
			if r := admin.send("DELETE", adminPath+path, nil); !isProblem(r, 403, "permission_denied") {
				t.Errorf("a superuser's: got %d %s", r.StatusCode, r.body)
			}
		}
	})
}
