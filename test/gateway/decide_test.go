package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

// kept fails the test if a request was let through.
func (f *front) kept(t *testing.T, protocol string, a ask, statuses ...int) reply {
	t.Helper()
	before := f.app.requests.Load()
	r := f.send(t, protocol, a)
	if _, ok := r.seen(); ok || f.app.requests.Load() != before {
		t.Errorf("%s %q %q reaches the application: %s", a.method, a.path, a.header, r)
	}
	fits := len(statuses) == 0
	for _, status := range statuses {
		fits = fits || r.status == status
	}
	if !fits {
		t.Errorf("%s %q %q: %s, want %v", a.method, a.path, a.header, r, statuses)
	}
	return r
}

func TestNoHeaderChangesTheDecision(t *testing.T) {
	t.Attr("threat", "C4")
	t.Attr("threat", "C7")
	t.Attr("threat", "C18")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, line := range []string{
			"X-Forwarded-Uri: /health", "X-Forwarded-Method: GET", "X-Forwarded-Host: localhost", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /health",
			"X-Original-URL: https://" + f.host + "/health", "X-Original-Uri: /health", "X-Original-Method: GET", "X-Rewrite-URL: /health",
			"X-HTTP-Method-Override: GET", "X-Envoy-Original-Path: /health", "X-Accel-Redirect: /health", "X-Original-Host: localhost",
			"User-Agent: GoogleHC/1.0", "User-Agent: kube-probe/1.30", "User-Agent: ELB-HealthChecker/2.0", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1",
			"X-Middleware-Subrequest: middleware:middleware:middleware", "X-Auth-Request-User: ada", "X-Forwarded-User: ada", "Remote-User: ada",
			"X-Requested-With: XMLHttpRequest", "Authorization: Basic YWRhOmFkYQ==", "Authorization: Bearer null", "Authorization: Negotiate x",
			"Cookie: " + sessionCookie + "=", "Cookie: " + sessionCookie + "=null", "Cookie: " + sessionCookie + "=" + strings.Repeat("A", 43),
			"Cloakroom-Assertion: eyJhbGciOiJub25lIn0.e30.", "Secure-Session-Skipped: unreachable", "Upgrade-Insecure-Requests: 1", "Accept: */*",
			"Sec-Fetch-Site: same-origin", "Origin: https://" + f.host, "Referer: https://" + f.host + "/health",
		} {
			r := f.kept(t, protocol, ask{path: "/private", header: []string{line}}, 401)
			known := []string{"not_authenticated", "session_ended", "invalid_token", "token_not_valid"}
			if !slices.Contains(known, r.code()) {
				t.Errorf("%s: %s", line, r)
			}
		}
	})
}

// Some server reads each of these paths as /health or /open, which are public, and another reads it differently.
var doubtful = []string{
	"/admin?x=/health", "/health/../admin", "/health/..%2fadmin", "/health%2f..%2fadmin", "/health;/admin", "/health;x", "//admin", "//health",
	"/%61dmin", "/HEALTH", "/Health", "/health/", "/health%20", "/health%00", "/health%0a", "/health%2e", "/%2e%2e/health", "/open/../admin",
	"/open/%2e%2e/admin", "/open/..%5cadmin", "/open/..;/admin", "/open/%252e%252e/admin", "/open//x", "/open/./x", "/open/x/..", "/open%2fx",
	"/./health", "/x/../health", "/health/.", "/health//", "/open/%c0%ae%c0%ae/admin", "/open/%ff", "/open/%", "/open/%zz", "/OPEN/x",
	"/openx", "/healthx", "/health.json", "/admin/health", "/open/..", "/open/.%2e/admin", "/open/x%3b/y", "/open/\\..\\admin", "/health?/../open",
}

func TestPublicPathsAreNoWayRoundTheRules(t *testing.T) {
	t.Attr("threat", "C6")
	t.Attr("threat", "E03")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, path := range doubtful {
			if strings.HasPrefix(path, "/health?") {
				continue
			}
			f.kept(t, protocol, ask{path: path}, 400, 401, 403, 404)
		}
		f.kept(t, protocol, ask{path: "/admin#/health"}, 400, 401, 403)
		// Caddy encodes the character before it asks, and passes it on encoded.
		if s, ok := f.send(t, protocol, ask{path: "/open/x#y"}).seen(); ok && (f.name != "caddy" || s.URI != "/open/x%23y") {
			t.Errorf("/open/x#y reaches the application as %s", s.URI)
		}
		for _, path := range []string{"/health", "/health?/../open", "/open/x", "/open", "/open/", "/open/a%20b/%C3%A9?x=%2f..//;", "/open/100%25"} {
			r, want := f.send(t, protocol, ask{path: path}), path
			if f.name == "traefik" {
				want = strings.ReplaceAll(want, ";", "&") // which only the query has here
			}
			if s, ok := r.seen(); !ok || s.URI != want {
				t.Errorf("%s: %s", path, r)
			}
		}
		f.kept(t, protocol, ask{method: "POST", path: "/health"}, 401)
		f.kept(t, protocol, ask{method: "DELETE", path: "/health"}, 401)
	})
}

func TestNoSpellingOfAPathGetsRoundAPermission(t *testing.T) {
	t.Attr("threat", "C6")
	t.Attr("threat", "E03")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		for _, path := range []string{
			"/admin", "/admin/", "/admin/users", "/ADMIN", "/Admin/users", "//admin", "/./admin", "/x/../admin", "/%61dmin", "/%41dmin", "/admin%2f",
			"/admin%2fusers", "/admin;x", "/;/admin", "/admin.", "/admin%20", "/admin./users", "/admin%20/users", "/admin%00", "/admin\\users",
			"/open/../admin", "/open/..%2fadmin", "/admin/../admin/users", "/%2561dmin",
		} {
			f.kept(t, protocol, ask{path: path, header: []string{cookie}}, 400, 403, 404)
		}
		f.command(t, "", "user", "set", name, "--superuser")
		r := f.send(t, protocol, ask{path: "/admin/users", header: []string{cookie}})
		if s, ok := r.seen(); !ok || s.CGI["HTTP_REMOTE_USER"] != name {
			t.Errorf("with the right: %s", r)
		}
	})
}

// If a proxy sent every path that begins like one of Cloakroom's to Cloakroom, the application would not get it, and any
// client could use forward-auth.
func TestPathsBesideOursAreTheApplications(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		for _, path := range []string{"/authors", "/signing", "/api/authors", "/api/me-too", "/healthzoo", "/.well-known/jwks.json.txt"} {
			r := f.send(t, protocol, ask{path: path, header: []string{cookie}})
			if s, ok := r.seen(); !ok || s.URI != path {
				t.Errorf("%s: %s", path, r)
			}
			f.kept(t, protocol, ask{path: path}, 401)
		}
		for _, path := range []string{"/api/authz/forward-auth", "/api/authz/auth-request", "/api/authz/refusal", "/api/authz"} {
			asked := []string{cookie, "X-Forwarded-Uri: /private", "X-Forwarded-Method: GET", "X-Original-Url: https://" + f.host + "/private"}
			if r := f.kept(t, protocol, ask{path: path, header: asked}); r.status < 400 || r.header.Get("Cloakroom-Assertion") != "" {
				t.Errorf("%s: %s", path, r)
			}
		}
	})
}

func TestHostsAreComparedWithoutCase(t *testing.T) {
	t.Attr("threat", "C11")
	t.Attr("threat", "E05")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		port := portOf(f.address)
		for _, host := range []string{"LOCALHOST:" + port, "LocalHost:" + port} {
			f.kept(t, protocol, ask{path: "/private", host: host}, 401)
			if _, ok := f.send(t, protocol, ask{path: "/health", host: host}).seen(); !ok {
				t.Errorf("%s isn't us", host)
			}
		}
		for _, host := range []string{"evil.test", "localhost.evil.test:" + port, "xlocalhost:" + port, "evil.test:" + port, "localhost:1"} {
			f.kept(t, protocol, ask{path: "/private", host: host})
			f.kept(t, protocol, ask{path: "/health", host: host})
		}
	})
}

func TestGarbageInForwardedForChangesNothing(t *testing.T) {
	t.Attr("threat", "C13")
	onEachOwnFront(t, func(t *testing.T, f *front, protocol string) {
		for _, value := range []string{"x", "1.2.3", "::ffff:", ",,,", strings.Repeat("1.2.3.4,", 1000), "[::1", "127.0.0.1:99999"} {
			f.kept(t, protocol, ask{path: "/private", header: []string{"X-Forwarded-For: " + value}}, 401)
			r := f.send(t, protocol, ask{method: "POST", path: "/api/auth/login", body: `{"username":"unknown","password":"x"}`,
				header: []string{"Content-Type: application/json", "Origin: https://" + f.host, "X-Forwarded-For: " + value}})
			if r.status != 401 && r.status != 429 {
				t.Errorf("sign-in with %.30q: %s", value, r)
			}
		}
	})
}

func TestUnsafeRequestsAreJudgedByWhatTheyAre(t *testing.T) {
	t.Attr("threat", "E08")
	t.Attr("threat", "F01")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		ours := "Origin: https://" + f.host
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			for _, lines := range [][]string{
				{"Origin: https://evil.test", "Sec-Fetch-Site: cross-site"}, {"Origin: null", "Sec-Fetch-Site: cross-site"}, {"Origin: https://evil.test"},
				{"Origin: http://" + f.host}, {"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {},
			} {
				r := f.kept(t, protocol, ask{method: method, path: "/private", header: append(lines, cookie), body: "x"}, 403)
				if c := r.code(); c != "csrf_failed" && c != "origin_required" {
					t.Errorf("%s %v: %s", method, lines, r)
				}
			}
			r := f.send(t, protocol, ask{method: method, path: "/private", header: []string{cookie, ours, "Sec-Fetch-Site: same-origin"}, body: "hello"})
			if s, ok := r.seen(); !ok || s.Method != method || s.Body != 5 {
				t.Errorf("%s from our own page: %s", method, r)
			}
		}
		r := f.send(t, protocol, ask{path: "/private", header: []string{cookie, "Sec-Fetch-Site: cross-site", "Referer: https://evil.test/"}})
		if _, ok := r.seen(); !ok {
			t.Errorf("a link from another site: %s", r)
		}
	})
}

func TestOtherSitesCannotOpenAWebSocket(t *testing.T) {
	t.Attr("threat", "E08")
	t.Attr("threat", "F07")
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada")
		handshake := []string{cookie, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		for _, line := range []string{"Origin: https://evil.test", "Origin: null", "Origin: http://" + f.host, "X-Origin: none"} {
			r := f.kept(t, protocol, ask{path: "/ws", header: append(handshake, line)}, 403)
			if c := r.code(); c != "csrf_failed" && c != "origin_required" {
				t.Errorf("%s: %s", line, r)
			}
		}
	})
}
