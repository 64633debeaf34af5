package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// snapshot returns everything that is stored, except for when sessions were last used.
func snapshot(t *testing.T, st stores) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var b strings.Builder
	sessions, err := st.Sessions.List(ctx, session.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range sessions {
		r.Seen, r.Expires, r.Version = 0, 0, ""
		fmt.Fprintf(&b, "%+v\n", *r)
	}
	users, err := st.Accounts.List(ctx, account.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		fmt.Fprintf(&b, "%+v\n", *u)
		b.WriteString(factorsOf(t, st, u.ID))
	}
	groups, err := st.Accounts.Groups(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v\n", groups)
	return b.String()
}

// factorsOf returns what a user has besides a password.
func factorsOf(t *testing.T, st stores, user string) string {
	t.Helper()
	if st.Factors == nil {
		return ""
	}
	p, err := st.Factors.Load(context.WithoutCancel(t.Context()), user)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%d recovery codes, second step %t", p.RecoveryCodes, p.SecondStep)
	for _, f := range p.Factors {
		text += fmt.Sprintf(", %+v", *f)
	}
	return text + "\n"
}

// foreign has the ways in which a page of another site can make a browser send a request, with the headers that show it.
var foreign = map[string][]string{
	"a form of another site":           {"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
	"a form of a sibling domain":       {"Sec-Fetch-Site: same-site", "Origin: https://sibling.example.com"},
	"a sandboxed frame":                {"Sec-Fetch-Site: cross-site", "Origin: null"},
	"a sandboxed frame, old browser":   {"Origin: null"},
	"another site, old browser":        {"Origin: https://evil.example"},
	"another site, no Origin":          {"Sec-Fetch-Site: cross-site"},
	"a sibling, no Origin":             {"Sec-Fetch-Site: same-site"},
	"a Sec-Fetch-Site in another case": {"Sec-Fetch-Site: Same-Origin", "Origin: https://evil.example"},
	"an empty site and another origin": {"Sec-Fetch-Site: ", "Origin: https://evil.example"},
	"our name with more after it":      {"Origin: http://127.0.0.1.evil.example"},
	"a forged Referer":                 {"Origin: https://evil.example", "Referer: http://127.0.0.1/"},
	"a header that scripts add":        {"Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "X-Requested-With: XMLHttpRequest"},
}

// kinds are the bodies that forms and simple requests can have, and JSON.
var kinds = map[string]string{
	"Content-Type: application/x-www-form-urlencoded": "username=ada&password=" + strings.ReplaceAll(goodPassword, " ", "+"),
	"Content-Type: text/plain":                        `{"username":"ada","password":"` + goodPassword + `"}`,
	"Content-Type: application/json":                  `{"username":"ada","password":"` + goodPassword + `"}`,
	"X-Nothing: at all":                               "",
}

// TestForeignPagesCantChangeAnything: each route that may change something refuses each foreign page, with any body, whether or
// not the browser is signed in. That includes the sign-in.
func TestForeignPagesCantChangeAnything(t *testing.T) {
	t.Attr("threat", "F01")
	t.Attr("threat", "F10")
	t.Attr("threat", "E12")
	s := start(t, options{})
	u := s.user("ada")
	user, visitor := s.as(u), s.client()
	before := snapshot(t, s.stores)
	for name, header := range foreign {
		for who, c := range map[string]*client{"a user": user, "a visitor": visitor} {
			for _, route := range unsafe() {
				for kind, body := range kinds {
					r := c.raw(route.Method, at(route), strings.NewReader(body), append([]string{kind}, header...)...)
					if !isProblem(r, 403, "csrf_failed") || len(r.Cookies()) > 0 {
						t.Errorf("%s of %s by %s, %s: got %d %s", route, who, name, kind, r.StatusCode, r.body)
					}
				}
			}
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	if !s.logged(`"msg":"malicious_csrf"`, `"source_ip":"127.0.0.1"`) {
		t.Error("nothing was logged")
	}
}

// TestPlainHTTPPagesOfOurOwnHostAreForeign: an attacker on the network can change http pages, so these must not send requests to
// the https site. Some browsers send Sec-Fetch-Site, others only the origin.
func TestPlainHTTPPagesOfOurOwnHostAreForeign(t *testing.T) {
	t.Attr("threat", "E1")
	t.Attr("threat", "F01")
	s := start(t, options{tls: true})
	c := s.as(s.user("ada"))
	plain := "Origin: http://" + strings.TrimPrefix(s.URL, "https://")
	for _, header := range [][]string{
		{plain},
		{plain, "Sec-Fetch-Site: cross-site"},
		{plain, "Referer: " + s.URL + "/signin"},
		{"Origin: " + strings.ToUpper(s.URL)},
		{"Origin: " + s.URL + "/"},
		{"Origin: " + s.URL + ".evil.example"},
	} {
		for _, route := range unsafe() {
			if r := c.send(route.Method, at(route), nil, header...); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("%s with %q: got %d %s", route, header, r.StatusCode, r.body)
			}
		}
	}
	if r := c.send("POST", "/api/auth/logout", nil, "Origin: "+s.URL); r.StatusCode != 200 {
		t.Errorf("an old browser of ours: got %d %s", r.StatusCode, r.body)
	}
}

// TestTrustedOriginsAreTrustedWithTheirScheme: the list has origins, not hosts.
func TestTrustedOriginsAreTrustedWithTheirScheme(t *testing.T) {
	t.Attr("threat", "E2")
	s := start(t, options{tls: true, url: "https://auth.example.com", origins: []string{"https://app.example.com"}})
	c := s.client()
	for origin, status := range map[string]int{
		"https://auth.example.com": 200, "https://app.example.com": 200,
		"http://auth.example.com": 403, "http://app.example.com": 403, "https://app.example.com:444": 403,
		"https://app.example.com.": 403, "https://APP.example.com": 403, "https://x.app.example.com": 403,
		"https://example.com": 403, "app.example.com": 403, "https://app.example.comx": 403, "https://xapp.example.com": 403,
	} {
		for _, site := range []string{"", "same-site", "cross-site"} {
			header := []string{"Origin: " + origin}
			if site != "" {
				header = append(header, "Sec-Fetch-Site: "+site)
			}
			if r := c.send("POST", "/api/auth/logout", nil, header...); r.StatusCode != status {
				t.Errorf("%s, %q: %d, not %d", origin, site, r.StatusCode, status)
			}
		}
	}
}

// TestNoSpellingOfAPathEscapesTheCheck: the check comes before the path is matched.
func TestNoSpellingOfAPathEscapesTheCheck(t *testing.T) {
	t.Attr("threat", "E3")
	s := start(t, options{next: appBehind(t)})
	c := s.as(s.user("ada"))
	for _, path := range []string{
		"/api/auth/logout", "/api/auth/logout/", "/api/auth//logout", "//api/auth/logout", "/api/auth/./logout", "/api/auth/x/../logout",
		"/%61pi/auth/logout", "/api/auth/log%6fut", "/api/auth%2Flogout", "/API/auth/logout", "/healthz", "/readyz/", "/signin",
		"/api/auth/logout?x=/healthz", "/healthz/../api/auth/logout", "/orders", "/",
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "get", "QUERY", "TRACE", "BREW"} {
			if r := c.send(method, path, nil, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"); r.StatusCode != 403 {
				t.Errorf("%s %s: got %d", method, path, r.StatusCode)
			}
		}
	}
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
		t.Errorf("signed out: got %d", r.StatusCode)
	}
}

// TestWithoutOriginHeadersASessionNeedsTheCSRFToken: a request without Origin and Sec-Fetch-Site needs the csrftoken if it has a
// session cookie, and passes otherwise.
func TestWithoutOriginHeadersASessionNeedsTheCSRFToken(t *testing.T) {
	t.Attr("threat", "F04")
	s := start(t, options{})
	u := s.user("ada")
	program := s.program()
	if r := program.login("ada", goodPassword); r.StatusCode != 200 {
		t.Fatalf("sign-in of a program: got %d %s", r.StatusCode, r.body)
	}
	before := snapshot(t, s.stores)
	for _, route := range unsafe() {
		if r := program.send(route.Method, at(route), nil); !isProblem(r, 403, "origin_required") {
			t.Errorf("%s: got %d %s", route, r.StatusCode, r.body)
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	token := "X-CSRFToken: " + program.cookie("csrftoken")
	if r := program.send("POST", "/api/auth/logout", nil, token); r.StatusCode != 200 {
		t.Errorf("with its csrftoken: got %d %s", r.StatusCode, r.body)
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are still %d sessions", n)
	}
}

// cookie returns the value of the client's cookie of the name, or "" if it has none.
func (c *client) cookie(name string) string {
	for _, cookie := range c.jar.Cookies(c.base()) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// TestSignOutIsASameOriginPOST: no link, image or other page can sign a user out. A second sign-out succeeds too.
func TestSignOutIsASameOriginPOST(t *testing.T) {
	t.Attr("threat", "X06")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	ticket := c.ticket()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		c.send(method, "/api/auth/logout", nil)
	}
	c.send("POST", "/api/auth/logout", nil, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
		t.Fatalf("signed out: got %d", r.StatusCode)
	}
	for _, who := range []*client{c, c, s.client().hold(ticket), s.client().hold(anyTicket()), s.client()} {
		if r := who.send("POST", "/api/auth/logout", nil); r.StatusCode != 200 || string(r.body) != "{}\n" {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are still %d sessions", n)
	}
}

// TestAHeaderThatScriptsAddProvesNothing: such a header isn't accepted instead of the origin, and CORS lets no foreign page add
// it.
func TestAHeaderThatScriptsAddProvesNothing(t *testing.T) {
	t.Attr("threat", "E5")
	s := start(t, options{})
	c := s.as(s.user("ada"))
	for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example"} {
		for _, header := range []string{"X-Requested-With: XMLHttpRequest", "X-CSRFToken: " + c.cookie("csrftoken"), "Authorization: Bearer x"} {
			if r := c.send("POST", "/api/auth/logout", nil, "Origin: "+origin, header); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("%s with %s: got %d", origin, header, r.StatusCode)
			}
			name, _, _ := strings.Cut(header, ":")
			r := c.send("OPTIONS", "/api/auth/logout", nil, "Origin: "+origin,
				"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+strings.ToLower(name))
			for name := range r.Header {
				if strings.HasPrefix(name, "Access-Control-Allow") {
					t.Errorf("preflight of %s for %s: %s: %s", origin, header, name, r.Header.Get(name))
				}
			}
		}
	}
}

// TestARefusedRequestIsNotCarriedOutLater: a request that was refused before the sign-in isn't carried out after it.
func TestARefusedRequestIsNotCarriedOutLater(t *testing.T) {
	t.Attr("threat", "E9")
	s := start(t, options{})
	s.user("ada")
	c := s.client()
	change := map[string]string{"current_password": goodPassword, "new_password": "another battery altogether"}
	if r := c.send("POST", "/api/auth/password/change", change); r.StatusCode != 401 {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	if r := c.login("ada", goodPassword); r.StatusCode != 200 {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	if r := c.login("ada", goodPassword); r.StatusCode != http.StatusOK {
		t.Errorf("the password has changed: got %d", r.StatusCode)
	}
}
