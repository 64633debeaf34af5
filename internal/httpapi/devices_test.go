package httpapi_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

type device struct {
	ID        string    `json:"id"`
	Current   bool      `json:"current"`
	Created   time.Time `json:"created_at"`
	Seen      time.Time `json:"last_seen_at"`
	Expires   time.Time `json:"expires_at"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	Method    string    `json:"method"`
	Methods   []string  `json:"methods"`
	Level     int       `json:"level"`
}

func (c *client) devices() []device {
	c.s.t.Helper()
	var out struct{ Sessions []device }
	r := c.send("GET", "/api/auth/sessions", nil)
	if err := json.Unmarshal(r.body, &out); err != nil || r.StatusCode != 200 {
		c.s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	return out.Sessions
}

// TestUsersListAndEndTheirOwnSessions: the list has time, address and browser of each session. With a fresh session a user can
// end one or all others. Sessions of other users can't be listed or ended.
func TestUsersListAndEndTheirOwnSessions(t *testing.T) {
	t.Attr("threat", "S10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, trusted: []string{"127.0.0.1"}})
		ada, bob := s.user("ada"), s.user("bob")
		phone, laptop, stranger := s.client(), s.client(), s.as(bob)
		credentials := map[string]any{"username": "ada", "password": goodPassword}
		phone.send("POST", "/api/auth/login", credentials, "User-Agent: phone/1 \u202e<script>", "X-Forwarded-For: 192.0.2.1")
		laptop.send("POST", "/api/auth/login", nil, basic("ada", goodPassword), "User-Agent: laptop/2", "X-Forwarded-For: 2001:db8::1")
		all := laptop.devices()
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		for _, d := range all {
			want := device{IP: "192.0.2.1", UserAgent: "phone/1 \u202e<script>", Method: "password"}
			if d.Current {
				want = device{IP: "2001:db8::1", UserAgent: "laptop/2", Method: "basic"}
			}
			if d.IP != want.IP || d.UserAgent != want.UserAgent || d.Method != want.Method || time.Since(d.Created) > time.Minute ||
				d.Seen.Before(d.Created) || d.Expires.Before(time.Now().Add(13*24*time.Hour)) || len(d.ID) < 22 ||
				!slices.Equal(d.Methods, []string{"pwd"}) || d.Level != 1 {
				t.Errorf("%+v, not %+v", d, want)
			}
		}
		phoneID := all[0].ID
		if all[0].Current {
			phoneID = all[1].ID
		}
		if r := stranger.send("DELETE", "/api/auth/sessions/"+phoneID, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("another user: got %d %s", r.StatusCode, r.body)
		}
		if n := len(stranger.devices()); n != 1 {
			t.Errorf("another user sees %d sessions", n)
		}
		s.alive(t, "after the stranger", phone.ticket())
		if r := laptop.send("DELETE", "/api/auth/sessions/"+phoneID, nil); r.StatusCode != 200 || len(r.Cookies()) > 0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		s.dead(t, "ended by the other", phone.ticket())
		if r := laptop.send("DELETE", "/api/auth/sessions/"+phoneID, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("a second time: got %d %s", r.StatusCode, r.body)
		}
		for range 3 {
			s.as(ada)
		}
		if r := laptop.send("DELETE", "/api/auth/sessions", nil); r.StatusCode != 200 || r.field("ended") != 3.0 {
			t.Errorf("all others: got %d %s", r.StatusCode, r.body)
		}
		s.alive(t, "the one that ended the others", laptop.ticket())
		s.alive(t, "the stranger", stranger.ticket())
		if n := len(s.records(ada.ID)); n != 1 {
			t.Errorf("there are still %d sessions", n)
		}
	})
}

// TestEndingOtherSessionsRequiresAFreshSignIn: a thief can't sign the owner out with a stolen ticket, but can end the stolen
// session itself.
func TestEndingOtherSessionsRequiresAFreshSignIn(t *testing.T) {
	t.Attr("threat", "S10")
	s := start(t, options{})
	u := s.user("ada")
	owner, stolen := s.as(u), s.as(u)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt = time.Now().Add(-11 * time.Minute).Unix() })
	ids := map[bool]string{}
	for _, d := range stolen.devices() {
		ids[d.Current] = d.ID
	}
	for _, path := range []string{"/api/auth/sessions/" + ids[false], "/api/auth/sessions", "/api/auth/sessions/unknown"} {
		if r := stolen.send("DELETE", path, nil); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
	if !s.logged(`"msg":"authz_fail"`, `"user":"`+u.ID+`"`, "fresh_sign_in_required") {
		t.Error("the refusal was not logged")
	}
	s.alive(t, "the owner", owner.ticket())
	if r := stolen.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}); r.StatusCode != 200 {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	if r := stolen.send("DELETE", "/api/auth/sessions/"+ids[false], nil); r.StatusCode != 200 {
		t.Errorf("with the password: got %d %s", r.StatusCode, r.body)
	}
	s.dead(t, "the owner", owner.ticket())
}
