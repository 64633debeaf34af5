package httpapi_test

import (
	"context"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// ending is a way in which sessions end.
type ending struct {
	name string
	// end ends the session here, the one elsewhere, or both.
	end             func(t *testing.T, s *server, u *account.User, here, elsewhere *client)
	here, elsewhere bool // which of them end
}

func ok(t *testing.T, r *answer) {
	t.Helper()
	if r.StatusCode != 200 {
		t.Errorf("%s %s: got %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.body)
	}
}

func idOf(c *client, current bool) string {
	for _, d := range c.devices() {
		if d.Current == current {
			return d.ID
		}
	}
	return ""
}

var endings = []ending{
	{"sign-out", func(t *testing.T, _ *server, _ *account.User, here, _ *client) {
		ok(t, here.send("POST", "/api/auth/logout", nil))
	}, true, false},
	{"sign-out by a form", func(t *testing.T, s *server, _ *account.User, here, _ *client) {
		ok(t, here.raw("POST", "/api/auth/logout", nil, "Content-Type: application/x-www-form-urlencoded"))
	}, true, false},
	{"ending this session", func(t *testing.T, _ *server, _ *account.User, here, _ *client) {
		ok(t, here.send("DELETE", "/api/auth/sessions/"+idOf(here, true), nil))
	}, true, false},
	{"ending the other", func(t *testing.T, _ *server, _ *account.User, here, _ *client) {
		ok(t, here.send("DELETE", "/api/auth/sessions/"+idOf(here, false), nil))
	}, false, true},
	{"ending all others", func(t *testing.T, _ *server, _ *account.User, here, _ *client) {
		ok(t, here.send("DELETE", "/api/auth/sessions", nil))
	}, false, true},
	{"a new password", func(t *testing.T, s *server, u *account.User, here, _ *client) {
		ok(t, here.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword)))
		if n := len(s.records(u.ID)); n != 1 {
			t.Errorf("%d sessions are stored", n)
		}
	}, true, true},
	{"an administrator's new password", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		if err := s.api.Accounts.SetPassword(t.Context(), u.ID, newPassword); err != nil {
			t.Error(err)
		}
	}, true, true},
	{"disabling the user", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		if err := s.api.Accounts.SetActive(t.Context(), u.ID, false); err != nil {
			t.Error(err)
		}
	}, true, true},
	{"disabling in the database", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		_, err := s.stores.Accounts.Change(t.Context(), u.ID, func(u *account.User) error { u.IsActive = false; return nil })
		if err != nil {
			t.Error(err)
		}
	}, true, true},
	{"disabling and enabling", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		for _, active := range []bool{false, true} {
			if err := s.api.Accounts.SetActive(t.Context(), u.ID, active); err != nil {
				t.Error(err)
			}
		}
	}, true, true},
	{"deleting the user", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		if err := s.api.Accounts.Delete(t.Context(), u.ID); err != nil {
			t.Error(err)
		}
	}, true, true},
	{"ending everything", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		if err := s.api.Accounts.RevokeAll(t.Context(), u.ID); err != nil {
			t.Error(err)
		}
	}, true, true},
	{"an administrator's revocation of all", func(t *testing.T, s *server, u *account.User, _, _ *client) {
		if _, err := s.api.Sessions.RevokeAll(t.Context(), u.ID, nil); err != nil {
			t.Error(err)
		}
	}, true, true},
	{"an administrator's revocation of one", func(t *testing.T, s *server, _ *account.User, here, _ *client) {
		if err := s.api.Sessions.Revoke(t.Context(), "", idOf(here, true)); err != nil {
			t.Error(err)
		}
	}, true, false},
}

// TestAnEndedSessionIsNeverAccepted ends sessions in each way, in each store, with each kind of cookie. From then on no route
// accepts the ticket, while the sessions of another user and those that this way doesn't end go on.
func TestAnEndedSessionIsNeverAccepted(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	t.Attr("threat", "X04")
	t.Attr("threat", "B2")
	t.Attr("threat", "B3")
	t.Attr("threat", "B7")
	t.Attr("threat", "B15")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		bystander := s.as(s.user("bob"))
		for n, e := range endings {
			t.Run(e.name, func(t *testing.T) {
				u := s.user("ada" + string(rune('a'+n)))
				here, elsewhere := s.as(u), s.client()
				r := elsewhere.send("POST", "/api/auth/login", map[string]any{"username": u.Username, "password": goodPassword, "remember": false})
				ok(t, r)
				tickets := []string{here.ticket(), elsewhere.ticket()}
				s.alive(t, "before", tickets[0])
				s.alive(t, "before", tickets[1])
				e.end(t, s, u, here, elsewhere)
				for n, ended := range []bool{e.here, e.elsewhere} {
					if !ended {
						s.alive(t, e.name, tickets[n])
						continue
					}
					s.deadEverywhere(t, e.name, tickets[n])
				}
				s.alive(t, "the bystander", bystander.ticket())
			})
		}
	})
}

// deadEverywhere fails the test if some route accepts the ticket.
func (s *server) deadEverywhere(t *testing.T, what, ticket string) {
	t.Helper()
	s.dead(t, what, ticket)
	for _, route := range []struct{ method, path string }{
		{"GET", "/api/auth/me"}, {"GET", "/api/me?slide=false"}, {"HEAD", "/api/me"}, {"GET", "/api/auth/sessions"},
		{"DELETE", "/api/auth/sessions"}, {"DELETE", "/api/auth/sessions/x"},
		{"POST", "/api/auth/reauthenticate"}, {"POST", "/api/auth/password/change"},
	} {
		if r := s.client().hold(ticket).send(route.method, route.path, nil); !isProblem(r, 401, "session_ended") {
			t.Errorf("%s: %s %s: got %d %s", what, route.method, route.path, r.StatusCode, r.body)
		}
	}
}

// TestASignOutThatIsNotStoredFails: the response is 503, the cookie stays, and the next try succeeds.
func TestASignOutThatIsNotStoredFails(t *testing.T) {
	t.Attr("threat", "B4")
	for _, failing := range []string{"session.Load", "session.Delete"} {
		prepare := func(plan *storetest.FaultPlan) (*server, *client) {
			inner := inMemory(t)
			s := start(t, options{stores: func(*testing.T) stores { return faulty(inner, plan) }})
			return s, s.as(s.user("ada"))
		}
		rehearsal := &storetest.FaultPlan{}
		_, c := prepare(rehearsal)
		before := len(rehearsal.Calls())
		c.send("POST", "/api/auth/logout", nil)
		s, c := prepare(&storetest.FaultPlan{Call: before + slices.Index(rehearsal.Calls()[before:], failing) + 1})
		ticket := c.ticket()
		r := c.send("POST", "/api/auth/logout", nil)
		if !isProblem(r, 503, "unavailable") || len(r.Cookies()) > 0 || c.ticket() != ticket || r.Header.Get("Clear-Site-Data") != "" {
			t.Errorf("%s fails: got %d %s, cookies %v", failing, r.StatusCode, r.body, r.Cookies())
		}
		s.alive(t, "after the failure", ticket)
		if r := c.send("POST", "/api/auth/logout", nil); r.StatusCode != 200 || c.ticket() != "" {
			t.Errorf("the next try: got %d %s", r.StatusCode, r.body)
		}
		s.dead(t, "after the next try", ticket)
	}
}

// TestADisabledAccountIsSignedOut: no way to sign in works, and none enables the account again.
func TestADisabledAccountIsSignedOut(t *testing.T) {
	t.Attr("threat", "B11")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	if err := s.api.Accounts.SetActive(t.Context(), u.ID, false); err != nil {
		t.Fatal(err)
	}
	credentials := map[string]string{"username": "ada", "password": goodPassword}
	for name, r := range map[string]*answer{
		"JSON":  c.send("POST", "/api/auth/login", credentials),
		"Basic": s.client().send("POST", "/api/auth/login", nil, basic("ada@example.com", goodPassword)),
		"form":  s.client().raw("POST", "/api/auth/login", nil, basic("ada", goodPassword), "Content-Type: application/x-www-form-urlencoded"),
	} {
		if !isProblem(r, 401, "invalid_credentials") || len(r.Cookies()) > 0 {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
	s.deadEverywhere(t, "disabled", c.ticket())
	if after, err := s.stores.Accounts.Load(t.Context(), u.ID); err != nil || after.IsActive {
		t.Errorf("%+v %v", after, err)
	}
}

// TestRightsAreReadOnEachRequest: a change of rights takes effect with the next request of the same session.
func TestRightsAreReadOnEachRequest(t *testing.T) {
	t.Attr("threat", "X09")
	t.Attr("threat", "B12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		c := s.as(u)
		ctx := context.Background()
		shows := func(what, field, want string) {
			t.Helper()
			r := c.send("GET", "/api/me", nil)
			all, _ := r.field(field).([]any)
			if got := slices.Contains(all, any(want)); got != (what == "given") || r.StatusCode != 200 {
				t.Errorf("%s %s: got %d %s", want, what, r.StatusCode, r.body)
			}
		}
		edit := func(change func(*account.User)) {
			t.Helper()
			if _, err := s.api.Accounts.Edit(ctx, u.ID, func(u *account.User) error { change(u); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		group := func(permissions ...string) {
			t.Helper()
			if err := s.stores.Accounts.SetGroup(ctx, account.Group{Name: "readers", Permissions: permissions}); err != nil {
				t.Fatal(err)
			}
		}
		shows("not yet", "permissions", "app.read")
		edit(func(u *account.User) { u.UserPermissions = []string{"app.read"} })
		shows("given", "permissions", "app.read")
		edit(func(u *account.User) { u.UserPermissions = nil })
		shows("taken", "permissions", "app.read")
		group("app.list")
		edit(func(u *account.User) { u.Groups = []string{"readers"} })
		shows("given", "permissions", "app.list")
		shows("given", "groups", "readers")
		group()
		shows("taken", "permissions", "app.list")
		group("app.list")
		shows("given", "permissions", "app.list")
		if err := s.stores.Accounts.DeleteGroup(ctx, "readers"); err != nil {
			t.Fatal(err)
		}
		shows("taken", "groups", "readers")
		edit(func(u *account.User) { u.IsStaff = true })
		if r := c.send("GET", "/api/me", nil); r.field("is_staff") != true {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestSignOutWithTwoCookiesEndsBothSessions: a request with two tickets isn't signed in, but may end both sessions.
func TestSignOutWithTwoCookiesEndsBothSessions(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	one, two := s.as(u).ticket(), s.as(u).ticket()
	name := "sessionid" + "="
	ok(t, s.client().send("POST", "/api/auth/logout", nil, "Cookie: "+name+one+"; "+name+two))
	s.dead(t, "the first", one)
	s.dead(t, "the second", two)
}
