package httpapi_test

import (
	"fmt"
	"maps"
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

// phone signs a user in as an app, and returns the header line with its ticket.
func (s *server) phone(name string) string {
	s.t.Helper()
	r := s.program().send("POST", "/api/auth/login", map[string]any{"username": name, "password": goodPassword, "app": true})
	if r.StatusCode != 200 || len(r.Cookies()) > 0 {
		s.t.Fatalf("got %d %s, cookies %v", r.StatusCode, r.body, r.Cookies())
	}
	return "X-Session-Token: " + r.Header.Get("X-Session-Token")
}

// credential is a kind of credential. It can be created for a user, and sent with a request.
type credential struct {
	name string
	make func(s *server, u *account.User) func(method, path string, body any, header ...string) *answer
}

func byHeader(line func(s *server, u *account.User) string) func(*server, *account.User) func(string, string, any, ...string) *answer {
	return func(s *server, u *account.User) func(string, string, any, ...string) *answer {
		made := line(s, u)
		return func(method, path string, body any, header ...string) *answer {
			return s.program().send(method, path, body, append(header, made)...)
		}
	}
}

func issuing(scheme string, n token.Params) func(*server, *account.User) func(string, string, any, ...string) *answer {
	return byHeader(func(s *server, u *account.User) string { return "Authorization: " + scheme + " " + s.issue(u, n) })
}

var credentials = []credential{
	{"none", func(s *server, _ *account.User) func(string, string, any, ...string) *answer { return s.program().send }},
	{"session", func(s *server, u *account.User) func(string, string, any, ...string) *answer { return s.as(u).send }},
	{"app", byHeader(func(s *server, u *account.User) string { return s.phone(u.Username) })},
	{"drf", issuing("Token", token.Params{Kind: token.DRF})},
	{"knox", issuing("Token", token.Params{Kind: token.Knox})},
	{"personal", issuing("Bearer", token.Params{Kind: token.Personal, Name: "x"})},
	{"access", byHeader(func(s *server, u *account.User) string {
		return "Authorization: Bearer " + s.jwtPair(u.Username).Access
	})},
	{"refresh", byHeader(func(s *server, u *account.User) string {
		return "Authorization: Bearer " + s.jwtPair(u.Username).Refresh
	})},
	{"minted", byHeader(func(s *server, u *account.User) string { return "Authorization: Bearer " + s.minted(u) })},
	{"basic", byHeader(func(_ *server, u *account.User) string { return basic(u.Username, goodPassword) })},
}

// minted returns a JWT for another service.
func (s *server) minted(u *account.User) string {
	s.t.Helper()
	r := s.as(u).send("POST", "/api/auth/jwt/mint", map[string]string{"audience": "reports"})
	if r.StatusCode != 200 {
		s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	return fmt.Sprint(r.field("token"))
}

// reach is the table of which credential may call which kind of route. "in" means that the credential is accepted, even if the
// route then answers that something doesn't exist or is wrong. Any other value is the code of the refusal. The test fails for a
// route or a credential that isn't in the table.
var reach = map[string]map[string]string{
	"anybody":  {"none": "in", "session": "in", "app": "in", "drf": "in", "knox": "in", "personal": "in", "access": "in", "refresh": "in", "minted": "in", "basic": "in"},
	"anyone":   {"none": "not_authenticated", "session": "in", "app": "in", "drf": "in", "knox": "in", "personal": "in", "access": "in", "refresh": "token_not_valid", "minted": "token_not_valid", "basic": "not_authenticated"},
	"own":      {"none": "in", "session": "in", "app": "in", "drf": "in", "knox": "in", "personal": "in", "access": "in", "refresh": "token_not_valid", "minted": "token_not_valid", "basic": "in"},
	"session":  {"none": "not_authenticated", "session": "in", "app": "in", "drf": "session_required", "knox": "session_required", "personal": "session_required", "access": "session_required", "refresh": "token_not_valid", "minted": "token_not_valid", "basic": "not_authenticated"},
	"exchange": {"none": "not_authenticated", "session": "access_token_required", "app": "access_token_required", "drf": "access_token_required", "knox": "access_token_required", "personal": "access_token_required", "access": "in", "refresh": "token_not_valid", "minted": "token_not_valid", "basic": "not_authenticated"},
	"knox":     {"none": "401", "session": "401", "app": "401", "drf": "401", "knox": "in", "personal": "401", "access": "401", "refresh": "401", "minted": "401", "basic": "401"},
	"knoxable": {"none": "401", "session": "in", "app": "in", "drf": "401", "knox": "401", "personal": "401", "access": "401", "refresh": "401", "minted": "401", "basic": "in"},
	"admin":    {"none": "not_authenticated", "session": "in", "app": "in", "drf": "session_required", "knox": "session_required", "personal": "session_required", "access": "session_required", "refresh": "token_not_valid", "minted": "token_not_valid", "basic": "not_authenticated"},
}

// levels maps each route to its line of the table.
var levels = map[string]string{
	"POST /api/auth/login":                              "anybody",
	"GET /api/auth/login/pending":                       "anybody",
	"DELETE /api/auth/login/pending":                    "anybody",
	"POST /api/auth/login/second":                       "anybody",
	"POST /api/auth/login/enrol/passkey/options":        "anybody",
	"POST /api/auth/login/enrol/code":                   "anybody",
	"POST /api/auth/login/enrol/code/confirm":           "anybody",
	"POST /api/auth/code":                               "anybody",
	"POST /api/auth/code/login":                         "anybody",
	"POST /api/auth/reauthenticate/code":                "session",
	"POST /api/auth/login/enrol/passkey":                "anybody",
	"POST /api/auth/login/enrol/totp":                   "anybody",
	"POST /api/auth/login/enrol/totp/confirm":           "anybody",
	"GET /api/auth/factors":                             "session",
	"PATCH /api/auth/factors":                           "session",
	"POST /api/auth/factors/totp":                       "session",
	"POST /api/auth/factors/totp/confirm":               "session",
	"POST /api/auth/factors/recovery":                   "session",
	"PATCH /api/auth/factors/{id}":                      "session",
	"DELETE /api/auth/factors/{id}":                     "session",
	"GET /api/auth/admin/users/{id}/factors":            "admin",
	"DELETE /api/auth/admin/users/{id}/factors":         "admin",
	"GET /api/auth/methods":                             "anybody",
	"POST /api/auth/reauthenticate/options":             "session",
	"POST /api/auth/factors/passkey/options":            "session",
	"POST /api/auth/factors/passkey":                    "session",
	"POST /api/auth/passkey/options":                    "anybody",
	"POST /api/auth/passkey/login":                      "anybody",
	"POST /api/auth/oidc/{provider}/start":              "anybody",
	"GET /api/auth/oidc/{provider}/callback":            "anybody",
	"POST /api/auth/oidc/{provider}/callback":           "anybody",
	"POST /api/auth/oidc/{provider}/backchannel-logout": "anybody",
	"GET /api/auth/links":                               "session",
	"DELETE /api/auth/links/{id}":                       "session",
	"GET /.well-known/webauthn":                         "anybody",
	"GET /.well-known/change-password":                  "anybody",
	"POST /api/auth/logout":                             "own",
	"GET /api/me":                                       "anyone",
	"GET /api/auth/me":                                  "anyone",
	"PATCH /api/auth/me":                                "session",
	"GET /api/auth/csrf":                                "anybody",
	"POST /api/auth/device/register":                    "anybody",
	"POST /api/auth/device/refresh":                     "anybody",
	"GET /api/auth/sessions":                            "session",
	"DELETE /api/auth/sessions":                         "session",
	"DELETE /api/auth/sessions/{id}":                    "session",
	"POST /api/auth/reauthenticate":                     "session",
	"POST /api/auth/password/change":                    "session",
	"POST /api/auth/password/reset":                     "anybody",
	"POST /api/auth/password/forgot":                    "anybody",
	"POST /api/auth/email/change":                       "session",
	"POST /api/auth/email/revert":                       "anybody",
	"POST /api/auth/signup":                             "anybody",
	"POST /api/auth/signup/link":                        "anybody",
	"GET /api/auth/admin/invitations":                   "admin",
	"POST /api/auth/admin/invitations":                  "admin",
	"POST /api/auth/admin/invitations/{id}/send":        "admin",
	"DELETE /api/auth/admin/invitations/{id}":           "admin",
	"POST /api/auth/signup/complete":                    "anybody",
	"POST /api/auth/signup/passkey/options":             "anybody",
	"POST /api/auth/signup/passkey":                     "anybody",
	"POST /api/auth/email/verify/send":                  "session",
	"POST /api/auth/email/verify":                       "session",
	"POST /api/auth/account/data":                       "session",
	"POST /api/auth/account/delete":                     "session",
	"GET /api/auth/events":                              "session",
	"GET /api/auth/tokens":                              "session",
	"POST /api/auth/tokens":                             "session",
	"DELETE /api/auth/tokens/{id}":                      "session",
	"POST /api/auth/token":                              "anybody",
	"POST /api-token-auth":                              "anybody",
	"POST /api/auth/knox/login":                         "knoxable",
	"POST /api/auth/knox/logout":                        "knox",
	"POST /api/auth/knox/logoutall":                     "knox",
	"POST /api/auth/jwt/create":                         "anybody",
	"POST /api/auth/jwt/refresh":                        "anybody",
	"POST /api/auth/jwt/verify":                         "anybody",
	"POST /api/auth/jwt/blacklist":                      "anybody",
	"POST /api/auth/jwt/exchange":                       "exchange",
	"POST /api/auth/jwt/mint":                           "session",
	"GET /.well-known/jwks.json":                        "anybody",
	"GET /api/auth/admin/users":                         "admin",
	"POST /api/auth/admin/users":                        "admin",
	"GET /api/auth/admin/users/{id}":                    "admin",
	"PATCH /api/auth/admin/users/{id}":                  "admin",
	"DELETE /api/auth/admin/users/{id}":                 "admin",
	"POST /api/auth/admin/users/{id}/password":          "admin",
	"POST /api/auth/admin/users/{id}/reset":             "admin",
	"POST /api/auth/admin/users/{id}/compromised":       "admin",
	"POST /api/auth/admin/users/{id}/disable":           "admin",
	"POST /api/auth/admin/users/disable":                "admin",
	"POST /api/auth/admin/users/{id}/enable":            "admin",
	"POST /api/auth/admin/users/{id}/end":               "admin",
	"GET /api/auth/admin/users/{id}/sessions":           "admin",
	"DELETE /api/auth/admin/users/{id}/sessions":        "admin",
	"GET /api/auth/admin/sessions":                      "admin",
	"DELETE /api/auth/admin/sessions/{id}":              "admin",
	"GET /api/auth/admin/users/{id}/tokens":             "admin",
	"DELETE /api/auth/admin/users/{id}/tokens":          "admin",
	"DELETE /api/auth/admin/tokens/{id}":                "admin",
	"GET /api/auth/admin/groups":                        "admin",
	"POST /api/auth/admin/groups":                       "admin",
	"GET /api/auth/admin/groups/{name}":                 "admin",
	"PATCH /api/auth/admin/groups/{name}":               "admin",
	"DELETE /api/auth/admin/groups/{name}":              "admin",
	"PUT /api/auth/admin/groups/{name}/members/{id}":    "admin",
	"DELETE /api/auth/admin/groups/{name}/members/{id}": "admin",
	"GET /api/auth/admin/permissions":                   "admin",
	"GET /api/auth/admin/audit":                         "admin",
	"GET /api/auth/admin/audit/export":                  "admin",
	"GET /api/auth/setup":                               "anybody",
	"POST /api/auth/setup":                              "anybody",
	"GET /api/auth/openapi.yaml":                        "anybody",
	"GET /healthz":                                      "anybody",
	"GET /readyz":                                       "anybody",
}

// refusals are the codes that mean that the credential isn't accepted.
var refusals = []string{"not_authenticated", "session_ended", "session_required", "fresh_sign_in_required", "invalid_token", "permission_denied", "access_token_required", "token_not_valid"}

func TestWhichCredentialMayCallWhichRoute(t *testing.T) {
	s := start(t, options{appTokens: true})
	n := 0
	for _, route := range httpapi.Routes() {
		level, listed := levels[route.String()]
		if !listed {
			t.Errorf("%s has no line in the table", route)
			continue
		}
		for _, c := range credentials {
			want, listed := reach[level][c.name]
			if !listed {
				t.Errorf("the line %[2]q of the table has no column %[1]s", c.name, level)
				continue
			}
			n++
			u := s.user(fmt.Sprint("user", n))
			if level == "admin" { // a superuser's credentials reach as much as any
				u = s.with(u, func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
			}
			r := c.make(s, u)(route.Method, at(route), nil)
			got := "in"
			switch {
			case route.Plain && r.StatusCode == 401:
				got = "401"
			case slices.Contains(refusals, r.code()) && !(route.Path == "/api/auth/login"):
				got = r.code()
			}
			if got != want {
				t.Errorf("%s with %s: got %d %s, want %s", route, c.name, r.StatusCode, r.body, want)
			}
		}
	}
	for line := range levels {
		if !slices.ContainsFunc(httpapi.Routes(), func(r httpapi.Route) bool { return r.String() == line }) {
			t.Errorf("the table has a line for %s, and there is no such route", line)
		}
	}
}

// TestWithBasicOnEveryRouteAcceptsNameAndPassword: each request costs a hash, and the throttle counts wrong passwords.
func TestWithBasicOnEveryRouteAcceptsNameAndPassword(t *testing.T) {
	s := start(t, options{basic: true})
	u := s.user("ada")
	names(t, s.program().send("GET", "/api/me", nil, basic("ada", goodPassword)), "ada")
	if u, err := s.stores.Accounts.Load(t.Context(), u.ID); err != nil || u.LastLogin != 0 {
		t.Errorf("a request counts as a sign-in: %+v, %v", u, err)
	}
	for header, code := range map[string]string{
		basic("ada", "wrong"): "invalid_credentials", "Authorization: Basic x y": "invalid_credentials", "Authorization: Basic": "invalid_credentials",
	} {
		if r := s.as(u).send("GET", "/api/me", nil, header); !isProblem(r, 401, code) {
			t.Errorf("%s: got %d %s", header, r.StatusCode, r.body)
		}
	}
	if r := s.program().send("GET", "/api/auth/sessions", nil, basic("ada", goodPassword)); !isProblem(r, 403, "session_required") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	if r := s.program().send("POST", "/api/auth/logout", nil, basic("ada", goodPassword), "Origin: http://evil.test"); !isProblem(r, 403, "csrf_failed") {
		t.Errorf("from another origin: got %d %s", r.StatusCode, r.body)
	}
	s.fail(10, u.Username, "192.0.2.1")
	if r := s.program().send("GET", "/api/me", nil, basic("ada", goodPassword)); !isProblem(r, 429, "throttled") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestARejectedCredentialIsNotIgnored, even if the request also has a good cookie.
func TestARejectedCredentialIsNotIgnored(t *testing.T) {
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	good := "Authorization: Token " + s.issue(u, token.Params{Kind: token.DRF})
	bob := s.as(s.user("bob"))
	for name, c := range map[string]struct {
		header []string
		code   string
	}{
		"a bad token":         {[]string{"Authorization: Token x"}, "invalid_token"},
		"a bad bearer":        {[]string{"Authorization: Bearer x"}, "token_not_valid"},
		"an empty bearer":     {[]string{"Authorization: Bearer"}, "bad_authorization_header"},
		"two words":           {[]string{"Authorization: Bearer a b"}, "bad_authorization_header"},
		"a mistyped personal": {[]string{"Authorization: Bearer cloak_" + strings.Repeat("0", 49)}, "invalid_token"},
		"a personal as Token": {[]string{"Authorization: Token " + s.issue(u, token.Params{Kind: token.Personal})}, "invalid_token"},
		"a DRF as Bearer":     {[]string{strings.Replace(good, "Token", "Bearer", 1)}, "token_not_valid"},
		"two headers":         {[]string{good, "Authorization: Basic eDp5"}, "invalid_token"},
		"an app's":            {[]string{"X-Session-Token: x"}, "not_authenticated"},
		"an app's, ended":     {[]string{"X-Session-Token: cloak_app_" + anyTicket()}, "session_ended"},
	} {
		if r := bob.send("GET", "/api/me", nil, c.header...); !isProblem(r, 401, c.code) {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
	names(t, bob.send("GET", "/api/me", nil, good), "ada") // a good token has precedence over the cookie
	names(t, bob.send("GET", "/api/me", nil, good, s.phone("bob")), "bob")
	names(t, bob.send("GET", "/api/me", nil), "bob")
}

// TestATokenNeedsNoCSRFToken: but it isn't accepted from a page of another site.
func TestATokenNeedsNoCSRFToken(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := start(t, options{strict: strict, appTokens: true})
		u := s.user("ada")
		for _, c := range credentials {
			if !slices.Contains([]string{"app", "drf", "knox", "personal", "access"}, c.name) {
				continue
			}
			send := c.make(s, u)
			if r := send("POST", "/api/auth/logout", nil, "Origin: https://evil.test"); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("%s from another origin: got %d %s", c.name, r.StatusCode, r.body)
			}
			if r := send("GET", "/api/me", nil); r.StatusCode != 200 {
				t.Errorf("%s: got %d %s", c.name, r.StatusCode, r.body)
			}
			ok(t, send("POST", "/api/auth/logout", nil))
			if r := send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("%s after its own logout: got %d %s", c.name, r.StatusCode, r.body)
			}
		}
	}
}

// TestTheLogoutOfATokenLeavesTheCookieAlone, and every other token.
func TestTheLogoutOfATokenLeavesTheCookieAlone(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	other := "Authorization: Token " + s.issue(u, token.Params{Kind: token.DRF})
	r := c.send("POST", "/api/auth/logout", nil, "Authorization: Bearer "+s.issue(u, token.Params{Kind: token.Personal}))
	if r.StatusCode != 200 || len(r.Cookies()) > 0 || r.Header.Get("Clear-Site-Data") != "" {
		t.Errorf("got %d %v", r.StatusCode, r.Header)
	}
	names(t, c.send("GET", "/api/me", nil), "ada")
	names(t, s.program().send("GET", "/api/me", nil, other), "ada")
}

// TestAnAppTokenIsIssuedToProgramsOnly: a request that may come from a page gets none, and no body has the ticket.
func TestAnAppTokenIsIssuedToProgramsOnly(t *testing.T) {
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	in := map[string]any{"username": "ada", "password": goodPassword, "app": true}
	for _, header := range []string{"Origin: " + s.public, "Origin: null", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: empty", "Cookie: a=b"} {
		if r := s.program().send("POST", "/api/auth/login", in, header); !isProblem(r, 403, "not_an_app") && !isProblem(r, 403, "csrf_failed") || r.Header.Get("X-Session-Token") != "" {
			t.Errorf("%s: got %d %s", header, r.StatusCode, r.body)
		}
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
	line := s.phone("ada")
	names(t, s.program().send("GET", "/api/me", nil, line), "ada")
	if r := s.program().send("GET", "/api/auth/sessions", nil, line); !strings.Contains(string(r.body), `"method":"app"`) || !strings.Contains(string(r.body), `"current":true`) {
		t.Errorf("got %s", r.body)
	}
	r := s.program().send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}, line)
	next := "X-Session-Token: " + r.Header.Get("X-Session-Token")
	if r.StatusCode != 200 || next == line || len(r.Cookies()) > 0 {
		t.Errorf("got %d %v", r.StatusCode, r.Header)
	}
	if r := s.program().send("GET", "/api/me", nil, line); !isProblem(r, 401, "session_ended") {
		t.Errorf("the old ticket: got %d", r.StatusCode)
	}
	names(t, s.program().send("GET", "/api/me", nil, next), "ada")
	if r := s.client().send("OPTIONS", "/api/me", nil, "Origin: "+s.public, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-session-token"); r.Header.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("CORS allows pages to send the header: %v", r.Header)
	}
	off := start(t, options{})
	off.user("ada")
	if r := off.program().send("POST", "/api/auth/login", in); !isProblem(r, 400, "app_tokens_off") {
		t.Errorf("without app tokens: got %d %s", r.StatusCode, r.body)
	}
}

// programs are the headers that the HTTP clients of several languages send with a POST of JSON, as recorded.
var programs = map[string][]string{
	"Node 20, fetch": {"Accept: */*", "Accept-Language: *", "Sec-Fetch-Mode: cors", "User-Agent: node", "Accept-Encoding: gzip, deflate"},
	"Node 20, http":  {"Connection: keep-alive"},
	"curl 7.88":      {"User-Agent: curl/7.88.1", "Accept: */*"},
	"Python, urllib": {"Accept-Encoding: identity", "User-Agent: Python-urllib/3.11", "Connection: close"},
	"Python, requests": {"User-Agent: python-requests/2.34.2", "Accept-Encoding: gzip, deflate", "Accept: */*",
		"Connection: keep-alive"},
	"Java 17, HttpClient": {"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
		"Upgrade: h2c", "User-Agent: Java-http-client/17.0.15"},
	"Java 17, HttpURLConnection": {"User-Agent: Java/17.0.15", "Accept: text/html, image/gif, image/jpeg, */*; q=0.2", "Connection: keep-alive"},
	"Go":                         {"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"},
	"Dart":                       {"User-Agent: Dart/3.5 (dart:io)", "Accept-Encoding: gzip"},
	"nothing at all":             {"User-Agent: "},
}

func TestProgramsOfEveryLanguageGetAnAppToken(t *testing.T) {
	s := start(t, options{appTokens: true})
	s.user("ada")
	in := map[string]any{"username": "ada", "password": goodPassword, "app": true}
	for name, headers := range programs {
		r := s.program().send("POST", "/api/auth/login", in, headers...)
		token := r.Header.Get("X-Session-Token")
		if r.StatusCode != 200 || token == "" {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			continue
		}
		with := append(slices.Clone(headers), "X-Session-Token: "+token)
		names(t, s.program().send("GET", "/api/me", nil, with...), "ada")
		r = s.program().send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}, with...)
		if next := r.Header.Get("X-Session-Token"); r.StatusCode != 200 || next == "" || next == token {
			t.Errorf("%s, re-authentication: got %d %s", name, r.StatusCode, r.body)
		}
	}
}

// TestAPersonalTokenIsShownOnceAndBoundedByItsOwnersRights: by its owner's present rights, and by its scopes.
func TestAPersonalTokenIsShownOnceAndBoundedByItsOwnersRights(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, next: permissions("app.read", "app.write")})
		u := s.user("ada")
		rights := func(names ...string) {
			t.Helper()
			_, err := s.api.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { u.UserPermissions = names; return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		rights("app.read", "app.write")
		c := s.as(u)
		make := func(in map[string]any) (id, line string) {
			r := c.send("POST", "/api/auth/tokens", in)
			if r.StatusCode != 200 || !token.IsPersonal(fmt.Sprint(r.field("token"))) {
				t.Fatalf("got %d %s", r.StatusCode, r.body)
			}
			return fmt.Sprint(r.field("id")), fmt.Sprint("Authorization: Bearer ", r.field("token"))
		}
		_, all := make(map[string]any{"name": "everything"})
		id, some := make(map[string]any{"name": "reader", "scopes": []string{"app.read"}, "ttl": 3600})
		reached := func(line string) (paths string) {
			for _, path := range []string{"/app.read", "/app.write", "/scope/app.read", "/scope/app.write"} {
				if s.program().send("GET", path, nil, line).StatusCode == 200 {
					paths += path + " "
				}
			}
			return paths
		}
		for _, step := range []struct {
			rights    []string
			all, some string
		}{
			{[]string{"app.read", "app.write"}, "/app.read /app.write /scope/app.read /scope/app.write ", "/app.read /scope/app.read "},
			{[]string{"app.write"}, "/app.write /scope/app.write ", ""},
			{[]string{"app.read"}, "/app.read /scope/app.read ", "/app.read /scope/app.read "},
			{nil, "", ""},
		} {
			rights(step.rights...)
			if a, b := reached(all), reached(some); a != step.all || b != step.some {
				t.Errorf("with %v: %q and %q", step.rights, a, b)
			}
		}
		if _, err := s.api.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { u.IsSuperuser = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if got := reached(some); got != "/app.read /scope/app.read " {
			t.Errorf("of a superuser: %q", got)
		}
		if r := s.program().send("GET", "/api/me", nil, some); strings.Contains(fmt.Sprint(r.field("permissions")), "app.write") {
			t.Errorf("got %s", r.body)
		}
		list := c.send("GET", "/api/auth/tokens", nil)
		for range 6000 { // uses are written in batches
			if !strings.Contains(string(list.body), `"last_used_at":null`) {
				break
			}
			time.Sleep(10 * time.Millisecond)
			list = c.send("GET", "/api/auth/tokens", nil)
		}
		if strings.Contains(string(list.body), "cloak_") || strings.Count(string(list.body), `"id"`) != 2 || strings.Contains(string(list.body), `"last_used_at":null`) {
			t.Errorf("%s", list.body)
		}
		ok(t, c.send("DELETE", "/api/auth/tokens/"+id, nil))
		if r := s.program().send("GET", "/api/me", nil, some); !isProblem(r, 401, "invalid_token") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if r := c.send("DELETE", "/api/auth/tokens/"+id, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("again: got %d %s", r.StatusCode, r.body)
		}
		bob := s.as(s.user("bob"))
		if r := bob.send("DELETE", "/api/auth/tokens/"+fmt.Sprint(list.body[0]), nil); !isProblem(r, 404, "not_found") {
			t.Errorf("another's: got %d", r.StatusCode)
		}
	})
}

// permissions is an app with a page that requires each permission, and one that requires the scope of the same name.
func permissions(names ...string) http.Handler {
	app := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })
	for _, name := range names {
		app.Handle("/"+name, auth.RequirePermission(name)(page))
		app.Handle("/scope/"+name, auth.RequireScope(name)(page))
	}
	return app
}

func TestAnInvalidTokenIsRefusedWithAllReasons(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	for want, in := range map[string]map[string]any{
		"name":            {},
		"name ":           {"name": " "},
		"name  ":          {"name": strings.Repeat("x", 101)},
		"name   ":         {"name": "a\nb"},
		"scopes":          {"name": "x", "scopes": []string{"app.read"}},
		"scopes ":         {"name": "x", "scopes": []string{""}},
		"scopes  ":        {"name": "x", "scopes": "app.read"},
		"scopes   ":       {"name": "x", "scopes": []any{1}},
		"ttl":             {"name": "x", "ttl": -1},
		"ttl ":            {"name": "x", "ttl": 1 << 60},
		"ttl  ":           {"name": "x", "ttl": 1.5},
		"ttl   ":          {"name": "x", "ttl": "1h"},
		"name,scopes,ttl": {"name": "", "scopes": []string{"a.b"}, "ttl": -5},
	} {
		r := c.send("POST", "/api/auth/tokens", in)
		errors, _ := r.field("errors").(map[string]any)
		if got := strings.Join(slices.Sorted(maps.Keys(errors)), ","); !isProblem(r, 400, "invalid") || got != strings.TrimSpace(want) {
			t.Errorf("%v: got %d %s", in, r.StatusCode, r.body)
		}
	}
	stale := s.as(u)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt -= 601 })
	if r := stale.send("POST", "/api/auth/tokens", map[string]any{"name": "x"}); !isProblem(r, 403, "fresh_sign_in_required") {
		t.Errorf("not fresh: got %d %s", r.StatusCode, r.body)
	}
}
