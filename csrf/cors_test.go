package csrf_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

func answer(p *csrf.Protection, status int, method string, headers ...string) http.Header {
	h := p.CORS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			panic("a preflight reached the handler")
		}
		w.Header().Add("Vary", "Cookie")
		http.Error(w, "x", status)
	}))
	r := request(headers...)
	r.Method = method
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result().Header
}

func hasVary(h http.Header) bool {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == "Origin" {
				return true
			}
		}
	}
	return false
}

var strangers = []string{
	"https://evil.test", "null", "*", "http://app.example.com", "https://app.example.com:8443", "https://APP.example.com",
	"https://app.example.com.evil.test", "https://evilapp.example.com", "https://blog.example.com", "https://app.example.com/",
	"app.example.com", "https://example.com", "https://a.app.example.com", "file://", " https://app.example.com",
}

func TestOnlyTrustedOriginsMayRead(t *testing.T) {
	t.Attr("threat", "F05")
	p := protection(t, csrf.Config{Origins: []string{app}})
	for _, status := range []int{200, 401, 403, 404, 429, 500, 503} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			for _, origin := range []string{app, here} {
				h := answer(p, status, method, "Origin", origin)
				if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || !hasVary(h) {
					t.Errorf("%d %s from %s: %v", status, method, origin, h)
				}
				if got := h.Get("Access-Control-Expose-Headers"); !strings.EqualFold(got, "Retry-After, WWW-Authenticate, X-Request-Id") {
					t.Errorf("exposed: %s", got)
				}
			}
			for _, origin := range strangers {
				h := answer(p, status, method, "Origin", origin)
				if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" || !hasVary(h) {
					t.Errorf("%d %s from %q: %v", status, method, origin, h)
				}
			}
			if h := answer(p, status, method); !hasVary(h) || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%d %s without Origin: %v", status, method, h)
			}
		}
	}
}

func preflight(p *csrf.Protection, origin, method, headers string) http.Header {
	list := []string{"Origin", origin, "Access-Control-Request-Method", method}
	if headers != "" {
		list = append(list, "Access-Control-Request-Headers", headers)
	}
	return answer(p, 200, "OPTIONS", list...)
}

func TestPreflightsAllowWhatTheListsSay(t *testing.T) {
	t.Attr("threat", "F05")
	p := protection(t, csrf.Config{Origins: []string{app}})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		h := preflight(p, app, method, "accept,authorization,content-type,user-agent,x-csrftoken,x-requested-with")
		if h.Get("Access-Control-Allow-Origin") != app || h.Get("Access-Control-Allow-Methods") != method ||
			h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Max-Age") != "7200" || !hasVary(h) {
			t.Errorf("%s: %v", method, h)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "QUERY", "PROPFIND", "post", "x"} {
		if h := preflight(p, app, method, ""); h.Get("Access-Control-Allow-Origin") != "" || !hasVary(h) {
			t.Errorf("%s: %v", method, h)
		}
	}
	for _, header := range []string{
		"x-session-token", "content-type,x-session-token", "X-Session-Token", "x-email-verification-key", "cookie", "*",
		"x-forwarded-for", "sec-fetch-site", "content-type,x-anything",
	} {
		h := preflight(p, app, "POST", header)
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("%s is allowed: %v", header, h)
		}
	}
}

func TestAPreflightFromElsewhereIsDenied(t *testing.T) {
	t.Attr("threat", "E08")
	t.Attr("threat", "E5")
	t.Attr("threat", "F05")
	p := protection(t, csrf.Config{Origins: []string{app}})
	for _, origin := range strangers {
		for _, header := range []string{"", "x-requested-with", "x-csrftoken", "content-type"} {
			h := preflight(p, origin, "POST", header)
			for name := range h {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%q with %q: %s: %s", origin, header, name, h.Get(name))
				}
			}
			if !hasVary(h) {
				t.Errorf("%q: no Vary: Origin", origin)
			}
		}
	}
}

func TestPlainOPTIONSReachesTheHandler(t *testing.T) {
	p := protection(t, csrf.Config{})
	if h := answer(p, 405, "OPTIONS", "Origin", here); !slices.Contains(h.Values("Vary"), "Cookie") {
		t.Errorf("%v", h)
	}
}
