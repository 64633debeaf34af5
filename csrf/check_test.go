package csrf_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

const app = "https://app.example.com"

func session(id string) func() (string, error) {
	return func() (string, error) { return id, nil }
}

// What Chromium 156 sends, by the page that makes the request.
var initiators = []struct {
	name    string
	headers []string
	refused bool
	trusted bool // let through once app is a trusted origin
}{
	{"same-origin fetch or beacon", []string{"Sec-Fetch-Site", "same-origin", "Origin", here}, false, true},
	{"same-origin form without referrer", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, false, true},
	{"typed by the user", []string{"Sec-Fetch-Site", "none"}, false, true},
	{"sibling's no-cors fetch or form", []string{"Sec-Fetch-Site", "same-site", "Origin", app}, true, true},
	{"sibling's JSON fetch", []string{"Sec-Fetch-Site", "same-site", "Origin", app, "Content-Type", "application/json"}, true, true},
	{"another sibling's form", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.com"}, true, false},
	{"sibling's form without referrer", []string{"Sec-Fetch-Site", "same-site", "Origin", "null"}, true, false},
	{"cross-site fetch or form", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, true, false},
	{"sandboxed iframe's form", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, true, false},
	{"http page of the same host", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://auth.example.com"}, true, false},
	{"http page of the trusted host", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://app.example.com"}, true, false},
	{"cross-site, and no origin", []string{"Sec-Fetch-Site", "cross-site"}, true, false},
	{"same-site, and no origin", []string{"Sec-Fetch-Site", "same-site"}, true, false},
	{"an unknown value", []string{"Sec-Fetch-Site", "Same-Origin", "Origin", "https://evil.test"}, true, false},
	{"a blank value", []string{"Sec-Fetch-Site", " ", "Origin", "https://evil.test"}, true, false},

	{"old browser, same origin", []string{"Origin", here}, false, true},
	{"old browser, trusted sibling", []string{"Origin", app}, true, true},
	{"old browser, another sibling", []string{"Origin", "https://blog.example.com"}, true, false},
	{"old browser, cross-site", []string{"Origin", "https://evil.test"}, true, false},
	{"old browser, null", []string{"Origin", "null"}, true, false},
	{"old browser, http page of the same host", []string{"Origin", "http://auth.example.com"}, true, false},
	{"old browser, http page of the trusted host", []string{"Origin", "http://app.example.com"}, true, false},
	{"old browser, another port", []string{"Origin", "https://auth.example.com:8443"}, true, false},
	{"old browser, upper case", []string{"Origin", "https://AUTH.example.com"}, true, false},
	{"old browser, a slash", []string{"Origin", here + "/"}, true, false},
	{"old browser, a user name", []string{"Origin", "https://x@auth.example.com"}, true, false},
	{"old browser, our host as a prefix", []string{"Origin", here + ".evil.test"}, true, false},
	{"old browser, an extension", []string{"Origin", "chrome-extension://auth.example.com"}, true, false},
	{"old browser, garbage", []string{"Origin", "://auth.example.com"}, true, false},

	{"a program", nil, false, true},
}

func TestOnlyConfiguredOriginsMayDoUnsafeThings(t *testing.T) {
	t.Attr("threat", "F01")
	alone := protection(t, csrf.Config{})
	with := protection(t, csrf.Config{Origins: []string{app}})
	for _, c := range initiators {
		t.Run(c.name, func(t *testing.T) {
			want, wantTrusted := "", ""
			if c.refused {
				want = "csrf_failed"
			}
			if !c.trusted {
				wantTrusted = "csrf_failed"
			}
			for _, who := range []csrf.Caller{{}, {Ticket: len(c.headers) > 0, Binding: session("s1")}, {Header: true}} {
				if got := code(alone.Check(request(c.headers...), who)); got != want {
					t.Errorf("%+v: %q, want %q", who, got, want)
				}
				if got := code(with.Check(request(c.headers...), who)); got != wantTrusted {
					t.Errorf("%+v, app trusted: %q, want %q", who, got, wantTrusted)
				}
			}
		})
	}
}

func TestAnotherSiteCannotSignAVisitorIn(t *testing.T) {
	t.Attr("threat", "E07")
	t.Attr("threat", "F10")
	t.Attr("threat", "E12")
	p := protection(t, csrf.Config{Origins: []string{app}})
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test", "Content-Type", "application/x-www-form-urlencoded"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "null", "Content-Type", "text/plain"},
		{"Origin", "https://evil.test", "Content-Type", "text/plain"},
		{"Origin", "https://evil.test", "Authorization", "Basic bWFsbG9yeTpw"},
	} {
		if got := code(p.Check(request(headers...), csrf.Caller{})); got != "csrf_failed" {
			t.Errorf("%v: %q", headers, got)
		}
	}
}

func TestEveryMethodButThreeIsUnsafe(t *testing.T) {
	t.Attr("threat", "F02")
	t.Attr("threat", "E8")
	p := protection(t, csrf.Config{Strict: true})
	evil := func(method string) string {
		r := request("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test", "X-HTTP-Method-Override", "GET", "X-CSRFToken", "x")
		r.Method = method
		return code(p.Check(r, csrf.Caller{Ticket: true}))
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		if got := evil(method); got != "" {
			t.Errorf("%s: %q", method, got)
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY", "PROPFIND", "get", "Head", "GETX", ""} {
		if got := evil(method); got != "csrf_failed" {
			t.Errorf("%s: %q", method, got)
		}
	}
}

func TestATicketWithoutAnOriginNeedsAToken(t *testing.T) {
	t.Attr("threat", "F04")
	p := protection(t, csrf.Config{})
	token := p.Issue(httptest.NewRecorder(), request(), "s1")
	signedIn := csrf.Caller{Ticket: true, Binding: session("s1")}
	if got := code(p.Check(request(), signedIn)); got != "origin_required" {
		t.Errorf("without a token: %q", got)
	}
	if got := code(p.Check(request("X-CSRFToken", ""), signedIn)); got != "origin_required" {
		t.Errorf("with an empty token: %q", got)
	}
	if got := code(p.Check(request("X-CSRFToken", token), signedIn)); got != "" {
		t.Errorf("with the token: %q", got)
	}
	if got := code(p.Check(request("X-CSRFToken", strings.Repeat("a", 32)), signedIn)); got != "csrf_failed" {
		t.Errorf("with another token: %q", got)
	}
	if got := code(p.Check(request("Referer", here+"/"), signedIn)); got != "origin_required" {
		t.Errorf("with a Referer: %q", got)
	}
	if got := code(p.Check(request(), csrf.Caller{})); got != "" {
		t.Errorf("without a ticket: %q", got)
	}
	if got := code(p.Check(request(), csrf.Caller{Header: true})); got != "" {
		t.Errorf("with an API token: %q", got)
	}
}

func TestTheHTTPFormOfATrustedOriginIsRefused(t *testing.T) {
	t.Attr("threat", "E2")
	p := protection(t, csrf.Config{Origins: []string{app}})
	r := request("Origin", "http://app.example.com")
	for _, host := range []string{"auth.example.com", "app.example.com"} {
		r.Host = host
		if got := code(p.Check(r, csrf.Caller{})); got != "csrf_failed" {
			t.Errorf("at %s: %q", host, got)
		}
	}
}

func TestTheHostHeaderIsNoProofOfOrigin(t *testing.T) {
	p := protection(t, csrf.Config{})
	r := request("Origin", "https://evil.test")
	r.Host = "evil.test"
	if got := code(p.Check(r, csrf.Caller{})); got != "csrf_failed" {
		t.Errorf("an origin that fits Host: %q", got)
	}
	r = request("Origin", here)
	r.Host = "10.0.0.1:8000" // as a proxy may rewrite it
	if got := code(p.Check(r, csrf.Caller{})); got != "" {
		t.Errorf("our origin behind a proxy: %q", got)
	}
}

func TestACustomHeaderIsNoProofOfOrigin(t *testing.T) {
	t.Attr("threat", "E08")
	t.Attr("threat", "E5")
	p := protection(t, csrf.Config{})
	for _, headers := range [][]string{
		{"X-Requested-With", "XMLHttpRequest", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"},
		{"X-Requested-With", "XMLHttpRequest", "Origin", "https://evil.test"},
	} {
		if got := code(p.Check(request(headers...), csrf.Caller{Ticket: true})); got != "csrf_failed" {
			t.Errorf("%v: %q", headers, got)
		}
	}
	if got := code(p.Check(request("X-Requested-With", "XMLHttpRequest"), csrf.Caller{Ticket: true})); got != "origin_required" {
		t.Errorf("alone: %q", got)
	}
}

func TestLoopbackNamesAreAllOurs(t *testing.T) {
	for _, url := range []string{"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"} {
		p := protection(t, csrf.Config{URL: url})
		for _, origin := range []string{"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"} {
			if err := p.Check(request("Origin", origin), csrf.Caller{}); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		}
		for _, origin := range []string{"http://localhost:3000", "https://localhost:8000", "http://127.0.0.2:8000", "http://localhost"} {
			if p.Check(request("Origin", origin), csrf.Caller{}) == nil {
				t.Errorf("%s trusts %s", url, origin)
			}
		}
	}
}

func TestStrictRequiresATokenOfEveryBrowser(t *testing.T) {
	p := protection(t, csrf.Config{Strict: true})
	browser := []string{"Sec-Fetch-Site", "same-origin", "Origin", here}
	token := p.Issue(httptest.NewRecorder(), request(), "s1")
	for _, c := range []struct {
		name    string
		headers []string
		who     csrf.Caller
		want    string
	}{
		{"a browser with a session", browser, csrf.Caller{Ticket: true, Binding: session("s1")}, "csrf_failed"},
		{"and the token", append([]string{"X-CSRFToken", token}, browser...), csrf.Caller{Ticket: true, Binding: session("s1")}, ""},
		{"a browser signing in", browser, csrf.Caller{}, "csrf_failed"},
		{"an old browser signing in", []string{"Origin", here}, csrf.Caller{}, "csrf_failed"},
		{"a program with a session", nil, csrf.Caller{Ticket: true, Binding: session("s1")}, "csrf_failed"},
		{"a program signing in", nil, csrf.Caller{}, ""},
		{"a page with an API token", browser, csrf.Caller{Header: true}, ""},
	} {
		if got := code(p.Check(request(c.headers...), c.who)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnOutageIsAnErrorOfItsOwn(t *testing.T) {
	outage := errors.New("connection refused")
	p := protection(t, csrf.Config{})
	who := csrf.Caller{Ticket: true, Binding: func() (string, error) { return "", outage }}
	if err := p.Check(request("X-CSRFToken", strings.Repeat("a", 32)), who); !errors.Is(err, outage) {
		t.Error(err)
	}
	who.Binding = func() (string, error) { t.Error("asked for the session without a need"); return "", nil }
	_ = p.Check(request("Origin", here), who)
	_ = p.Check(request(), who)
	_ = p.Check(request("X-CSRFToken", "short"), who)
	_ = p.Check(request("Origin", "https://evil.test", "X-CSRFToken", strings.Repeat("a", 32)), who)
}

func TestReasonsAreThoseOfDjango(t *testing.T) {
	p := protection(t, csrf.Config{Strict: true})
	signedIn := csrf.Caller{Ticket: true, Binding: session("s1")}
	a32 := strings.Repeat("a", 32)
	for _, c := range []struct {
		headers []string
		form    string
		who     csrf.Caller
		want    string
	}{
		{[]string{"Origin", "http://x"}, "", signedIn, "CSRF Failed: Origin checking failed - http://x does not match any trusted origins."},
		{[]string{"Origin", "null"}, "", signedIn, "CSRF Failed: Origin checking failed - null does not match any trusted origins."},
		{nil, "", signedIn, "CSRF Failed: CSRF token missing."},
		{[]string{"X-CSRFToken", "a"}, "", signedIn, "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header has incorrect length."},
		{[]string{"X-CSRFToken", a32[1:] + "-"}, "", signedIn, "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header has invalid characters."},
		{[]string{"X-CSRFToken", a32}, "", signedIn, "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header incorrect."},
		{nil, a32, signedIn, "CSRF Failed: CSRF token from POST incorrect."},
		{nil, "a", signedIn, "CSRF Failed: CSRF token from POST has incorrect length."},
		{[]string{"X-CSRFToken", a32}, "", csrf.Caller{}, "CSRF Failed: CSRF cookie not set."},
		{[]string{"X-CSRFToken", a32, "Cookie", "csrftoken=a"}, "", csrf.Caller{}, "CSRF Failed: CSRF cookie has incorrect length."},
		{[]string{"X-CSRFToken", a32, "Cookie", "csrftoken=" + a32[1:] + "-"}, "", csrf.Caller{}, "CSRF Failed: CSRF cookie has invalid characters."},
	} {
		c.who.FormToken = c.form
		refused := new(csrf.Error)
		if err := p.Check(request(c.headers...), c.who); !errors.As(err, &refused) || refused.Detail != c.want {
			t.Errorf("%v %q: %v, want %q", c.headers, c.form, err, c.want)
		}
	}
	err := p.Check(request("Origin", "https://"+strings.Repeat("x", 1<<20)), signedIn)
	if refused := new(csrf.Error); !errors.As(err, &refused) || len(refused.Detail) > 500 {
		t.Error("a long origin comes back whole")
	}
}
