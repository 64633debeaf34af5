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

// routine has, for each route, a successful request. The function prepares what the request needs, and returns a function that
// sends it.
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
	"GET /api/auth/factors": func(p *faultyServer) func() *answer { return p.sending("GET", "/api/auth/factors", nil) },
	"GET /api/auth/tokens":  func(p *faultyServer) func() *answer { return p.sending("GET", "/api/auth/tokens", nil) },
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

// acts has the successful requests to the routes for administrators: the path after their prefix, and the body.
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
	{"POST", "/users/{id}/compromised", nil, (*faultyServer).signInBob},
	{"POST", "/users/{id}/disable", nil, (*faultyServer).signInBob},
	{"POST", "/users/disable", map[string]any{"users": []string{"2", "3"}}, (*faultyServer).signInBob},
	{"POST", "/users/{id}/enable", nil, func(p *faultyServer) {
		p.with(p.bob, func(u *account.User) { u.IsActive = false })
	}},
	{"POST", "/users/{id}/end", nil, (*faultyServer).signInBob},
	{"GET", "/users/{id}/sessions", nil, (*faultyServer).signInBob},
	{"DELETE", "/users/{id}/sessions", nil, (*faultyServer).signInBob},
	{"GET", "/users/{id}/factors", nil, nil},
	{"DELETE", "/users/{id}/factors", nil, (*faultyServer).signInBob},
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

// elsewhere are the routes that outage_test.go, binding_test.go, forgot_test.go, code_test.go, signup_test.go, invite_test.go, verify_test.go, changeemail_test.go, deletion_test.go, takedata_test.go, pending_test.go, passkey_test.go, providers_test.go and factors_test.go test, and those that call no
// store.
var elsewhere = []string{
	"POST /api/auth/device/register", "POST /api/auth/device/refresh",
	"POST /api/auth/login", "GET /api/auth/csrf", "GET /api/auth/sessions", "DELETE /api/auth/sessions", "DELETE /api/auth/sessions/{id}",
	"POST /api/auth/reauthenticate", "POST /api/auth/password/change", "POST /api/auth/password/reset", "POST /api/auth/password/forgot", "POST /api/auth/email/change", "POST /api/auth/email/revert", "POST /api/auth/signup", "POST /api/auth/signup/link",
	"GET /api/auth/admin/invitations", "POST /api/auth/admin/invitations", "POST /api/auth/admin/invitations/{id}/send", "DELETE /api/auth/admin/invitations/{id}",
	"POST /api/auth/signup/complete", "POST /api/auth/signup/passkey/options", "POST /api/auth/signup/passkey", "POST /api/auth/email/verify/send", "POST /api/auth/email/verify",
	"GET /api/auth/events", "POST /api/auth/account/data", "POST /api/auth/account/delete",
	"GET /api/auth/setup", "POST /api/auth/setup", "GET /readyz", "GET /api/auth/openapi.yaml", "GET /healthz",
	"GET /api/auth/login/pending", "DELETE /api/auth/login/pending", "GET /api/auth/methods", "GET /.well-known/change-password",
	"POST /api/auth/passkey/options", "POST /api/auth/passkey/login", "GET /.well-known/webauthn",
	"POST /api/auth/login/enrol/passkey/options", "POST /api/auth/login/enrol/passkey",
	"POST /api/auth/code", "POST /api/auth/code/login", "POST /api/auth/login/enrol/code", "POST /api/auth/login/enrol/code/confirm", "POST /api/auth/reauthenticate/code",
	"POST /api/auth/login/enrol/totp", "POST /api/auth/login/enrol/totp/confirm",
	"POST /api/auth/login/second", "PATCH /api/auth/factors", "POST /api/auth/factors/totp", "POST /api/auth/factors/totp/confirm",
	"POST /api/auth/factors/passkey/options", "POST /api/auth/factors/passkey", "POST /api/auth/reauthenticate/options",
	"POST /api/auth/oidc/{provider}/start", "GET /api/auth/oidc/{provider}/callback", "POST /api/auth/oidc/{provider}/callback", "POST /api/auth/oidc/{provider}/backchannel-logout",
	"GET /api/auth/links", "DELETE /api/auth/links/{id}",
	"POST /api/auth/factors/recovery", "PATCH /api/auth/factors/{id}", "DELETE /api/auth/factors/{id}",
}

// everyAct returns routine and acts, by route.
func everyAct() map[string]func(p *faultyServer) func() *answer {
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

// partialState returns the state that a request with two writes may leave if the second one fails. A second request completes it.
// For any other request it returns before.
func partialState(line, before string) string {
	switch line {
	case "POST /api/auth/logout": // everywhere: the tokens first
		return strings.Replace(before, `tokens ["knox"]`, `tokens []`, 1)
	case "POST /api/auth/jwt/exchange": // the JWT is marked before the session is created
		return strings.Replace(before, `tokens ["refresh"]`, `tokens ["jti" "refresh"]`, 1)
	}
	return before
}

// runWithFault sends a request while one of its calls to the stores fails. plan.Call counts from the request's first call; made is
// the number of calls before it, which runWithFault adds. It returns the response, the content of the stores before and after,
// and the calls of the request.
func runWithFault(t *testing.T, ready func(p *faultyServer) func() *answer, plan *storetest.FaultPlan, made int) (r *answer, before, after string, calls []string) {
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

// TestAFailedStoreCallIsA503OnEveryRoute makes each call to the stores fail in a request to each route: before the call has an
// effect, after it, and together with all later calls. Either the response is 503, or it is the usual one if the request had
// succeeded by then. The stores have the state from before the request, or the one from after it.
func TestAFailedStoreCallIsA503OnEveryRoute(t *testing.T) {
	t.Attr("threat", "B4")
	t.Attr("threat", "L04")
	for line, ready := range everyAct() {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			counting := &storetest.FaultPlan{}
			usual, before, after, calls := runWithFault(t, ready, counting, 0)
			made := len(counting.Calls()) - len(calls)
			if usual.StatusCode >= 300 || len(calls) == 0 {
				t.Fatalf("without a fault: got %d %s, calls %q", usual.StatusCode, usual.body, calls)
			}
			for n := range calls {
				for _, plan := range []*storetest.FaultPlan{
					{Call: n + 1}, {Call: n + 1, After: true}, {Call: n + 1, Rest: true, Err: context.DeadlineExceeded},
				} {
					r, _, state, _ := runWithFault(t, ready, plan, made)
					what := fmt.Sprintf("%s fails (rest %v, after %v): %d %s", calls[n], plan.Rest, plan.After, r.StatusCode, r.body)
					tidying := strings.HasSuffix(calls[n], ".Touch") || before != after && state == after
					switch {
					case r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "" && len(r.Cookies()) == 0:
					case r.StatusCode != usual.StatusCode || !tidying:
						t.Errorf("%s, not a 503; cookies %v", what, r.Cookies())
					}
					if state != before && state != after && state != partialState(line, before) {
						t.Errorf("%s\nleaves the state\n%s\nwant\n%s\nor\n%s", what, state, before, after)
					}
				}
			}
		})
	}
}

// TestEveryRouteHasAFault: a new route must be added to one of the lists above.
func TestEveryRouteHasAFault(t *testing.T) {
	all := everyAct()
	for _, r := range httpapi.Routes() {
		if all[r.String()] == nil && !slices.Contains(elsewhere, r.String()) {
			t.Errorf("no test makes the calls of %s fail", r)
		}
	}
}
