package httpapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/token"
)

const disablePath = adminPath + "/users/disable"

// outcomes returns what has become of each user, as "ID outcome".
func (a *answer) outcomes() (all []string) {
	var out struct {
		Users []struct {
			ID      json.RawMessage
			Outcome string
			Detail  string
		}
	}
	if json.Unmarshal(a.body, &out) != nil {
		return nil
	}
	for _, u := range out.Users {
		text := string(u.ID) + " " + u.Outcome
		if (u.Detail != "") != (u.Outcome == "not_found" || u.Outcome == "permission_denied") {
			text += " with the detail " + u.Detail
		}
		all = append(all, text)
	}
	return all
}

// TestManyUsersAreDisabledAtOnce: each user ends as by a request of their own, and the rights for each are checked.
func TestManyUsersAreDisabledAtOnce(t *testing.T) {
	t.Attr("threat", "W15")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		boss := s.superuser("boss")
		able := s.with(s.user("able"), func(u *account.User) { u.UserPermissions = []string{"blog.delete_post"} })
		own := s.administrator("admin", everything()...)
		admin := s.as(own)
		ada, bob := s.user("ada"), s.user("bob")
		sessions := []*client{s.as(ada), s.as(ada), s.as(bob), s.as(boss), s.as(able)}
		if _, _, err := s.api.Tokens.Create(t.Context(), token.Params{User: bob.ID, Epoch: bob.Epoch, Kind: token.DRF}); err != nil {
			t.Fatal(err)
		}
		r := admin.send("POST", disablePath, map[string]any{"users": []any{json.Number(ada.ID), boss.ID, able.ID, own.ID, 77, "no such", bob.ID, ada.ID}})
		want := []string{
			ada.ID + " disabled", boss.ID + " permission_denied", able.ID + " permission_denied", own.ID + " permission_denied",
			"77 not_found", `"no such" not_found`, bob.ID + " disabled",
		}
		if got := r.outcomes(); r.StatusCode != 200 || !slices.Equal(got, want) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for i, c := range sessions {
			if r := c.send("GET", "/api/me", nil); (r.StatusCode == 401) != (i < 3) {
				t.Errorf("session %d: got %d %s", i, r.StatusCode, r.body)
			}
		}
		for _, u := range []*account.User{ada, bob} {
			tokens, err := s.stores.Tokens.List(t.Context(), token.Query{User: u.ID})
			if n := len(s.records(u.ID)); n > 0 || len(tokens) > 0 || err != nil {
				t.Errorf("%s has %d sessions and %d tokens left, %v", u.Username, n, len(tokens), err)
			}
		}
		root := s.as(s.superuser("root"))
		var got []string
		for _, e := range s.eventsOf(root, r) {
			got = append(got, fmt.Sprint(e["event"], " ", e["login"]))
		}
		if all := strings.Join(got, ", "); strings.Count(all, "user_archived") != 2 || !strings.Contains(all, "user_archived ada") ||
			!strings.Contains(all, "user_archived bob") || strings.Count(all, "session_expired") != 2 || strings.Count(all, "authn_token_revoked") != 1 {
			t.Errorf("the audit log has %s", all)
		}
		denied := account.DeniedErrors
		want = nil
		for _, one := range []struct {
			id  string
			err error
		}{{boss.ID, denied.Outranked}, {able.ID, denied.Outranked}, {own.ID, denied.OwnAccount}, {"77", account.ErrNotFound}, {"no such", account.ErrNotFound}} {
			want = append(want, one.id+" "+one.err.Error())
		}
		if refused, failed := s.refusals(root, r); !slices.Equal(refused, want) || failed != 2 {
			t.Errorf("the audit log has the refusals %q, want %q, and %d of authorization, want 2: one for each reason", refused, want, failed)
		}
		r = root.send("POST", disablePath, map[string]any{"users": []string{ada.ID, able.ID}})
		if got := r.outcomes(); !slices.Equal(got, []string{ada.ID + " already_disabled", able.ID + " disabled"}) {
			t.Errorf("a superuser gets %d %s", r.StatusCode, r.body)
		}
	})
}

// refusals returns for which users an act was refused, each as "ID reason", and how many events of failed authorization it has.
func (s *server) refusals(root *client, r *answer) (refused []string, failed int) {
	s.t.Helper()
	for _, e := range s.eventsOf(root, r) {
		detail, _ := e["detail"].(map[string]any)
		switch {
		case e["event"] == "authz_fail":
			failed++
		case e["event"] == "authz_admin" && e["outcome"] == "failure":
			refused = append(refused, fmt.Sprint(e["user_id"], " ", detail["reason"]))
		}
	}
	return refused, failed
}

// TestAnActThatDisablesNoOneIsRecordedAsFailed, with the reason for each user.
func TestAnActThatDisablesNoOneIsRecordedAsFailed(t *testing.T) {
	t.Attr("threat", "L01")
	s := start(t, options{})
	boss := s.superuser("boss")
	own := s.administrator("admin", everything()...)
	r := s.as(own).send("POST", disablePath, map[string]any{"users": []any{boss.ID, "77"}})
	ok(t, r)
	root := s.as(boss)
	refused, failed := s.refusals(root, r)
	if len(refused) != 3 || !strings.HasPrefix(refused[0], boss.ID+" ") || !strings.HasPrefix(refused[1], "77 ") || refused[2] != "<nil> <nil>" || failed != 1 {
		t.Errorf("the audit log has the refusals %q and %d of authorization", refused, failed)
	}
	for _, e := range s.eventsOf(root, r) {
		if e["outcome"] == "success" {
			t.Errorf("the audit log has the success %v", e)
		}
	}
}

// TestARequestToDisableManyIsChecked before anything is done.
func TestARequestToDisableManyIsChecked(t *testing.T) {
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	u := s.user("ada")
	many := []string{u.ID}
	for n := range admin.MaxTogether {
		many = append(many, fmt.Sprint(1000+n))
	}
	for _, row := range []struct {
		users any
		code  string
	}{
		{nil, "invalid"}, {[]string{}, "invalid"}, {u.ID, "invalid"}, {[]any{u.ID, nil}, "invalid"}, {[]any{u.ID, 1.5}, "invalid"},
		{[]any{u.ID, true}, "invalid"}, {[]any{u.ID, "a\x00b"}, "invalid"}, {[]any{u.ID, map[string]string{}}, "invalid"}, {many, "too_many_users"},
		{[]any{u.ID, 0}, "invalid"}, {[]any{u.ID, -5}, "invalid"}, {[]any{u.ID, ""}, "invalid"},
	} {
		if r := root.send("POST", disablePath, map[string]any{"users": row.users}); !isProblem(r, 400, row.code) {
			t.Errorf("%v: got %d %.200s", row.users, r.StatusCode, r.body)
		}
	}
	if r := root.send("POST", disablePath, map[string]any{}); !isProblem(r, 400, "invalid") {
		t.Errorf("without users: got %d %s", r.StatusCode, r.body)
	}
	if !s.load(u.ID).IsActive {
		t.Error("the user is disabled")
	}
	if r := root.send("POST", disablePath, map[string]any{"users": many[:admin.MaxTogether]}); r.StatusCode != 200 || len(r.outcomes()) != admin.MaxTogether {
		t.Errorf("got %d %.200s", r.StatusCode, r.body)
	}
}
