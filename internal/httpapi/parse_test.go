package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOnlyTheExactCookieNameIsAccepted: the name in the Cookie header must match byte for byte (K06). The variants have misled
// the parsers of Rack, Werkzeug, PHP, Django and legacy cookies.
func TestOnlyTheExactCookieNameIsAccepted(t *testing.T) {
	t.Attr("threat", "A5")
	t.Attr("threat", "A6")
	t.Attr("threat", "A8")
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			s := start(t, scheme.options)
			ticket := s.as(s.user("ada")).ticket()
			name := scheme.session
			ask := func(cookies string) *answer {
				return s.wire(t, "GET /api/me HTTP/1.1\r\nHost: "+s.host()+"\r\n"+cookies+"Connection: close\r\n\r\n")
			}
			for _, cookie := range []string{
				strings.ToUpper(name) + "=" + ticket, strings.ToLower(name) + "X=" + ticket, "x" + name + "=" + ticket, "=" + name + "=" + ticket,
				strings.Replace(name, "s", "%73", 1) + "=" + ticket, strings.Replace(name, "s", "%5f", 1) + "=" + ticket, ".." + name + "=" + ticket,
				"\u2000" + name + "=" + ticket, "\u00a0" + name + "=" + ticket, "\u0085" + name + "=" + ticket, "\xa0" + name + "=" + ticket,
				"a=b;\t" + name + "=" + ticket, name + " =" + ticket, name + "\t=" + ticket, "$Version=1, " + name + "=" + ticket,
				"a=b, " + name + "=" + ticket, "a=[" + name + "=" + ticket + "]", "a=b&" + name + "=" + ticket, "a=b|" + name + "=" + ticket,
				`a="b; ` + name + "=" + ticket[:42], name + ticket, name, name + "=", name + `=""`, name + `="` + ticket + `"`, name + "='" + ticket + "'",
				name + "[]=" + ticket, "{" + name + "}=" + ticket, name + "==" + ticket, name + "=\t" + ticket,
			} {
				if r := ask("Cookie: " + cookie + "\r\n"); r.StatusCode != 401 {
					t.Errorf("%q: got %d", cookie, r.StatusCode)
				}
			}
			for _, cookies := range []string{
				"Cookie: " + name + "=" + ticket + "\r\n",
				"cookie: " + name + "=" + ticket + "\r\n",
				"Cookie: a=b; " + name + "=" + ticket + "; c=d\r\n",
				"Cookie: a=b;" + name + "=" + ticket + ";\r\n",
				"Cookie: a=\"b; " + name + "=" + ticket + "\r\n",
				"Cookie: a=b,c; " + name + "=" + ticket + "\r\n",
				"Cookie: a=b\r\nCookie: " + name + "=" + ticket + "\r\n",
				"Cookie: " + strings.ToUpper(name) + "=x; " + name + "=" + ticket + "\r\n",
			} {
				if r := ask(cookies); r.StatusCode != 200 {
					t.Errorf("%q: got %d %s", cookies, r.StatusCode, r.body)
				}
			}
		})
	}
}

// TestTwoSessionCookiesAreRefused: a sibling domain may have planted one of them, and the server can't tell which.
func TestTwoSessionCookiesAreRefused(t *testing.T) {
	t.Attr("threat", "A4")
	t.Attr("threat", "K06")
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			s := start(t, scheme.options)
			ada, bob := s.as(s.user("ada")).ticket(), s.as(s.user("bob")).ticket()
			name := scheme.session + "="
			for _, cookies := range []string{
				name + ada + "; " + name + bob, name + bob + "; " + name + ada, name + ada + "; " + name + ada, name + ada + "; " + name,
				name + "; " + name + ada, name + ada + "; x=y; " + name + "junk", name + ada + "\r\nCookie: " + name + bob,
			} {
				r := s.wire(t, "GET /api/me HTTP/1.1\r\nHost: "+s.host()+"\r\nCookie: "+cookies+"\r\nConnection: close\r\n\r\n")
				if !isProblem(&answer{Response: withRequest(r), body: r.body}, 401, "two_session_cookies") || len(r.Cookies()) > 0 {
					t.Errorf("%q: got %d %s", cookies, r.StatusCode, r.body)
				}
			}
			if !s.logged(`"msg":"input_validation_fail"`, "two session cookies") {
				t.Error("the two cookies were not logged")
			}
			for _, ticket := range []string{ada, bob} {
				if r := s.client().hold(ticket).send("GET", "/api/me", nil); !isSignedIn(r) {
					t.Errorf("the session ended: got %d", r.StatusCode)
				}
			}
		})
	}
}

// withRequest adds a request to a response that was read from a connection.
func withRequest(a *answer) *http.Response {
	a.Response.Request = &http.Request{Method: http.MethodGet}
	return a.Response
}

// TestFloodsOfCookiesAreCheap: thousands of cookies are skipped; a header that is too large gets 431.
func TestFloodsOfCookiesAreCheap(t *testing.T) {
	t.Attr("threat", "A7")
	open, plan := counting(t)
	s := start(t, options{stores: open})
	ticket := s.as(s.user("ada")).ticket()
	ask := func(cookies string) *answer {
		return s.wire(t, "GET /api/me HTTP/1.1\r\nHost: "+s.host()+"\r\nCookie: "+cookies+"\r\nConnection: close\r\n\r\n")
	}
	for name, row := range map[string]struct {
		cookies string
		status  int
	}{
		"5000 cookies":               {strings.Repeat("a=;", 5000), 401},
		"5000 and the ticket":        {strings.Repeat("a=;", 5000) + " sessionid=" + ticket, 200},
		"20000 semicolons":           {strings.Repeat(";", 20000), 401},
		"20000 blanks":               {"a=b;" + strings.Repeat(" ", 20000) + "c=d", 401},
		"5000 session cookies":       {strings.Repeat("sessionid="+ticket[:1]+";", 5000), 401},
		"1000 tickets":               {strings.Repeat("sessionid="+ticket+";", 1000), 401},
		"a megabyte":                 {"a=" + strings.Repeat("b", 1<<20), 431},
		"a megabyte of cookies":      {strings.Repeat("a=;", 1<<20/3), 431},
		"a megabyte in one csrf one": {"csrftoken=" + strings.Repeat("b", 1<<20), 431},
	} {
		calls := since(plan, func() {
			if r := ask(row.cookies); r.StatusCode != row.status {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		})
		if row.status != 200 && len(calls) > 0 {
			t.Errorf("%s: the calls to the stores are %q, want none", name, calls)
		}
	}
}
