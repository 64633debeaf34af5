package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

const trustedOrigin = "https://app.example.com"

// TestOnlyTrustedOriginsCanReadAnswers: they can read any response, also errors, with credentials. The allowed origin is exactly
// the one of the request, and Vary says that the response depends on it.
func TestOnlyTrustedOriginsCanReadAnswers(t *testing.T) {
	t.Attr("threat", "F05")
	s := start(t, options{tls: true, url: "https://auth.example.com", origins: []string{trustedOrigin}})
	u := s.user("ada")
	for origin, trusted := range map[string]bool{
		trustedOrigin: true, "https://auth.example.com": true,
		"": false, "null": false, "*": false, "https://evil.example": false, "http://app.example.com": false,
		"https://app.example.com.evil.example": false, "https://APP.example.com": false, "https://app.example.com:8443": false,
		"https://x.app.example.com": false,
	} {
		for _, route := range httpapi.Routes() {
			for who, c := range map[string]*client{"a user": s.as(u), "a visitor": s.client()} {
				header := []string{"Sec-Fetch-Site: same-site"}
				if origin != "" {
					header = append(header, "Origin: "+origin)
				}
				checkReadable(t, c.send(route.Method, at(route), nil, header...), origin, trusted, who+": "+at(route))
			}
		}
		for _, path := range []string{"/api/auth/x", "/api/me/x", "/x"} {
			checkReadable(t, s.client().send("GET", path, nil, "Origin: "+origin), origin, trusted, path)
		}
		checkReadable(t, s.client().send("PUT", "/api/me", nil, "Origin: "+origin), origin, trusted, "another method")
	}
}

func checkReadable(t *testing.T, r *answer, origin string, trusted bool, what string) {
	t.Helper()
	allow, credentials := r.Header.Values("Access-Control-Allow-Origin"), r.Header.Values("Access-Control-Allow-Credentials")
	exposed := strings.ToLower(r.Header.Get("Access-Control-Expose-Headers"))
	switch {
	case trusted && !(slices.Equal(allow, []string{origin}) && slices.Equal(credentials, []string{"true"})):
		t.Errorf("%s for %q: got %d can't be read: %q %q", what, origin, r.StatusCode, allow, credentials)
	case trusted && exposed != "retry-after, www-authenticate, x-request-id":
		t.Errorf("%s for %q: exposes %q", what, origin, exposed)
	case !trusted && len(allow)+len(credentials)+len(exposed) > 0:
		t.Errorf("%s for %q: got %d can be read: %q %q", what, origin, r.StatusCode, allow, credentials)
	case !slices.Contains(r.Header.Values("Vary"), "Origin"):
		t.Errorf("%s for %q: Vary %q", what, origin, r.Header.Values("Vary"))
	}
}

func TestOutagesCanBeRead(t *testing.T) {
	t.Attr("threat", "F05")
	for name, broken := range map[string]func(*testing.T) stores{"outage": noStores, "crash": crashing} {
		s := start(t, options{stores: broken, tls: true, url: "https://auth.example.com", origins: []string{trustedOrigin}})
		r := s.client().hold(anyTicket()).send("GET", "/api/me", nil, "Origin: "+trustedOrigin)
		if r.StatusCode < 500 {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		checkReadable(t, r, trustedOrigin, true, name)
	}
}

// TestPreflightsAllowWhatIsListed: a permission for trusted origins lasts two hours; other origins get none.
func TestPreflightsAllowWhatIsListed(t *testing.T) {
	t.Attr("threat", "F05")
	s := start(t, options{tls: true, url: "https://auth.example.com", origins: []string{trustedOrigin}})
	c := s.client()
	ask := func(origin, method, headers string) http.Header {
		lines := []string{"Origin: " + origin, "Access-Control-Request-Method: " + method}
		if headers != "" {
			lines = append(lines, "Access-Control-Request-Headers: "+headers)
		}
		r := c.send("OPTIONS", "/api/auth/sessions/x", nil, lines...)
		if r.StatusCode != 204 || len(r.body) > 0 || len(r.Cookies()) > 0 {
			t.Errorf("preflight of %s: got %d %s", origin, r.StatusCode, r.body)
		}
		return r.Header
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		h := ask(trustedOrigin, method, "content-type,x-csrftoken")
		if h.Get("Access-Control-Allow-Origin") != trustedOrigin || h.Get("Access-Control-Allow-Methods") != method ||
			h.Get("Access-Control-Allow-Headers") != "content-type,x-csrftoken" || h.Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("%s: %v", method, h)
		}
	}
	for name, h := range map[string]http.Header{
		"an app's token":   ask(trustedOrigin, "GET", "x-session-token"),
		"any header":       ask(trustedOrigin, "GET", "*"),
		"another method":   ask(trustedOrigin, "TRACE", ""),
		"another origin":   ask("https://evil.example", "POST", "content-type"),
		"no origin at all": ask("null", "POST", "content-type"),
	} {
		for header := range h {
			if strings.HasPrefix(header, "Access-Control-Allow") {
				t.Errorf("%s: %s: %s", name, header, h.Get(header))
			}
		}
	}
}

// TestAWildcardOriginCannotBeConfigured: the list has exact origins only.
func TestAWildcardOriginCannotBeConfigured(t *testing.T) {
	t.Attr("threat", "E6")
	for _, origin := range []string{"*", "null", "https://*", "https://*.example.com", "http://app.example.com", "https://evil.example", ""} {
		_, err := csrf.New(csrf.Config{
			URL: "https://auth.example.com", Origins: []string{origin}, Keys: func() [][]byte { return [][]byte{make([]byte, 32)} },
		})
		if err == nil {
			t.Errorf("%q was accepted", origin)
		}
	}
}

// TestNoAnswerIsAScript: no query parameter makes a response JSONP.
func TestNoAnswerIsAScript(t *testing.T) {
	t.Attr("threat", "F09")
	s := start(t, options{})
	c := s.as(s.user("ada"))
	for _, route := range reads() {
		for _, query := range []string{"?callback=f", "?jsonp=f", "?format=jsonp&callback=f", "?cb=f"} {
			plain, asked := c.send("GET", route.Path, nil), c.send("GET", route.Path+query, nil, "Accept: application/javascript, */*")
			if asked.Header.Get("Content-Type") != plain.Header.Get("Content-Type") || strings.HasPrefix(string(asked.body), "f(") {
				t.Errorf("%s%s: %s %s", route.Path, query, asked.Header.Get("Content-Type"), asked.body)
			}
		}
	}
}
