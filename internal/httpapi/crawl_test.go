package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestReadingChangesNothing requests everything with GET, HEAD and OPTIONS, signed in and not, with bodies and queries that
// would change something with other methods. The only write to the stores is when a session was last used.
func TestReadingChangesNothing(t *testing.T) {
	t.Attr("threat", "F02")
	open, plan := counting(t)
	s := start(t, options{idle: true, stores: open})
	u := s.user("ada")
	s.setupSecret()
	user, other := s.as(u), s.as(u)
	s.change(u.ID, func(r *session.Record) { r.Seen -= 300 })
	before := snapshot(t, s.stores)
	paths := []string{"/", "/signin", "/auth/account", "/auth/setup", "/auth/assets/x.js", "/x"}
	for path := range methods() {
		paths = append(paths, path, path+"/", path+"/x")
	}
	paths = append(paths, "/api/auth/sessions/"+idOf(other, true))
	credentials := `{"username":"ada","password":"` + goodPassword + `","current_password":"` + goodPassword + `","new_password":"` + newPassword + `"}`
	calls := since(plan, func() {
		for _, c := range []*client{user, s.client(), s.client().hold(anyTicket())} {
			for _, path := range paths {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					c.send(method, path+"?username=ada&password=x&_method=DELETE&logout=1", nil, basic("ada", goodPassword))
					c.raw(method, path, strings.NewReader(credentials), "Content-Type: application/json")
				}
			}
		}
	})
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	reading := []string{"session.Load", "session.List", "account.Load", "account.List", "sealed.Sealed", "session.Touch", "token.List", "factor.Load", "federation.List"}
	for _, call := range slices.Compact(slices.Sorted(slices.Values(calls))) {
		if !slices.Contains(reading, call) {
			t.Errorf("%s was called", call)
		}
	}
	if !slices.Contains(calls, "session.Load") || len(s.records(u.ID)) != 2 {
		t.Errorf("no session was used, or one ended: %q", calls)
	}
}

// TestNoGETSignsIn: so no link, image or page can, whatever credentials the request has.
func TestNoGETSignsIn(t *testing.T) {
	t.Attr("threat", "S12")
	s := start(t, options{next: appBehind(t)})
	u := s.user("ada")
	for _, path := range []string{"/signin", "/auth/account", "/", "/api/auth/login", "/api/auth/login/", "/api/me", "/api/auth/csrf", "/api/auth/reauthenticate", "/orders"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			r := s.client().send(method, path+"?username=ada&password=correct+horse+battery+staple", nil, basic("ada", goodPassword))
			if r.cookie("sessionid") != nil {
				t.Errorf("%s %s: %v", method, path, r.Cookies())
			}
		}
	}
	if n := len(s.records(u.ID)); n != 0 {
		t.Errorf("there are %d sessions", n)
	}
}

// TestAMalformedCookieIsNotASession: an app gets no identity for a malformed cookie, and no error that it could take for one.
func TestAMalformedCookieIsNotASession(t *testing.T) {
	t.Attr("threat", "A14")
	asked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, err := auth.FromContext(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			w.Header().Set("X-User", who.User.Username)
			w.WriteHeader(http.StatusOK)
		})).ServeHTTP(w, r)
	})
	s := start(t, options{next: asked})
	ticket := s.as(s.user("ada")).ticket()
	if r := s.client().hold(ticket).send("GET", "/x", nil); r.StatusCode != 200 || r.Header.Get("X-User") != "ada" {
		t.Fatalf("got %d %v", r.StatusCode, r.Header)
	}
	values := []string{"", "{", "null", "0", "true", "a:2:{}", "gASV", "eyJhbGciOiJub25lIn0.e30.", "%00", "..", strings.Repeat("A", 5000), ticket + "\x80", ticket[:42] + "\xff"}
	for n := range ticket {
		values = append(values, ticket[:n]+"\x01"+ticket[n+1:], ticket[:n]+ticket[n+1:], ticket[:n]+"~"+ticket[n:])
	}
	for _, value := range values {
		for _, path := range []string{"/x", "/api/me", "/api/auth/sessions"} {
			r := s.wire(t, "GET "+path+" HTTP/1.1\r\nHost: "+s.host()+"\r\nCookie: sessionid="+value+"\r\nConnection: close\r\n\r\n")
			if r.StatusCode != 401 && (r.StatusCode != 400 || !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c >= utf8.RuneSelf })) || r.Header.Get("X-User") != "" {
				t.Errorf("%q at %s: got %d %v", value, path, r.StatusCode, r.Header)
			}
		}
	}
}

// TestTheDeletionOfTheCookieIsSent reads the response to a sign-out from the connection. Besides, the harness fails any test in
// which a header is set after it was sent.
func TestTheDeletionOfTheCookieIsSent(t *testing.T) {
	t.Attr("threat", "A15")
	s := start(t, options{})
	ticket := s.as(s.user("ada")).ticket()
	r := s.wire(t, "POST /api/auth/logout HTTP/1.1\r\nHost: "+s.host()+"\r\nOrigin: "+s.URL+"\r\nContent-Length: 0\r\nCookie: sessionid="+ticket+"\r\nConnection: close\r\n\r\n")
	if set := r.cookie("sessionid"); r.StatusCode != 200 || set == nil || set.Value != "" || set.MaxAge >= 0 {
		t.Errorf("got %d %v", r.StatusCode, r.Header)
	}
	s.dead(t, "sign-out", ticket)
}

// TestTheSchemeIsConfigured: no header of a proxy, trusted or not, changes the attribute Secure of a cookie, or any other thing
// that depends on the scheme.
func TestTheSchemeIsConfigured(t *testing.T) {
	t.Attr("threat", "A17")
	for _, scheme := range schemes {
		for _, trusted := range [][]string{nil, {"127.0.0.1"}} {
			o := scheme.options
			o.trusted = trusted
			s := start(t, o)
			s.user("ada")
			for _, header := range [][]string{
				{"X-Forwarded-Proto: http"}, {"X-Forwarded-Proto: https"}, {"Forwarded: proto=http;host=evil.example"}, {"X-Forwarded-Ssl: off"},
				{"X-Forwarded-Ssl: on"}, {"Front-End-Https: off"}, {"X-Url-Scheme: http"}, {"X-Forwarded-Scheme: http"}, {"X-Forwarded-Port: 80"},
				{"X-Forwarded-Host: evil.example"}, {"X-Forwarded-Prefix: /evil"}, {"X-Original-Url: /healthz"}, {"X-Rewrite-Url: /healthz"},
			} {
				r := s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": goodPassword}, header...)
				for _, cookie := range r.Cookies() {
					if cookie.Secure != o.tls || cookie.Domain != "" || cookie.Path != "/" {
						t.Errorf("%s, trusted %v, %q: %v", scheme.name, trusted, header, cookie)
					}
				}
				if r.cookie(scheme.session) == nil {
					t.Errorf("%s, trusted %v, %q: got %d %s", scheme.name, trusted, header, r.StatusCode, r.body)
				}
			}
		}
	}
}

// TestNoHeaderBypassesAuthentication sends headers that have opened other systems.
func TestNoHeaderBypassesAuthentication(t *testing.T) {
	t.Attr("threat", "C7")
	t.Attr("threat", "C13")
	t.Attr("threat", "C18")
	s := start(t, options{trusted: []string{"127.0.0.1"}})
	s.user("ada")
	for _, header := range []string{
		"User-Agent: GoogleHC/1.0", "User-Agent: kube-probe/1.30", "X-Middleware-Subrequest: middleware:middleware", "Remote-User: ada", "Remote_user: ada",
		"X-Forwarded-User: ada", "X_Forwarded_User: ada", "X-Auth-Request-User: ada", "X-Remote-User: ada", "X-Forwarded-For: x", "X-Forwarded-For: ::ffff:",
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: " + strings.Repeat("1.2.3.4,", 6000), "X-Original-Method: OPTIONS", "Sec-Fetch-Mode: navigate",
		"Connection: Cookie", "X-Api-Key: x", "Authorization: Negotiate x", "X-Cloakroom-User: ada", "Impersonate-User: ada", "Upgrade: websocket",
	} {
		for path, want := range map[string]int{"/api/me": 401, "/api/auth/sessions": 401, "/api/auth/csrf": 200} {
			if r := s.client().send("GET", path, nil, header); r.StatusCode != want {
				t.Errorf("%.60s: GET %s: got %d", header, path, r.StatusCode)
			}
		}
		s.forgive()
		if r := s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": "wrong"}, header); r.StatusCode != 401 {
			t.Errorf("%.60s: a wrong password: got %d", header, r.StatusCode)
		}
	}
}

// TestConcurrentUsersNeverGetEachOthersResponses: some of many concurrent users disconnect or make the app panic. Each gets only
// their own data.
func TestConcurrentUsersNeverGetEachOthersResponses(t *testing.T) {
	t.Attr("threat", "J1")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("in the middle") })})
		var all sync.WaitGroup
		for n := range 40 {
			name := "user" + string(rune('a'+n/26)) + string(rune('a'+n%26))
			u := &account.User{Username: name, Email: name + "@example.com", Password: "!", IsActive: true, Epoch: name}
			if err := s.stores.Accounts.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			c := s.as(u)
			all.Go(func() {
				for n := range 15 {
					if r := c.send("GET", "/api/me", nil); r.field("username") != name || r.field("email") != name+"@example.com" {
						t.Errorf("%s got %d %s", name, r.StatusCode, r.body)
					}
					if d := c.devices(); len(d) != 1 || !d[0].Current {
						t.Errorf("%s got the session %+v", name, d)
					}
					ctx, hangUp := context.WithCancel(t.Context())
					r, err := http.NewRequestWithContext(ctx, "GET", s.URL+[]string{"/api/me", "/panic"}[n%2], nil)
					if err != nil {
						t.Error(err)
					}
					go hangUp()
					if a, err := c.Do(r); err == nil {
						a.Body.Close()
					}
				}
			})
		}
		all.Wait()
	})
}
