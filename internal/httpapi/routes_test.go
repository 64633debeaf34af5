package httpapi_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

// at returns a path of the route.
func at(r httpapi.Route) string { return segment.ReplaceAllString(r.Path, "unknown") }

var segment = regexp.MustCompile(`\{\w+\}`)

// unsafe returns the routes that may change something.
func unsafe() []httpapi.Route {
	return slices.DeleteFunc(httpapi.Routes(), func(r httpapi.Route) bool { return r.Method == http.MethodGet })
}

// reads returns the other routes.
func reads() []httpapi.Route {
	return slices.DeleteFunc(httpapi.Routes(), func(r httpapi.Route) bool { return r.Method != http.MethodGet })
}

// methods returns the methods of each path in the table of routes.
func methods() map[string][]string {
	all := map[string][]string{}
	for _, r := range httpapi.Routes() {
		all[at(r)] = append(all[at(r)], r.Method)
		if r.Method == http.MethodGet {
			all[at(r)] = append(all[at(r)], http.MethodHead)
		}
	}
	for path := range all {
		all[path] = append(all[path], http.MethodOptions)
		slices.Sort(all[path])
	}
	return all
}

func isPlain(path string) bool {
	return slices.ContainsFunc(httpapi.Routes(), func(r httpapi.Route) bool {
		return r.Plain && r.Path == strings.TrimSuffix(path, "/")
	})
}

// appBehind is an app that answers every request with a page.
func appBehind(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-App", "1")
		if _, err := io.WriteString(w, "<!doctype html><title>the app</title>"); err != nil && r.Method != http.MethodHead {
			t.Error(err)
		}
	})
}

// isProblem reports whether a response is a problem with this status and code. It checks only the status of a response to HEAD
// or of a compatibility route, whose bodies have no code.
func isProblem(a *answer, status int, code string) bool {
	if a.Request != nil && a.Request.URL != nil && isPlain(a.Request.URL.Path) && a.Header.Get("Content-Type") == "application/json" {
		return a.StatusCode == status
	}
	shown := a.code() == code || a.Request.Method == http.MethodHead && len(a.body) == 0
	return a.StatusCode == status && shown && a.Header.Get("Content-Type") == "application/problem+json"
}

func TestOnlyListedMethodsAreAccepted(t *testing.T) {
	t.Attr("threat", "H07")
	s := start(t, options{next: appBehind(t)})
	c := s.client()
	every := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "PROPFIND", "get", "Post", "NONSENSE"}
	for path, allowed := range methods() {
		for _, method := range every {
			r := c.send(method, path, nil)
			allow := strings.Join(allowed, ", ")
			if isPlain(path) {
				allow = "POST, OPTIONS" // in the order of Django REST framework
			}
			switch {
			case isPlain(path) && r.StatusCode == 401 && !slices.Contains(allowed, method): // it checks the caller first
			case slices.Contains(allowed, method) && r.StatusCode == 405:
				t.Errorf("%s %s: refused", method, path)
			case !slices.Contains(allowed, method) && !isProblem(r, 405, "method_not_allowed"):
				t.Errorf("%s %s: got %d %s", method, path, r.StatusCode, r.body)
			case r.StatusCode == 405 && r.Header.Get("Allow") != allow:
				t.Errorf("%s %s: Allow %q, not %q", method, path, r.Header.Get("Allow"), allow)
			}
		}
		if r := c.send("OPTIONS", path, nil); r.StatusCode != 204 || r.Header.Get("Allow") != strings.Join(allowed, ", ") {
			t.Errorf("OPTIONS %s: %d, Allow %q, not %q", path, r.StatusCode, r.Header.Get("Allow"), allowed)
		}
	}
	for _, page := range []string{"/signin", "/auth/account", "/auth/setup"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "TRACE"} {
			if r := c.send(method, page, nil); !isProblem(r, 405, "method_not_allowed") || r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, page, r.StatusCode, r.Header.Get("Allow"))
			}
		}
	}
}

func TestTrailingSlashMakesNoDifference(t *testing.T) {
	s := start(t, options{mail: codeBox(), change: binding})
	c := s.client()
	for _, route := range httpapi.Routes() {
		plain, slash := c.send(route.Method, at(route), nil), c.send(route.Method, at(route)+"/", nil)
		if plain.StatusCode != slash.StatusCode || plain.code() != slash.code() || slash.StatusCode == 404 && route.Path == at(route) {
			t.Errorf("%s %s: got %d without a slash, %d with one", route.Method, route.Path, plain.StatusCode, slash.StatusCode)
		}
		if two := c.send(route.Method, at(route)+"//", nil); two.StatusCode != 404 {
			t.Errorf("%s %s//: got %d", route.Method, route.Path, two.StatusCode)
		}
	}
}

// TestUnknownPathsAreRefused: a path under our prefixes that isn't in the table is refused and never reaches the app, signed in or
// not. So a cache can't be tricked into storing a user's page under the name of an image.
func TestUnknownPathsAreRefused(t *testing.T) {
	t.Attr("threat", "H06")
	s := start(t, options{next: appBehind(t)})
	paths := []string{
		"/api/auth", "/api/auth/", "/api/auth/x", "/api/auth/login/x", "/api/auth//login", "/api/auth/login;a=b",
		"/api/auth/sessions/a/b", "/api/auth/sessions//", "/api/auth/sessions/a%2Fb/c", "/api/auth/me.css", "/api/me/x.css",
		"/api/me/avatar.png", "/auth", "/auth/", "/auth/x", "/auth/account/x.js", "/auth/index.html",
		"/auth/assets", "/auth/assets/", "/auth/assets/x.js", "/auth/assets/..%2findex.html", "/auth/setup/x", "/signin/x",
		"/signin/x.css", "/signin//", "/healthz/x", "/readyz/x", "/%61pi/auth/me", "/api/%61uth/me", "/api/auth%2Fme", "/%73ignin",
		"/api/auth/%6De",
	}
	u := s.user("ada")
	for name, c := range map[string]*client{"a visitor": s.client(), "a user": s.as(u)} {
		for _, path := range paths {
			for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
				r := c.send(method, path, nil)
				if r.StatusCode != 404 || r.Header.Get("Content-Type") != "application/problem+json" || r.Header.Get("X-App") != "" {
					t.Errorf("%s: %s %s: got %d %s", name, method, path, r.StatusCode, r.Header.Get("Content-Type"))
				}
				if r.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %s %s: Cache-Control %q", name, method, path, r.Header.Get("Cache-Control"))
				}
			}
		}
		for _, path := range []string{"/", "/api", "/api/", "/api/orders", "/api/mechanics", "/authors", "/signing", "/healthzz", "/x/auth"} {
			if r := c.send("GET", path, nil); r.StatusCode != 200 || r.Header.Get("X-App") == "" {
				t.Errorf("%s: GET %s didn't reach the app: got %d", name, path, r.StatusCode)
			}
		}
	}
}

func TestWithoutAnAppTheRootRedirectsToTheAccountPage(t *testing.T) {
	s := start(t, options{})
	c := s.client()
	for _, path := range []string{"/", "/?next=//evil.example", "/?x=1"} {
		r := c.send("GET", path, nil)
		if r.StatusCode != 303 || r.Header.Get("Location") != "/auth/account" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for _, path := range []string{"/x", "//evil.example", "//evil.example/..", `/\evil.example`, "/index.html", "/../auth/account"} {
		if r := c.send("GET", path, nil); !isProblem(r, 404, "not_found") {
			t.Errorf("%s: got %d %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := c.send("POST", "/", nil); !isProblem(r, 404, "not_found") {
		t.Errorf("POST /: got %d", r.StatusCode)
	}
}

// TestHEADIsGETWithoutTheBody: HEAD passes the same checks, and gives the same header.
func TestHEADIsGETWithoutTheBody(t *testing.T) {
	t.Attr("threat", "E8")
	s := start(t, options{})
	u := s.user("ada")
	for name, c := range map[string]*client{"a visitor": s.client(), "a user": s.as(u)} {
		paths := []string{"/", "/signin", "/auth/account", "/api/auth/x", "/x"}
		for _, route := range reads() {
			paths = append(paths, route.Path)
		}
		for _, path := range paths {
			get, head := c.send("GET", path, nil), c.send("HEAD", path, nil)
			if get.StatusCode != head.StatusCode || len(head.body) != 0 {
				t.Errorf("%s: %s: GET %d, HEAD %d with %d bytes", name, path, get.StatusCode, head.StatusCode, len(head.body))
			}
			for _, answer := range []*answer{get, head} {
				for _, own := range []string{"Date", "X-Request-Id", "Set-Cookie"} {
					answer.Header.Del(own)
				}
			}
			if get.StatusCode >= 400 || get.StatusCode == 303 {
				get.Header.Del("Content-Length") // may be left out, RFC 9110 section 9.3.2
			}
			if !maps.EqualFunc(get.Header, head.Header, slices.Equal) {
				t.Errorf("%s: %s:\nGET  %v\nHEAD %v", name, path, get.Header, head.Header)
			}
		}
	}
}

// TestMethodsCannotBeOverridden: only the request line determines the method.
func TestMethodsCannotBeOverridden(t *testing.T) {
	t.Attr("threat", "F02")
	s := start(t, options{})
	ada := s.user("ada")
	c, other := s.as(ada), s.as(ada)
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"} {
		for _, method := range []string{"DELETE", "POST", "GET"} {
			if r := c.send("GET", "/api/auth/sessions?_method="+method+"&method="+method, nil, header+": "+method); r.field("sessions") == nil {
				t.Errorf("GET with %s: %s: got %d %s", header, method, r.StatusCode, r.body)
			}
		}
		for _, route := range []string{"/api/auth/sessions", "/api/me"} {
			if r := c.send("POST", route, nil, header+": DELETE"); r.StatusCode != 405 {
				t.Errorf("POST %s with %s: DELETE: got %d", route, header, r.StatusCode)
			}
			form := bytes.NewReader([]byte("_method=DELETE"))
			if r := c.raw("POST", route, form, "Content-Type: application/x-www-form-urlencoded"); r.StatusCode != 405 {
				t.Errorf("POST %s with _method=DELETE: got %d", route, r.StatusCode)
			}
		}
	}
	if r := other.send("GET", "/api/me", nil); r.StatusCode != 200 {
		t.Errorf("the other session ended: got %d", r.StatusCode)
	}
}
