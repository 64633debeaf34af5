package httpapi_test

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

// scheme is a server and the form that its cookies must have.
type scheme struct {
	name            string
	options         options
	session, secure string
}

var schemes = []scheme{
	{"https", options{tls: true}, "__Host-Http-sessionid", "Secure; "},
	{"http", options{}, "sessionid", ""},
}

// setCookie returns the Set-Cookie line of a cookie, with its value replaced by V, or "" if the response has none or two.
func (a *answer) setCookie(t *testing.T, name, value string) string {
	t.Helper()
	found := ""
	for _, line := range a.Header.Values("Set-Cookie") {
		rest, ok := strings.CutPrefix(line, name+"=")
		if !ok {
			continue
		}
		got, attributes, _ := strings.Cut(rest, ";")
		if found != "" || !regexp.MustCompile("^"+value+"$").MatchString(got) {
			t.Errorf("the cookie %s has the value %q, or is set twice", name, got)
		}
		found = "V;" + expiry.ReplaceAllStringFunc(attributes, func(both string) string {
			parts := expiry.FindStringSubmatch(both)
			until, err := http.ParseTime(parts[1])
			age, _ := strconv.Atoi(parts[2])
			if off := time.Until(until) - time.Duration(age)*time.Second; err != nil || off.Abs() > time.Hour {
				t.Errorf("the cookie %s has Expires %s, which contradicts its Max-Age %s", name, parts[1], parts[2])
			}
			return "Expires=E; Max-Age=" + parts[2]
		})
	}
	return found
}

// expiry matches Expires and Max-Age of a persistent cookie.
var expiry = regexp.MustCompile(`Expires=([^;]*); Max-Age=([1-9]\d*)`)

const (
	ticketForm = `[A-Za-z0-9_-]{43}`
	tokenForm  = `[A-Za-z0-9]{32}`
	deviceForm = `[0-7]\.[A-Za-z0-9_-]{43}`
)

// TestCookiesHaveTheirAttributes: each Set-Cookie line is exactly as expected, and there is no other.
func TestCookiesHaveTheirAttributes(t *testing.T) {
	t.Attr("threat", "K01")
	t.Attr("threat", "K02")
	t.Attr("threat", "K03")
	t.Attr("threat", "K08")
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			s := start(t, scheme.options)
			s.user("ada")
			r := s.client().login("ada", goodPassword)
			for name, want := range map[string][2]string{
				scheme.session:     {ticketForm, "V; Path=/; Expires=E; Max-Age=2592000; HttpOnly; " + scheme.secure + "SameSite=Lax"},
				"csrftoken":        {tokenForm, "V; Path=/; Expires=E; Max-Age=31449600; " + scheme.secure + "SameSite=Lax"},
				"cloakroom_device": {deviceForm, "V; Path=/; Expires=E; Max-Age=31536000; HttpOnly; " + scheme.secure + "SameSite=Lax"},
			} {
				if got := r.setCookie(t, name, want[0]); got != want[1] {
					t.Errorf("%s:\n%q, not\n%q", name, got, want[1])
				}
			}
			if n := len(r.Header.Values("Set-Cookie")); n != 3 {
				t.Errorf("%d cookies: %v", n, r.Header.Values("Set-Cookie"))
			}
			for _, c := range r.Cookies() {
				if len(c.Name)+len(c.Value) > 4096 || c.MaxAge > 34560000 {
					t.Errorf("the cookie %s is larger than browsers accept", c.Name)
				}
			}
		})
	}
}

// TestWithoutRememberTheCookieEndsWithTheBrowser: the cookie has neither Max-Age nor Expires, also after a rotation, and the
// session has the shorter limits.
func TestWithoutRememberTheCookieEndsWithTheBrowser(t *testing.T) {
	t.Attr("threat", "K09")
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			s := start(t, scheme.options)
			u := s.user("ada")
			c := s.client()
			want := "V; Path=/; HttpOnly; " + scheme.secure + "SameSite=Lax"
			r := c.send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "remember": false})
			if got := r.setCookie(t, scheme.session, ticketForm); got != want {
				t.Errorf("sign-in: %q", got)
			}
			r = c.send("POST", "/api/auth/reauthenticate", map[string]any{"password": goodPassword})
			if got := r.setCookie(t, scheme.session, ticketForm); got != want {
				t.Errorf("re-authentication: %q", got)
			}
			for _, record := range s.records(u.ID) {
				if !record.Browser || record.Idle != 3600 || record.Deadline-record.Created > 12*3600+60 {
					t.Errorf("got %+v", record)
				}
			}
		})
	}
}

// TestSignOutDeletesTheCookieAsItWasSet: with the same name, path and attributes, without which the browser would keep it. The
// origin's storage is cleared as well, and the device cookie stays.
func TestSignOutDeletesTheCookieAsItWasSet(t *testing.T) {
	t.Attr("threat", "X05")
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			s := start(t, scheme.options)
			u := s.user("ada")
			id := func(*client) string { return s.records(u.ID)[0].PublicID }
			for name, end := range map[string]func(c *client) *answer{
				"sign-out":        func(c *client) *answer { return c.send("POST", "/api/auth/logout", nil) },
				"ending this one": func(c *client) *answer { return c.send("DELETE", "/api/auth/sessions/"+id(c), nil) },
			} {
				c := s.client()
				if r := c.login("ada", goodPassword); r.StatusCode != 200 {
					t.Fatal(r.StatusCode)
				}
				r := end(c)
				want := "V; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; " + scheme.secure + "SameSite=Lax"
				if got := r.setCookie(t, scheme.session, ""); r.StatusCode != 200 || got != want {
					t.Errorf("%s: got %d %q", name, r.StatusCode, got)
				}
				if r.Header.Get("Clear-Site-Data") != `"storage"` || r.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %v", name, r.Header)
				}
				if c.ticket() != "" || c.cookie("cloakroom_device") == "" || c.cookie("csrftoken") == "" {
					t.Errorf("%s: the browser still has the cookies %v", name, c.jar.Cookies(c.base()))
				}
			}
			// The storage is also cleared if the session had ended before, since it wasn't cleared then.
			if r := s.client().hold(anyTicket()).send("POST", "/api/auth/logout", nil); r.Header.Get("Clear-Site-Data") != `"storage"` {
				t.Errorf("an ended session: %v", r.Header)
			}
		})
	}
	for _, a := range everyAnswer(t) {
		signOut := a.StatusCode == 200 && strings.HasPrefix(a.label, "POST /api/auth/logout")
		if (a.Header.Get("Clear-Site-Data") != "") != signOut {
			t.Errorf("%s: got %d with Clear-Site-Data %q", a.label, a.StatusCode, a.Header.Get("Clear-Site-Data"))
		}
	}
}

// TestTheTicketIsSetByThreeRoutesOnly: sign-in, rotation and sign-out. No other response sets the session cookie: none that
// only used a session, no refusal, and none to an unknown ticket.
func TestTheTicketIsSetByThreeRoutesOnly(t *testing.T) {
	for _, a := range everyAnswer(t) {
		set := a.cookie("sessionid") != nil
		mayBe := a.StatusCode == 200 && (strings.HasPrefix(a.label, "POST /api/auth/logout") || strings.HasPrefix(a.label, "sign-in") ||
			a.label == "re-authentication" || a.label == "password change")
		if set != mayBe {
			t.Errorf("%s: got %d sets %v", a.label, a.StatusCode, a.Cookies())
		}
	}
}

// TestResponsesWithCookiesAreNotCached also uses a bad cache, which obeys nothing but Cache-Control: no cookie of one user
// reaches another through it.
func TestResponsesWithCookiesAreNotCached(t *testing.T) {
	t.Attr("threat", "K05")
	for _, a := range everyAnswer(t) {
		if len(a.Cookies()) > 0 && (a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Cookie")) {
			t.Errorf("%s: %v", a.label, a.Header)
		}
	}
	s := start(t, options{url: "http://localhost:8000"})
	s.user("ada")
	s.user("bob")
	cache := newBadCache(s.Server.Client().Transport)
	paths := []string{"/", "/signin", "/auth/account", "/api/me", "/api/auth/me", "/api/auth/csrf", "/api/auth/sessions", "/api/auth/setup", "/api/auth/x"}
	seen := map[string]string{}
	for _, name := range []string{"ada", "bob", "a visitor"} {
		c := s.client()
		c.Transport = cache
		if r := c.login(name, goodPassword); r.StatusCode != 200 && name != "a visitor" {
			t.Fatal(r.StatusCode)
		}
		for range 2 {
			for _, path := range paths {
				r := c.send("GET", path, nil)
				for _, set := range r.Cookies() {
					if owner := seen[set.Value]; owner != "" && owner != name {
						t.Errorf("%s got a cookie of %s from %s", name, owner, path)
					}
					seen[set.Value] = name
				}
				if who := r.field("username"); who != nil && who != name {
					t.Errorf("%s got the data of %v from %s", name, who, path)
				}
			}
		}
	}
	if script := regexp.MustCompile(`/auth/assets/[^"]+\.js`).FindString(string(s.client().send("GET", "/signin", nil).body)); script != "" {
		c := s.client()
		c.Transport = cache
		c.send("GET", script, nil)
		c.send("GET", script, nil)
	}
	if cache.hits != 1 {
		t.Errorf("the cache answered %d times; it should have cached the script and nothing else", cache.hits)
	}
}

// badCache is a shared cache that stores every response unless Cache-Control forbids it.
type badCache struct {
	through http.RoundTripper
	mu      sync.Mutex
	kept    map[string][]byte
	hits    int
}

func newBadCache(through http.RoundTripper) *badCache {
	return &badCache{kept: map[string][]byte{}, through: through}
}

func (c *badCache) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole := c.kept[r.URL.Path]; whole != nil && r.Method == http.MethodGet {
		c.hits++
		return readAnswer(whole, r)
	}
	answer, err := c.through.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet {
		return answer, err
	}
	defer answer.Body.Close()
	whole, err := httputil.DumpResponse(answer, true)
	if err != nil {
		return nil, err
	}
	if control := answer.Header.Get("Cache-Control"); !strings.Contains(control, "no-store") && !strings.Contains(control, "private") {
		c.kept[r.URL.Path] = whole
	}
	return readAnswer(whole, r)
}

func readAnswer(whole []byte, r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(whole)), r)
}

// TestNoReadableAnswerHoldsASecret requests everything that a signed-in browser can read.
func TestNoReadableAnswerHoldsASecret(t *testing.T) {
	t.Attr("threat", "E11")
	s := start(t, options{})
	u := s.user("ada")
	c := s.signedIn("ada")
	record := s.records(u.ID)[0]
	for _, route := range reads() {
		r := c.send("GET", route.Path, nil)
		whole := string(r.body)
		for name, values := range r.Header {
			whole += name + strings.Join(values, "")
		}
		for name, secret := range map[string]string{
			"ticket": c.ticket(), "device": c.cookie("cloakroom_device"), "hash": u.Password, "epoch": u.Epoch, "ID": string(record.ID[:]),
		} {
			if secret == "" || strings.Contains(whole, secret) {
				t.Errorf("%s shows the %s", route.Path, name)
			}
		}
	}
}

// TestAClientOfRFC2965CookiesStaysSignedIn: the HTTP client of Java treats a cookie with Max-Age but without Expires as one of
// RFC 2965, and sends it in quotes, after $Version.
func TestAClientOfRFC2965CookiesStaysSignedIn(t *testing.T) {
	t.Attr("threat", "K11")
	s := start(t, options{})
	s.user("ada")
	c := s.signedIn("ada")
	answers := []*answer{
		c.login("ada", goodPassword),
		c.send("GET", "/api/auth/csrf", nil),
		c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}),
		c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": "another " + goodPassword}),
		c.send("POST", "/api/auth/logout", nil),
	}
	for _, a := range answers {
		lines := a.Header.Values("Set-Cookie")
		if a.StatusCode != 200 || len(lines) == 0 {
			t.Errorf("%s: %d, %v", a.Request.URL.Path, a.StatusCode, lines)
		}
		for _, line := range lines {
			if strings.Contains(line, "Max-Age=") && !strings.Contains(line, "; Expires=") {
				t.Errorf("%s sets %s", a.Request.URL.Path, line)
			}
		}
	}
}

// TestASignOutWithAnUnreadableTicketFails: an unreadable ticket may be a good one that was changed on the way, for example by a
// client that puts it in quotes. The session goes on then, and the response says so.
func TestASignOutWithAnUnreadableTicketFails(t *testing.T) {
	t.Attr("threat", "X01")
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	c := s.signedIn("ada")
	ticket := c.ticket()
	for _, cookie := range []string{
		`$Version="1"; sessionid="` + ticket + `";$Path="/";$Domain="127.0.0.1"`, "sessionid=" + ticket[1:], "sessionid=%22" + ticket + "%22",
		"sessionid=x; sessionid=y",
	} {
		r := s.client().send("POST", "/api/auth/logout", nil, "Cookie: "+cookie)
		if !isProblem(r, 400, "unreadable_session") || len(r.Cookies()) > 0 || r.Header.Get("Clear-Site-Data") != "" {
			t.Errorf("%s: got %d %v %s", cookie, r.StatusCode, r.Header, r.body)
		}
	}
	if r := s.program().send("POST", "/api/auth/logout", nil, "X-Session-Token: "+ticket); !isProblem(r, 400, "unreadable_session") {
		t.Errorf("in the header: got %d %s", r.StatusCode, r.body)
	}
	names(t, c.send("GET", "/api/me", nil), "ada")
	for _, cookie := range []string{"", "sessionid=", "a=b", `sessionid="x"; sessionid=` + ticket} {
		ok(t, s.client().send("POST", "/api/auth/logout", nil, "Cookie: "+cookie))
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are still %d sessions", n)
	}
}

func TestASignOutClearsTheStorageOfPagesUnlessConfiguredOtherwise(t *testing.T) {
	for keep, want := range map[bool]string{false: `"storage"`, true: ""} {
		s := start(t, options{change: func(a *httpapi.API) { a.KeepSiteData = keep }})
		s.user("ada")
		r := s.signedIn("ada").send("POST", "/api/auth/logout", nil)
		if got := r.Header.Get("Clear-Site-Data"); r.StatusCode != 200 || got != want {
			t.Errorf("keep %v: %d, Clear-Site-Data: %s", keep, r.StatusCode, got)
		}
	}
}
