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

// client is a browser without scripts: it keeps cookies, says where its unsafe requests come from unless the test does,
// and follows no redirect. Every answer under /api is checked against openapi.yaml.
type client struct {
	*http.Client
	s      *server
	jar    *cookiejar.Jar
	silent bool // says nothing of itself, as programs do
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

// program returns a client that says nothing of where it comes from, as programs do.
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
		s.t.Fatalf("sign-in of %s: %d %s", name, r.StatusCode, r.body)
	}
	return c
}

func (c *client) login(name, password string) *answer {
	c.s.t.Helper()
	return c.send("POST", "/api/auth/login", map[string]any{"username": name, "password": password})
}

// hold puts a ticket into the client's jar, as if it had been copied there.
func (c *client) hold(ticket string) *client {
	c.s.secret.add(ticket)
	c.jar.SetCookies(c.base(), []*http.Cookie{{Name: c.cookieName(), Value: ticket, Path: "/"}})
	return c
}

func (c *client) cookieName() string {
	if strings.HasPrefix(c.s.URL, "https:") {
		return session.CookieName
	}
	return session.PlainCookieName
}

// as returns a client that is signed in as a user without having typed the password here.
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
		if cookie.Name == session.PlainCookieName || cookie.Name == session.CookieName {
			return cookie.Value
		}
	}
	return ""
}

// base is where the jar keeps the cookies.
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

// field returns a top-level member of the body.
func (a *answer) field(name string) any {
	var m map[string]any
	_ = json.Unmarshal(a.body, &m)
	return m[name]
}

// cookie returns the cookie that the answer sets; nil if it sets none of the name.
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

// raw sends a body as it is.
func (c *client) raw(method, path string, body io.Reader, header ...string) *answer {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.URL+path, body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	if c.s.public != c.s.URL {
		_, r.Host, _ = strings.Cut(c.s.public, "://")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			if value != c.base().Host {
				for _, cookie := range c.jar.Cookies(c.base()) {
					r.AddCookie(cookie) // the jar gives none to another host
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

// fits holds an outage to what it tells: nothing of a sign-in to a stranger.
func fits(t *testing.T, r *http.Request, a *answer) {
	t.Helper()
	stranger := r.Header["Cookie"] == nil && r.Header["X-Session-Token"] == nil
	if a.StatusCode >= 500 && stranger && strings.Contains(string(a.body), "signed in") {
		t.Errorf("a stranger at %s is told %s", r.URL.Path, a.body)
	}
}

// whole reads an answer to its end; of a stream of events, which has none, the first block.
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

// change alters the stored sessions of a user.
func (s *server) change(user string, alter func(*session.Record)) {
	s.t.Helper()
	for _, old := range s.records(user) {
		r := *old
		alter(&r)
		// Under an unchanged ID the use and the end never go back, so the record is made anew.
		if err := s.stores.Sessions.Delete(context.Background(), old.ID); err != nil {
			s.t.Fatal(err)
		}
		if err := s.stores.Sessions.Create(context.Background(), &r); err != nil {
			s.t.Fatal(err)
		}
	}
}

// load returns a user as stored now.
func (s *server) load(id string) *account.User {
	s.t.Helper()
	u, err := s.stores.Accounts.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}
