package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/hooked"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// allFaulty returns stores that fail as planned in what requests and the test do.
func allFaulty(st stores, plan *storetest.FaultPlan) stores {
	return hooked.Stores(st, func(ctx context.Context, call string, do func() error) error {
		if isBesides(ctx) {
			return do()
		}
		return plan.CarryOut(ctx, call, do)
	})
}

// faulty is allFaulty but for the audit log. The audit log doesn't fail, because it is written in the background, so that a
// failed call couldn't be attributed to a request.
func faulty(st stores, plan *storetest.FaultPlan) stores {
	events := st.Audit
	st = allFaulty(st, plan)
	st.Audit = events
	return st
}

// noStores returns stores that fail every call.
func noStores(t *testing.T) stores {
	return faulty(inMemory(t), &storetest.FaultPlan{Call: 1, Rest: true})
}

// crashing returns stores whose every call panics, except for the audit log, which no request calls.
func crashing(t *testing.T) stores {
	st := inMemory(t)
	events := st.Audit
	st = hooked.Stores(st, func(ctx context.Context, call string, do func() error) error {
		if !isBesides(ctx) {
			panic(call)
		}
		return do()
	})
	st.Audit = events
	return st
}

// anyTicket returns a well-formed ticket that names no session.
func anyTicket() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// probe is one way to request a route.
type probe struct {
	name string
	send func(s *server, u *account.User, r httpapi.Route) *answer
}

var probes = []probe{
	{"a visitor", func(s *server, _ *account.User, r httpapi.Route) *answer {
		return s.client().send(r.Method, at(r), nil)
	}},
	{"a user", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r), nil)
	}},
	{"an ended session", func(s *server, _ *account.User, r httpapi.Route) *answer {
		return s.client().hold(anyTicket()).send(r.Method, at(r), nil)
	}},
	{"two session cookies", func(s *server, _ *account.User, r httpapi.Route) *answer {
		c := s.client()
		name := c.cookieName() + "="
		return c.send(r.Method, at(r), nil, "Cookie: "+name+anyTicket()+"; "+name+anyTicket())
	}},
	{"half a body", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).raw(r.Method, at(r), strings.NewReader("{"), "Content-Type: application/json")
	}},
	{"an unknown field", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r), map[string]string{"no such field": "x"})
	}},
	{"too long a body", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).raw(r.Method, at(r), bytes.NewReader(make([]byte, 100<<10)), "Content-Type: application/json")
	}},
	{"a body of text", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).raw(r.Method, at(r), strings.NewReader("{}"), "Content-Type: text/plain")
	}},
	{"another site", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r), nil, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	}},
	{"a wrong csrftoken", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r), nil, "X-CSRFToken: x")
	}},
	{"from nowhere", func(s *server, u *account.User, r httpapi.Route) *answer {
		c := s.as(u)
		c.silent = true
		return c.send(r.Method, at(r), nil)
	}},
	{"an unknown host", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r), nil, "Host: evil.example")
	}},
	{"another method", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send("NONSENSE", at(r), nil)
	}},
	{"OPTIONS", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(http.MethodOptions, at(r), nil)
	}},
	{"an unknown path", func(s *server, u *account.User, r httpapi.Route) *answer {
		return s.as(u).send(r.Method, at(r)+"/x/y", nil)
	}},
}

// labelled is a response and a label for the request.
type labelled struct {
	*answer
	label string
}

// provoke requests every route in every way, with stores that work, that fail, and that panic.
func provoke(t *testing.T, o options) []labelled {
	t.Helper()
	var all []labelled
	s := start(t, o)
	u := s.user("ada")
	for _, r := range httpapi.Routes() {
		for _, p := range probes {
			all = append(all, labelled{p.send(s, u, r), r.Method + " " + r.Path + " by " + p.name})
		}
	}
	c := s.client()
	for _, password := range []string{"a wrong password", goodPassword} {
		all = append(all, labelled{c.login("ada", password), "sign-in with " + password})
	}
	change := map[string]string{"current_password": goodPassword, "new_password": "another battery altogether"}
	all = append(all,
		labelled{c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}), "re-authentication"},
		labelled{c.send("POST", "/api/auth/password/change", change), "password change"},
		labelled{c.send("DELETE", "/api/auth/sessions", nil), "the end of all others"},
	)
	for name, broken := range map[string]func(*testing.T) stores{"an outage": noStores, "a crash": crashing} {
		o.stores = broken
		all = append(all, unanswerable(t, o, name)...)
	}
	statuses := map[int]bool{}
	for _, a := range all {
		statuses[a.StatusCode] = true
	}
	for _, status := range []int{200, 204, 400, 401, 403, 404, 405, 413, 415, 421, 500, 503} {
		if !statuses[status] {
			t.Errorf("no request was answered with %d", status)
		}
	}
	return all
}

var plainAnswers []labelled

// everyAnswer returns the result of provoke for a server over plain http. All tests share it.
func everyAnswer(t *testing.T) []labelled {
	t.Helper()
	if plainAnswers == nil {
		plainAnswers = provoke(t, options{})
	}
	return plainAnswers
}

func unanswerable(t *testing.T, o options, name string) []labelled {
	var all []labelled
	s := start(t, o)
	for _, r := range httpapi.Routes() {
		body := map[string]string{"username": "ada", "password": goodPassword}
		if r.Method == http.MethodGet || r.Method == http.MethodDelete || !strings.Contains(r.Path, "login") {
			body = nil
		}
		c := s.client().hold(anyTicket())
		var a *answer
		if body == nil {
			a = c.send(r.Method, at(r), nil)
		} else {
			a = c.send(r.Method, at(r), body)
		}
		all = append(all, labelled{a, r.Method + " " + r.Path + " during " + name})
	}
	return all
}
