package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// question asks the program directly, as a proxy does.
func (f *front) question(t *testing.T, path string, lines ...string) reply {
	t.Helper()
	c := plain(t, f.inner)
	defer c.Close()
	r, err := sendH1(c, ask{method: "GET", path: path, host: f.inner, header: lines})
	if err != nil {
		t.Fatalf("%s %q: %v", path, lines, err)
	}
	return r
}

// plain opens a connection without TLS.
func plain(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// startAlone starts the program without a proxy, for forward-auth requests of the test.
func startAlone(t *testing.T, args ...string) *front {
	f := newFront(t, "alone")
	f.inner = f.address
	f.address = f.inner
	f.serve(t, append(ruleFlags(), args...)...)
	return f
}

// right are, for each route, the headers of a question about a request to a public path.
func right(f *front) map[string][]string {
	return map[string][]string{
		"/api/authz/forward-auth": {"X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: " + f.host, "X-Forwarded-Uri: /health?x=1"},
		"/api/authz/auth-request": {"X-Original-Method: GET", "X-Original-URL: https://" + f.host + "/health?x=1"},
	}
}

// demandRefusal fails the test unless the answer refuses the request and carries no identity.
func demandRefusal(t *testing.T, what string, r reply) {
	t.Helper()
	if r.status < 300 {
		t.Errorf("%s: %s", what, r)
	}
	for _, name := range []string{"Remote-User", "Remote-User-Id", "Remote-Groups", "Remote-Email", "Remote-Name", "Cloakroom-Assertion", "Set-Cookie"} {
		if r.header[name] != nil {
			t.Errorf("%s: the answer %s has %s: %q", what, r, name, r.header[name])
		}
	}
}

func TestWithoutAClearOriginalRequestAccessIsRefused(t *testing.T) {
	t.Attr("threat", "C12")
	t.Attr("threat", "E04")
	f := startAlone(t, "--trusted-proxy", "127.0.0.1")
	for path, lines := range right(f) {
		if r := f.question(t, path, lines...); r.status != 200 {
			t.Fatalf("%s: %s", path, r)
		}
		for i := range lines {
			without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
			demandRefusal(t, path+" without "+lines[i], f.question(t, path, without...))
			demandRefusal(t, path+" with two of "+lines[i], f.question(t, path, append(lines, lines[i])...))
			name, _, _ := strings.Cut(lines[i], ":")
			for _, garbled := range []string{
				"", " ", "x", "/", "GET /health", "get", "*", "http://", "https://", "https:///health", "//health", "javascript://" + f.host + "/health",
				"https://evil.test/health", "https://" + f.host + ".evil.test/health", "https://" + f.host + "@evil.test/health", "https://u@" + f.host + "/health",
				"https://" + f.host + "/../health", "https://" + f.host + "/%2e%2e/health", "https://" + f.host + "//health", "https://" + f.host + "/health#x",
				"https://" + f.host, "https://" + f.host + "?x=/health", "https://" + f.host + "/private", "/private", "/%zz", "health", "/../health", "//health",
				"https://" + f.host + "http://evil.test/health", "evil.test", f.host + ".", "https://" + f.host + "\\@evil.test/health", "/health;x", "/HEALTH",
				"/health, /private", "/\x7f", "/é",
			} {
				if garbled == f.host+"." {
					continue // a dot at the end is no other host
				}
				asked := append(append([]string{}, without...), name+": "+garbled)
				demandRefusal(t, fmt.Sprintf("%s with %s: %q", path, name, garbled), f.question(t, path, asked...))
			}
		}
	}
	demandRefusal(t, "refusal", f.question(t, "/api/authz/refusal", right(f)["/api/authz/auth-request"]...))
	for _, path := range []string{"/api/authz", "/api/authz/", "/api/authz/x", "/api/authz/forward-auth/x", "/api/authz/%66orward-auth", "/api/authz//forward-auth"} {
		demandRefusal(t, path, f.question(t, path, append(right(f)["/api/authz/forward-auth"], right(f)["/api/authz/auth-request"]...)...))
	}
	for _, own := range []string{"/signin", "/api/auth/login", "/api/me", "/auth/account"} {
		r := f.question(t, "/api/authz/forward-auth", "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: "+f.host, "X-Forwarded-Uri: "+own)
		if demandRefusal(t, own, r); r.code() != "misrouted" {
			t.Errorf("%s: %s", own, r)
		}
	}
}

// Random bytes are never taken for a question that is answered 200.
func TestRandomHeadersGrantNoAccess(t *testing.T) {
	t.Attr("threat", "C12")
	f := startAlone(t, "--trusted-proxy", "127.0.0.1")
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"https://", "http", "://", f.host, "/", "/private", "//", "..", "%2e", "%2f", ";", "\\", "#", "?", "@", "evil.test", "GET", "é", "\t", "%00", ":", "[", "]"}
	for range 300 {
		var b strings.Builder
		for range random.IntN(7) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		value := b.String()
		demandRefusal(t, value, f.question(t, "/api/authz/auth-request", "X-Original-Method: GET", "X-Original-URL: "+value))
		demandRefusal(t, value, f.question(t, "/api/authz/forward-auth", "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: "+f.host, "X-Forwarded-Uri: "+value))
	}
}

func TestOnlyANamedProxyIsAnswered(t *testing.T) {
	t.Attr("threat", "E02")
	t.Attr("threat", "C9")
	f := startAlone(t)
	for path, lines := range right(f) {
		r := f.question(t, path, append(lines, "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1")...)
		if demandRefusal(t, path, r); r.code() != "untrusted_proxy" || r.status != 403 {
			t.Errorf("%s: %s", path, r)
		}
	}
}

func TestAnAnswerToAProxyIsSmall(t *testing.T) {
	t.Attr("threat", "C14")
	f := startAlone(t, "--trusted-proxy", "127.0.0.1")
	for path, lines := range right(f) {
		r := f.question(t, path, lines...)
		size := len(r.body)
		for name, values := range r.header {
			size += len(name) + len(strings.Join(values, ""))
		}
		if r.status != 200 || len(r.body) != 0 || size > 2000 {
			t.Errorf("%s: %s with %d bytes", path, r, size)
		}
	}
}

// TestOnlyARefusalToAProxyHasHeadersForBrowsers: the proxy passes a refusal on to the browser, and no header of an answer that allows but those
// that it is told to. Neither may be cached.
func TestOnlyARefusalToAProxyHasHeadersForBrowsers(t *testing.T) {
	t.Attr("threat", "H03")
	f := startAlone(t, "--trusted-proxy", "127.0.0.1")
	about := func(uri string) reply {
		return f.question(t, "/api/authz/forward-auth", "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: "+f.host, "X-Forwarded-Uri: "+uri)
	}
	allowed, refused := about("/health"), about("/private")
	if allowed.status != 200 || refused.status != 401 {
		t.Fatalf("%s, and %s", allowed, refused)
	}
	for _, name := range []string{
		"X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy", "Content-Security-Policy",
	} {
		if allowed.header[name] != nil || len(refused.header[name]) != 1 {
			t.Errorf("%s: %q if the request is allowed, and %q if it is refused", name, allowed.header[name], refused.header[name])
		}
	}
	for _, r := range []reply{allowed, refused} {
		if r.header.Get("Cache-Control") != "no-store" || !strings.Contains(strings.Join(r.header["Vary"], ","), "Cookie") {
			t.Errorf("%s: Cache-Control %q, Vary %q", r, r.header["Cache-Control"], r.header["Vary"])
		}
	}
}

// nginx takes 401 and 403 for a refusal, and every other status except 2xx for a failure.
func TestNginxGetsOnlyStatusesThatItKnows(t *testing.T) {
	f := startAlone(t, "--trusted-proxy", "127.0.0.1")
	about := func(path, uri string) reply {
		return f.question(t, path, "X-Original-Method: GET", "X-Original-URL: https://"+f.host+uri)
	}
	for uri, want := range map[string][2]int{"/private": {401, 401}, "/a//b": {403, 400}, "/signin": {403, 403}, "/health": {200, 503}} {
		r, answer := about("/api/authz/auth-request", uri), about("/api/authz/refusal", uri)
		if r.status != want[0] || answer.status != want[1] {
			t.Errorf("%s: %s, and then %s, want %v", uri, r, answer, want)
		}
	}
}
