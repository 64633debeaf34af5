package httpapi_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

const newPassword = "another battery altogether"

// me requests the user of a ticket.
func (s *server) me(ticket string) *answer {
	return s.client().hold(ticket).send("GET", "/api/me", nil)
}

// dead fails the test if a ticket is still accepted.
func (s *server) dead(t *testing.T, what, ticket string) {
	t.Helper()
	if r := s.me(ticket); !isProblem(r, 401, "session_ended") || len(r.Cookies()) > 0 {
		t.Errorf("%s: the old ticket: got %d %s, cookies %v", what, r.StatusCode, r.body, r.Cookies())
	}
}

// alive fails the test if a ticket isn't accepted.
func (s *server) alive(t *testing.T, what, ticket string) {
	t.Helper()
	if r := s.me(ticket); !isSignedIn(r) {
		t.Errorf("%s: got %d %s", what, r.StatusCode, r.body)
	}
}

// TestEachAuthenticationChangesTheTicket: a sign-in, also over another session, a re-authentication, and a password change. The
// old ticket ends at once, and the number of sessions stays.
func TestEachAuthenticationChangesTheTicket(t *testing.T) {
	t.Attr("threat", "S05")
	t.Attr("threat", "A2")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		ada, bob := s.user("ada"), s.user("bob")
		c := s.signedIn("ada")
		for _, step := range []struct {
			name string
			send func() *answer
			user string
		}{
			{"the same user signs in again", func() *answer { return c.login("ada", goodPassword) }, "ada"},
			{"another user signs in", func() *answer { return c.login("bob", goodPassword) }, "bob"},
			{"the first one again, by Basic", func() *answer { return c.send("POST", "/api/auth/login", nil, basic("ada", goodPassword)) }, "ada"},
			{"the password again", func() *answer {
				return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
			}, "ada"},
			{"a new password", func() *answer {
				return c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword})
			}, "ada"},
			{"the new password again", func() *answer {
				return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": newPassword})
			}, "ada"},
		} {
			old := c.ticket()
			if r := step.send(); r.StatusCode != 200 || c.ticket() == old || c.ticket() == "" {
				t.Errorf("%s: got %d %s", step.name, r.StatusCode, r.body)
			}
			s.dead(t, step.name, old)
			if r := s.me(c.ticket()); r.field("username") != step.user {
				t.Errorf("%s: got %d %s", step.name, r.StatusCode, r.body)
			}
			if n := len(s.records(ada.ID)) + len(s.records(bob.ID)); n != 1 {
				t.Errorf("%s: %d sessions", step.name, n)
			}
		}
	})
}

// TestAWrongPasswordLeavesTheTicket: a refused sign-in, re-authentication or change leaves the session as it is.
func TestAWrongPasswordLeavesTheTicket(t *testing.T) {
	s := start(t, options{})
	s.user("ada")
	c := s.signedIn("ada")
	ticket, before := c.ticket(), snapshot(t, s.stores)
	for name, row := range map[string]struct {
		r      *answer
		status int
		code   string
	}{
		"sign-in":                       {c.login("ada", "wrong"), 401, "invalid_credentials"},
		"re-authentication":             {c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": "wrong"}), 400, "invalid"},
		"change, wrong password":        {c.send("POST", "/api/auth/password/change", map[string]string{"current_password": "wrong", "new_password": newPassword}), 400, "invalid"},
		"change, same as the name":      {c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": "ada@example.com"}), 400, "invalid"},
		"change, too short":             {c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": "short"}), 400, "invalid"},
		"change, nothing":               {c.send("POST", "/api/auth/password/change", map[string]string{}), 400, "invalid"},
		"re-authentication, no session": {s.client().send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}), 401, "not_authenticated"},
	} {
		if !isProblem(row.r, row.status, row.code) || len(row.r.Cookies()) > 0 {
			t.Errorf("%s: got %d %s, cookies %v", name, row.r.StatusCode, row.r.body, row.r.Cookies())
		}
	}
	if after := snapshot(t, s.stores); after != before || c.ticket() != ticket {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	s.alive(t, "the ticket", ticket)
}

// TestTheOldestSessionEndsAtTheLimit: at the limit each further sign-in ends the oldest session, and never its own.
func TestTheOldestSessionEndsAtTheLimit(t *testing.T) {
	t.Attr("threat", "S11")
	s := start(t, options{})
	s.api.Sessions.MaxSessions = 3
	u := s.user("ada")
	var tickets []string
	for n := range 5 {
		s.change(u.ID, func(r *session.Record) { r.Created-- }) // because the time has a resolution of a second
		tickets = append(tickets, s.signedIn("ada").ticket())
		if got := len(s.records(u.ID)); got != min(n+1, 3) {
			t.Errorf("after %d sign-ins there are %d sessions", n+1, got)
		}
	}
	for n, ticket := range tickets {
		if n < 2 {
			s.dead(t, fmt.Sprint("sign-in ", n), ticket)
		} else {
			s.alive(t, fmt.Sprint("sign-in ", n), ticket)
		}
	}
}

// TestVisitorsCreateNoSessions, whatever they send, and however often.
func TestVisitorsCreateNoSessions(t *testing.T) {
	t.Attr("threat", "S14")
	t.Attr("threat", "B14")
	s := start(t, options{})
	s.user("ada")
	c := s.client()
	for n := range 50 {
		for _, path := range []string{"/signin", "/api/me", "/api/auth/csrf", "/api/auth/setup", "/api/auth/x", "/"} {
			c.send("GET", path, nil)
			s.client().hold(anyTicket()).send("GET", path, nil)
		}
		for _, route := range unsafe() {
			s.client().hold(anyTicket()).send(route.Method, at(route), nil)
			c.send(route.Method, at(route), nil, "Cookie: sessionid="+strings.Repeat("x", n))
		}
	}
	for range 12 {
		c.login("ada", "wrong")
		c.login("unknown", "wrong")
	}
	if n := len(s.records("")); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
}

// TestTheServerEnforcesSessionLimits: a session is valid a second before its end, and isn't at its end, whatever the cookie says.
// Only a use moves the end; a request with slide=false isn't one.
func TestTheServerEnforcesSessionLimits(t *testing.T) {
	t.Attr("threat", "T01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		for name, row := range map[string]struct {
			expires, deadline time.Duration
			alive             bool
		}{
			"long before":          {time.Hour, time.Hour, true},
			"shortly before":       {20 * time.Second, 20 * time.Second, true},
			"idle too long":        {0, time.Hour, false},
			"idle far too long":    {-time.Hour, time.Hour, false},
			"at the absolute end":  {time.Hour, 0, false},
			"after the absolute":   {time.Hour, -time.Hour, false},
			"after both, long ago": {-1000 * time.Hour, -500 * time.Hour, false},
		} {
			c := s.as(u)
			s.change(u.ID, func(r *session.Record) {
				now := time.Now()
				r.Expires, r.Deadline = now.Add(row.expires).Unix(), now.Add(row.deadline).Unix()
			})
			r := c.send("GET", "/api/me", nil)
			if row.alive != isSignedIn(r) || !row.alive && !isProblem(r, 401, "session_ended") || len(r.Cookies()) > 0 {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
			if !row.alive && c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}).StatusCode != 401 {
				t.Errorf("%s: a re-authentication revived the session", name)
			}
			for _, r := range s.records(u.ID) { // those that have expired may be removed already
				if err := s.stores.Sessions.Delete(t.Context(), r.ID); err != nil && !errors.Is(err, session.ErrNotFound) {
					t.Fatal(err)
				}
			}
		}
		c := s.as(u)
		ago := time.Now().Add(-10 * time.Minute).Unix()
		s.change(u.ID, func(r *session.Record) { r.Seen, r.Expires = ago, ago+r.Idle })
		for _, passive := range []string{"/api/me?x=1&slide=false", "/api/auth/me?slide=false", "/api/auth/sessions?slide=false"} {
			c.send("GET", passive, nil)
			s.usesWritten()
			if seen := s.records(u.ID)[0].Seen; seen != ago {
				t.Errorf("%s counts as a use", passive)
			}
		}
		c.send("GET", "/api/me?slide=true", nil)
		for began := time.Now(); s.records(u.ID)[0].Seen <= ago && time.Since(began) < time.Minute; { // uses are written in batches
			time.Sleep(10 * time.Millisecond)
		}
		if r := s.records(u.ID)[0]; r.Seen <= ago || r.Expires != r.Seen+r.Idle {
			t.Errorf("the use was not noted: %+v", r)
		}
	})
}

// usesWritten waits until the uses of sessions up to now are written, by making another one: it isn't written before them.
func (s *server) usesWritten() {
	s.t.Helper()
	u := s.user(rand.Text())
	c := s.as(u)
	ago := time.Now().Add(-10 * time.Minute).Unix()
	s.change(u.ID, func(r *session.Record) { r.Seen = ago })
	c.send("GET", "/api/me", nil)
	for began := time.Now(); s.records(u.ID)[0].Seen == ago; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			s.t.Fatal("a use was not written")
		}
	}
}
