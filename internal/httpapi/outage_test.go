package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// scene is a request to a server whose stores fail at one call.
type scene struct {
	name string
	user bool // whether ada exists, and is signed in here and on another device
	send func(c *client, w *world) *answer
	// spare reports whether the failure of the last of these calls may leave the response unchanged.
	spare func(calls []string) bool
	// between has states that are allowed besides those from before and after the request; see facts.
	actBetween []string
}

// world is the state with which a scene begins.
type world struct {
	t             *testing.T
	stores        stores // the stores behind those that fail
	ada           *account.User
	ticket, other string
	id, otherID   string // public IDs of the two sessions
	setup         string // the set-up secret, if there is no user
	reset         string // the reset secret of ada
}

func never([]string) bool { return false }

// afterCommit reports whether the failed call came after the change of the account. Once hash and epoch are committed, later
// calls only clean up.
func afterCommit(calls []string) bool {
	return slices.Contains(calls[:len(calls)-1], "account.Change")
}

// afterReset is afterCommit for a reset.
func afterReset(calls []string) bool {
	return slices.Contains(calls[:len(calls)-1], "account.SpendReset")
}

var scenes = []scene{
	{"sign-in", true, func(c *client, _ *world) *answer { return c.visitor().login("ada", goodPassword) }, never, nil},
	{"sign-in by Basic", true, func(c *client, _ *world) *answer {
		return c.visitor().send("POST", "/api/auth/login", nil, basic("ada", goodPassword))
	}, never, nil},
	{"sign-in over a session", true, func(c *client, _ *world) *answer { return c.login("ada", goodPassword) }, never, nil},
	{"sign-in with a wrong password", true, func(c *client, _ *world) *answer { return c.login("ada", "wrong") }, never, nil},
	{"sign-in with an unknown name", true, func(c *client, _ *world) *answer { return c.login("unknown", "wrong") }, never, nil},
	{"sign-in beyond the limit of sessions", true, func(c *client, _ *world) *answer {
		c.s.api.Sessions.MaxSessions = 1
		return c.visitor().login("ada", goodPassword)
	}, func(calls []string) bool { return slices.Contains(calls[:len(calls)-1], "session.Create") },
		[]string{"live=3 ticket=true other=true", "live=2 ticket=true other=false", "live=2 ticket=false other=true"}},
	{"sign-out", true, func(c *client, _ *world) *answer { return c.send("POST", "/api/auth/logout", nil) }, never, nil},
	{"sign-out with a csrftoken", true, func(c *client, w *world) *answer {
		token := c.s.api.CSRF.Issue(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), w.id)
		return c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+token)
	}, never, nil},
	{"identity", true, func(c *client, _ *world) *answer { return c.send("GET", "/api/me", nil) }, never, nil},
	{"identity without a use", true, func(c *client, _ *world) *answer { return c.send("GET", "/api/auth/me?slide=false", nil) }, never, nil},
	{"csrftoken", true, func(c *client, _ *world) *answer { return c.send("GET", "/api/auth/csrf", nil) }, never, nil},
	{"events", true, func(c *client, _ *world) *answer { return c.send("GET", "/api/auth/events", nil) }, never, nil},
	{"devices", true, func(c *client, _ *world) *answer { return c.send("GET", "/api/auth/sessions", nil) }, never, nil},
	{"end all others", true, func(c *client, _ *world) *answer { return c.send("DELETE", "/api/auth/sessions", nil) }, never, nil},
	{"end another", true, func(c *client, w *world) *answer { return c.send("DELETE", "/api/auth/sessions/"+w.otherID, nil) }, never, nil},
	{"end this one", true, func(c *client, w *world) *answer { return c.send("DELETE", "/api/auth/sessions/"+w.id, nil) }, never, nil},
	{"end an unknown session", true, func(c *client, w *world) *answer { return c.send("DELETE", "/api/auth/sessions/unknown", nil) }, never, nil},
	{"the password again", true, func(c *client, _ *world) *answer {
		return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
	}, never, nil},
	{"a wrong password again", true, func(c *client, _ *world) *answer {
		return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": "wrong"})
	}, never, nil},
	{"a new password", true, func(c *client, _ *world) *answer {
		return c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword})
	}, afterCommit, []string{"live=0 ticket=false other=false new password"}},
	{"a new password, the old one wrong", true, func(c *client, _ *world) *answer {
		return c.send("POST", "/api/auth/password/change", map[string]string{"current_password": "wrong", "new_password": newPassword})
	}, never, nil},
	{"a new password, too short", true, func(c *client, _ *world) *answer {
		return c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": "short"})
	}, never, nil},
	{"a password reset", true, func(c *client, w *world) *answer {
		return c.visitor().send("POST", "/api/auth/password/reset", map[string]string{"secret": w.reset, "new_password": newPassword})
	}, afterReset, []string{"live=0 ticket=false other=false new password"}},
	{"a password reset with a wrong link", true, func(c *client, _ *world) *answer {
		return c.visitor().send("POST", "/api/auth/password/reset", map[string]string{"secret": "guess", "new_password": newPassword})
	}, never, nil},
	{"the state of the set-up", false, func(c *client, _ *world) *answer { return c.send("GET", "/api/auth/setup", nil) }, never, nil},
	{"the set-up", false, func(c *client, w *world) *answer {
		return c.send("POST", "/api/auth/setup", map[string]string{"secret": w.setup, "username": "root", "password": newPassword})
	}, never, []string{"live=0 user made"}},
	{"readiness", false, func(c *client, _ *world) *answer { return c.send("GET", "/readyz", nil) }, never, nil},
}

// visitor returns a client of the same server that isn't signed in.
func (c *client) visitor() *client { return c.s.client() }

// TestAFailedStoreCallIsA503InEveryScene makes each call to the stores fail in each scene: before the call has an effect, after
// it, and together with all later calls. The response is a 503 with Retry-After. The stores have the state from before the request
// or the one from after it. No cookie is deleted, and the ticket is still valid.
func TestAFailedStoreCallIsA503InEveryScene(t *testing.T) {
	t.Attr("threat", "B4")
	t.Attr("threat", "L04")
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			before := newWorld(t, sc.user).facts()
			usual, after, calls := sc.run(t, &storetest.FaultPlan{})
			if usual.StatusCode == 503 || len(calls) == 0 {
				t.Fatalf("without a fault: got %d %s, calls %q", usual.StatusCode, usual.body, calls)
			}
			allowed := append([]string{before, after}, sc.actBetween...)
			for n := range calls {
				for _, plan := range []*storetest.FaultPlan{
					{Call: n + 1}, {Call: n + 1, After: true}, {Call: n + 1, Rest: true, Err: context.DeadlineExceeded},
				} {
					r, state, made := sc.run(t, plan)
					what := fmt.Sprintf("%s fails (rest %v, after %v): %d %s", calls[n], plan.Rest, plan.After, r.StatusCode, r.body)
					touch := calls[n] == "session.Touch"
					spared := sc.spare(made[:n+1]) || touch && !plan.Rest
					switch {
					case touch && plan.Rest && r.StatusCode == usual.StatusCode: // no later call failed
					case spared && r.StatusCode != usual.StatusCode:
						t.Errorf("%s, want a %d", what, usual.StatusCode)
					case spared:
					case !isProblem(r, 503, "unavailable") || r.Header.Get("Retry-After") == "":
						t.Errorf("%s, want a 503", what)
					}
					if r.StatusCode != 200 && len(r.Cookies()) > 0 {
						t.Errorf("%s, cookies %v", what, r.Cookies())
					}
					if !slices.Contains(allowed, state) {
						t.Errorf("%s\nleaves the state %q, want one of %q", what, state, allowed)
					}
					if !plan.After && !spared && sc.user && !strings.Contains(state, "ticket=true") && !partial(made[:n+1]) {
						t.Errorf("%s: the ticket isn't valid any more", what)
					}
				}
			}
		})
	}
}

// partial reports whether a call before the failed one has ended the session already.
func partial(calls []string) bool {
	for _, done := range calls[:len(calls)-1] {
		if done == "session.Delete" || done == "session.Replace" || done == "account.Change" {
			return true
		}
	}
	return false
}

// run sends the request in a new world. It returns the response, the state after it, and the calls to the stores.
func (sc scene) run(t *testing.T, plan *storetest.FaultPlan) (r *answer, state string, calls []string) {
	t.Helper()
	w := newWorld(t, sc.user)
	s := start(t, options{idle: true, stores: func(*testing.T) stores { return faulty(w.stores, plan) }})
	c := s.client()
	if sc.user {
		c.hold(w.ticket)
	}
	r = sc.send(c, w)
	if r.StatusCode == 503 && !s.logged("asked for it") && !s.logged("deadline exceeded") {
		t.Errorf("%s: the outage was not logged:\n%s", sc.name, s.log)
	}
	return r, w.facts(), plan.Calls()
}

func newWorld(t *testing.T, user bool) *world {
	t.Helper()
	w := &world{t: t, stores: inMemory(t)}
	if !user {
		secret, err := (&account.Service{Store: w.stores.Accounts}).SetupSecret(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.setup = secret
		return w
	}
	w.ada = &account.User{Username: "ada", Password: goodHash(), IsActive: true, Epoch: "first", DateJoined: time.Now().Unix()}
	if err := w.stores.Accounts.Create(t.Context(), w.ada); err != nil {
		t.Fatal(err)
	}
	secret, _, err := (&account.Service{Store: w.stores.Accounts}).ResetSecret(t.Context(), w.ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.reset = secret
	w.ticket, w.id = w.session()
	w.other, w.otherID = w.session()
	return w
}

// session creates a session of ada that was last used five minutes ago.
func (w *world) session() (ticket, id string) {
	w.t.Helper()
	answer := httptest.NewRecorder()
	s, err := w.sessions().SignIn(answer, httptest.NewRequest("POST", "/", nil), session.SignIn{
		User: w.ada.ID, Epoch: w.ada.Epoch, Method: "password", Fresh: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.stores.Sessions.List(w.t.Context(), session.Query{PublicID: s.ID})
	if err != nil || len(r) != 1 {
		w.t.Fatal(len(r), err)
	}
	aged := *r[0]
	aged.Seen -= 300
	if err := errors.Join(w.stores.Sessions.Delete(w.t.Context(), aged.ID), w.stores.Sessions.Create(w.t.Context(), &aged)); err != nil {
		w.t.Fatal(err)
	}
	return answer.Result().Cookies()[0].Value, s.ID
}

// sessions returns a manager of the stores behind those that fail.
func (w *world) sessions() *session.Manager {
	return &session.Manager{Store: w.stores.Sessions, InsecureHTTP: true, Passive: func(*http.Request) bool { return true }}
}

// facts describes the content of the stores without random values, so that two runs can be compared.
func (w *world) facts() string {
	w.t.Helper()
	if w.ada == nil {
		users, err := w.stores.Accounts.List(w.t.Context(), account.Query{})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(users) == 0 {
			return fmt.Sprintf("live=%d no user", w.live("1", ""))
		}
		return fmt.Sprintf("live=%d user made", w.live(users[0].ID, users[0].Epoch))
	}
	u, err := w.stores.Accounts.Load(w.t.Context(), w.ada.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	changed := ""
	if u.Password != w.ada.Password {
		changed = " unknown password"
		service := account.Service{Store: w.stores.Accounts, Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: inMemory(w.t).Throttles}}
		if _, err := service.Confirm(w.t.Context(), u.ID, account.Attempt{Login: "ada", Password: newPassword}); err == nil {
			changed = " new password"
		}
	}
	return fmt.Sprintf("live=%d ticket=%v other=%v%s", w.live(u.ID, u.Epoch), w.alive(w.ticket, u), w.alive(w.other, u), changed)
}

func (w *world) live(user, epoch string) int {
	w.t.Helper()
	all, err := w.stores.Sessions.List(w.t.Context(), session.Query{User: user})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(slices.DeleteFunc(all, func(r *session.Record) bool { return r.Epoch != epoch }))
}

func (w *world) alive(ticket string, u *account.User) bool {
	w.t.Helper()
	alive := false
	handler := w.sessions().Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		all, err := w.stores.Sessions.List(r.Context(), session.Query{User: u.ID})
		if err != nil {
			w.t.Fatal(err)
		}
		alive = s != nil && slices.ContainsFunc(all, func(r *session.Record) bool { return r.PublicID == s.ID && r.Epoch == u.Epoch })
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: ticket})
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return alive
}
