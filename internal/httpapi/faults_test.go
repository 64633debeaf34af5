package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// routine is, for each route, a request that does what it is for. Each makes ready what it needs, and returns what sends it.
var routine = map[string]func(p *faultyServer) func() *answer{
	"POST /api/auth/logout": func(p *faultyServer) func() *answer {
		p.as(p.root)
		p.issue(p.root, token.Params{Kind: token.Knox})
		return p.sending("POST", "/api/auth/logout", map[string]any{"everywhere": true})
	},
	"GET /api/me": func(p *faultyServer) func() *answer {
		return p.bearing("Bearer", p.root, token.Params{Kind: token.Personal, Name: "x"}, "GET", "/api/me")
	},
	"GET /api/auth/me": func(p *faultyServer) func() *answer {
		access := p.jwtPair("bob").Access
		return func() *answer { return p.withAccess(access, "GET", "/api/auth/me") }
	},
	"PATCH /api/auth/me": func(p *faultyServer) func() *answer {
		return p.sending("PATCH", "/api/auth/me", map[string]any{"first_name": "Zoe"})
	},
	"GET /api/auth/tokens": func(p *faultyServer) func() *answer { return p.sending("GET", "/api/auth/tokens", nil) },
	"POST /api/auth/tokens": func(p *faultyServer) func() *answer {
		return p.sending("POST", "/api/auth/tokens", map[string]any{"name": "x"})
	},
	"DELETE /api/auth/tokens/{id}": func(p *faultyServer) func() *answer {
		return p.sending("DELETE", "/api/auth/tokens/"+p.tokenOf(p.root), nil)
	},
	"POST /api/auth/token":      func(p *faultyServer) func() *answer { return p.proves("/api/auth/token") },
	"POST /api-token-auth":      func(p *faultyServer) func() *answer { return p.proves("/api-token-auth/") },
	"POST /api/auth/jwt/create": func(p *faultyServer) func() *answer { return p.proves("/api/auth/jwt/create/") },
	"POST /api/auth/knox/login": func(p *faultyServer) func() *answer {
		return func() *answer {
			return p.program().send("POST", "/api/auth/knox/login/", nil, basic("bob", goodPassword))
		}
	},
	"POST /api/auth/knox/logout": func(p *faultyServer) func() *answer {
		return p.bearing("Token", p.bob, token.Params{Kind: token.Knox}, "POST", "/api/auth/knox/logout/")
	},
	"POST /api/auth/knox/logoutall": func(p *faultyServer) func() *answer {
		p.issue(p.bob, token.Params{Kind: token.Knox})
		return p.bearing("Token", p.bob, token.Params{Kind: token.Knox}, "POST", "/api/auth/knox/logoutall/")
	},
	"POST /api/auth/jwt/refresh": func(p *faultyServer) func() *answer {
		return p.says("/api/auth/jwt/refresh/", "refresh", p.jwtPair("bob").Refresh)
	},
	"POST /api/auth/jwt/verify": func(p *faultyServer) func() *answer {
		return p.says("/api/auth/jwt/verify/", "token", p.jwtPair("bob").Access)
	},
	"POST /api/auth/jwt/blacklist": func(p *faultyServer) func() *answer {
		return p.says("/api/auth/jwt/blacklist/", "refresh", p.jwtPair("bob").Refresh)
	},
	"POST /api/auth/jwt/exchange": func(p *faultyServer) func() *answer {
		access := p.jwtPair("bob").Access
		return func() *answer { return p.withAccess(access, "POST", "/api/auth/jwt/exchange") }
	},
	"POST /api/auth/jwt/mint": func(p *faultyServer) func() *answer {
		return p.sending("POST", "/api/auth/jwt/mint", map[string]any{"audience": "reports"})
	},
	"GET /.well-known/jwks.json": func(p *faultyServer) func() *answer { return p.sending("GET", "/.well-known/jwks.json", nil) },
}

// acts are the routine of an administrator: what follows the prefix of their routes, and the body.
var acts = []struct {
	method, path string
	body         map[string]any
	ready        func(p *faultyServer)
}{
	{"GET", "/users", nil, nil},
	{"POST", "/users", map[string]any{"username": "eve", "password": newPassword, "groups": []string{"editors"}}, nil},
	{"GET", "/users/{id}", nil, nil},
	{"PATCH", "/users/{id}", map[string]any{"first_name": "Bo", "is_staff": true, "groups": []string{}}, nil},
	{"DELETE", "/users/{id}", nil, (*faultyServer).signInBob},
	{"POST", "/users/{id}/password", map[string]any{"password": newPassword}, (*faultyServer).signInBob},
	{"POST", "/users/{id}/reset", map[string]any{}, nil},
	{"POST", "/users/{id}/disable", nil, (*faultyServer).signInBob},
	{"POST", "/users/{id}/enable", nil, func(p *faultyServer) {
		p.with(p.bob, func(u *account.User) { u.IsActive = false })
	}},
	{"POST", "/users/{id}/end", nil, (*faultyServer).signInBob},
	{"GET", "/users/{id}/sessions", nil, (*faultyServer).signInBob},
	{"DELETE", "/users/{id}/sessions", nil, (*faultyServer).signInBob},
	{"GET", "/sessions", nil, nil},
	{"DELETE", "/sessions/{id}", nil, (*faultyServer).signInBob},
	{"GET", "/users/{id}/tokens", nil, (*faultyServer).signInBob},
	{"DELETE", "/users/{id}/tokens", nil, (*faultyServer).signInBob},
	{"DELETE", "/tokens/{id}", nil, (*faultyServer).signInBob},
	{"GET", "/groups", nil, nil},
	{"POST", "/groups", map[string]any{"name": "new", "permissions": []string{"a.x"}}, nil},
	{"GET", "/groups/{name}", nil, nil},
	{"PATCH", "/groups/{name}", map[string]any{"permissions": []string{"a.x"}}, nil},
	{"DELETE", "/groups/{name}", nil, nil},
	{"PUT", "/groups/{name}/members/{id}", nil, func(p *faultyServer) {
		p.with(p.bob, func(u *account.User) { u.Groups = nil })
	}},
	{"DELETE", "/groups/{name}/members/{id}", nil, nil},
	{"GET", "/permissions", nil, nil},
	{"GET", "/audit", nil, nil},
	{"GET", "/audit/export?format=csv", nil, nil},
}

// elsewhere are the routes that the scenes of outage_test.go go through, and those that ask no store.
var elsewhere = []string{
	"POST /api/auth/login", "GET /api/auth/csrf", "GET /api/auth/sessions", "DELETE /api/auth/sessions", "DELETE /api/auth/sessions/{id}",
	"POST /api/auth/reauthenticate", "POST /api/auth/password/change", "POST /api/auth/password/reset", "GET /api/auth/events",
	"GET /api/auth/setup", "POST /api/auth/setup", "GET /readyz", "GET /api/auth/openapi.yaml", "GET /healthz",
}

// everyDeed is routine and acts, by the lines of their routes.
func everyDeed() map[string]func(p *faultyServer) func() *answer {
	all := map[string]func(p *faultyServer) func() *answer{}
	for line, ready := range routine {
		all[line] = ready
	}
	for _, act := range acts {
		route, _, _ := strings.Cut(act.path, "?")
		all[act.method+" "+adminPath+route] = func(p *faultyServer) func() *answer {
			if act.ready != nil {
				act.ready(p)
			}
			id := p.bob.ID
			switch {
			case strings.HasPrefix(act.path, "/sessions/"):
				id = p.records(p.bob.ID)[0].PublicID
			case strings.HasPrefix(act.path, "/tokens/"):
				id = p.tokens(p.bob.ID)[0].PublicID
			}
			path := strings.NewReplacer("{id}", id, "{name}", "editors").Replace(act.path)
			var body any
			if act.body != nil {
				body = act.body
			}
			return p.sending(act.method, adminPath+path, body)
		}
	}
	return all
}

// halfway is the state that a deed of two steps in two stores may leave: what was ended first stays ended, and whoever tries
// again ends the rest. It is before where a deed has no such state.
func halfway(line, before string) string {
	switch line {
	case "POST /api/auth/logout": // everywhere: the tokens first
		return strings.Replace(before, `tokens ["knox"]`, `tokens []`, 1)
	case "POST /api/auth/jwt/exchange": // the JWT is spent before there is a session for it
		return strings.Replace(before, `tokens ["refresh"]`, `tokens ["jti" "refresh"]`, 1)
	}
	return before
}

// play does a deed while a call of it fails, which is the plan's, counted from the deed's first: plan.Call is raised by those that
// were made before. It returns the answer, what is stored before and after, and the deed's calls.
func play(t *testing.T, ready func(p *faultyServer) func() *answer, plan *storetest.Plan, made int) (r *answer, before, after string, calls []string) {
	t.Helper()
	if plan.Call > 0 {
		plan.Call += made
	}
	p := newFaultyServer(t, plan)
	send := ready(p)
	if n := len(plan.Calls()); made > 0 && n != made {
		t.Fatalf("%d calls were made before, and now %d", made, n)
	}
	before, made = p.facts(), len(plan.Calls())
	r = send()
	return r, before, p.facts(), plan.Calls()[made:]
}

// TestAFailedStoreCallIsA503OnEveryRoute lets each call to the stores fail in a deed of each route: before it is done, after it is
// done, and from there on all. Either the answer is 503, or, if the deed was done by then, what it always is; and what is
// stored is as it was before, or as it is after the deed.
func TestAFailedStoreCallIsA503OnEveryRoute(t *testing.T) {
	t.Attr("threat", "B4")
	t.Attr("threat", "L04")
	for line, ready := range everyDeed() {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			counting := &storetest.Plan{}
			usual, before, after, calls := play(t, ready, counting, 0)
			made := len(counting.Calls()) - len(calls)
			if usual.StatusCode >= 300 || len(calls) == 0 {
				t.Fatalf("without a fault: %d %s, calls %q", usual.StatusCode, usual.body, calls)
			}
			for n := range calls {
				for _, plan := range []*storetest.Plan{
					{Call: n + 1}, {Call: n + 1, After: true}, {Call: n + 1, Rest: true, Err: context.DeadlineExceeded},
				} {
					r, _, state, _ := play(t, ready, plan, made)
					what := fmt.Sprintf("%s fails (rest %v, after %v): %d %s", calls[n], plan.Rest, plan.After, r.StatusCode, r.body)
					tidying := strings.HasSuffix(calls[n], ".Touch") || before != after && state == after
					switch {
					case r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "" && len(r.Cookies()) == 0:
					case r.StatusCode != usual.StatusCode || !tidying:
						t.Errorf("%s, not a 503; cookies %v", what, r.Cookies())
					}
					if state != before && state != after && state != halfway(line, before) {
						t.Errorf("%s\nleaves\n%s\nwhich is neither\n%s\nnor\n%s", what, state, before, after)
					}
				}
			}
		})
	}
}

// TestEveryRouteHasAFault: a new route must be placed above.
func TestEveryRouteHasAFault(t *testing.T) {
	all := everyDeed()
	for _, r := range httpapi.Routes() {
		if all[r.String()] == nil && !slices.Contains(elsewhere, r.String()) {
			t.Errorf("no call of %s is made to fail", r)
		}
	}
}
