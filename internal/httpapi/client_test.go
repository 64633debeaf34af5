package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// client is a browser without scripts. It keeps cookies, sends the origin with unsafe requests unless the test does, and
// follows no redirect. Every response under /api is checked against openapi.yaml.
type client struct {
	*http.Client
	s      *server
	jar    *cookiejar.Jar
	silent bool // sends no Origin, like programs other than browsers
}

func (s *server) client() *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.Server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{Client: &c, s: s, jar: jar}
}

// program returns a client that sends no Origin, like programs other than browsers.
func (s *server) program() *client {
	c := s.client()
	c.silent = true
	return c
}

// signedIn returns a client that has just signed in.
func (s *server) signedIn(name string) *client {
	s.t.Helper()
	c := s.client()
	if r := c.login(name, goodPassword); r.StatusCode != http.StatusOK {
		s.t.Fatalf("sign-in of %s: got %d %s", name, r.StatusCode, r.body)
	}
	return c
}

func (c *client) login(name, password string) *answer {
	c.s.t.Helper()
	return c.send("POST", "/api/auth/login", map[string]any{"username": name, "password": password})
}

// hold puts a copied ticket into the client's cookie jar.
func (c *client) hold(ticket string) *client {
	c.s.secret.add(ticket)
	c.jar.SetCookies(c.base(), []*http.Cookie{{Name: c.cookieName(), Value: ticket, Path: "/"}})
	return c
}

func (c *client) cookieName() string {
	if strings.HasPrefix(c.s.URL, "https:") {
		return session.CookieName
	}
	return "sessionid"
}

// as returns a client that is signed in as a user, without a request for that.
func (s *server) as(u *account.User) *client {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(s.t.Context(), "POST", "/", nil)
	if _, err := s.api.Sessions.SignIn(w, r, session.SignIn{User: u.ID, Epoch: u.Epoch, Method: "password", Fresh: true}); err != nil {
		s.t.Fatal(err)
	}
	c := s.client()
	c.jar.SetCookies(c.base(), w.Result().Cookies())
	s.secret.add(c.ticket())
	return c
}

// ticket returns the value of the session cookie; "" if there is none.
func (c *client) ticket() string {
	for _, cookie := range c.jar.Cookies(c.base()) {
		if cookie.Name == "sessionid" || cookie.Name == session.CookieName {
			return cookie.Value
		}
	}
	return ""
}

// base returns the URL for which the jar keeps the cookies.
func (c *client) base() *url.URL {
	u, err := url.Parse(c.s.public)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return u
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body []byte
}

// code returns the stable code of a problem; "" for other answers.
func (a *answer) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

// field returns a top-level member of the body, decoded.
func (a *answer) field(name string) any {
	var m map[string]any
	_ = json.Unmarshal(a.body, &m)
	return m[name]
}

// cookie returns the cookie of the name that the response sets, or nil.
func (a *answer) cookie(name string) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// send sends a JSON body, or none if body is nil, with header lines such as "Origin: http://x".
func (c *client) send(method, path string, body any, header ...string) *answer {
	c.s.t.Helper()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.s.t.Fatal(err)
		}
		c.s.secret.sent(b)
		payload = bytes.NewReader(b)
		header = append([]string{"Content-Type: application/json"}, header...)
	}
	return c.raw(method, path, payload, header...)
}

// raw sends a body unchanged.
func (c *client) raw(method, path string, body io.Reader, header ...string) *answer {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.URL+path, body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			other := *c.base()
			if other.Host = value; len(c.jar.Cookies(&other)) == 0 {
				for _, cookie := range c.jar.Cookies(c.base()) {
					r.AddCookie(cookie) // the jar returns none for another host
				}
			}
		} else {
			r.Header.Add(name, value)
		}
	}
	_, site := r.Header["Sec-Fetch-Site"]
	_, origin := r.Header["Origin"]
	if !c.silent && !site && !origin && method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", c.s.public)
	}
	return c.do(r)
}

func (c *client) do(r *http.Request) *answer {
	c.s.t.Helper()
	response, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := whole(response)
	if err != nil {
		c.s.t.Fatal(err)
	}
	a := &answer{response, b}
	c.s.secret.seen(c.s.t, r, a)
	described(c.s.t, r, a)
	fits(c.s.t, r, a)
	return a
}

// fits checks that a request without a session cookie or token never gets the text that speaks of a sign-in.
func fits(t *testing.T, r *http.Request, a *answer) {
	t.Helper()
	stranger := r.Header["Cookie"] == nil && r.Header["X-Session-Token"] == nil
	if a.StatusCode >= 500 && stranger && strings.Contains(string(a.body), "signed in") {
		t.Errorf("a stranger at %s gets %s", r.URL.Path, a.body)
	}
}

// whole reads a response to its end. Of an event stream, which doesn't end, it reads the first block.
func whole(response *http.Response) ([]byte, error) {
	if response.Header.Get("Content-Type") != "text/event-stream" {
		return io.ReadAll(response.Body)
	}
	var b []byte
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if b = append(b, line...); err != nil || len(line) == 1 {
			return b, nil //nolint:nilerr // a stream may end at any time
		}
	}
}

// records returns the stored sessions of a user.
func (s *server) records(user string) []*session.Record {
	s.t.Helper()
	all, err := s.stores.Sessions.List(context.WithoutCancel(s.t.Context()), session.Query{User: user})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// change changes the stored sessions of a user.
func (s *server) change(user string, alter func(*session.Record)) {
	s.t.Helper()
	for _, old := range s.records(user) {
		r := *old
		alter(&r)
		// A store never moves the last use or the end of a session back, so the record is deleted and created again.
		if err := s.stores.Sessions.Delete(context.Background(), old.ID); err != nil {
			s.t.Fatal(err)
		}
		if err := s.stores.Sessions.Create(context.Background(), &r); err != nil {
			s.t.Fatal(err)
		}
	}
}

// load returns the stored user.
func (s *server) load(id string) *account.User {
	s.t.Helper()
	u, err := s.stores.Accounts.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}
