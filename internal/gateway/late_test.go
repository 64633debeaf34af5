package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// member is a user who is signed in to a gateway.
type member struct {
	t       *testing.T
	g       *gateway.Gateway
	server  *httptest.Server
	cookie  string
	signOut func()

	accounts account.Store
	user     *account.User
}

// newMember serves a gateway in front of an application. Nothing runs in the background.
func newMember(t *testing.T, application http.HandlerFunc, changes ...func(c *gateway.Config)) *member {
	t.Helper()
	backend := httptest.NewServer(application)
	t.Cleanup(backend.Close)
	db := memory.New()
	guard, err := csrf.New(csrf.Config{URL: "https://app.example.com", Keys: func() [][]byte { return [][]byte{[]byte("a key of the test's")} }})
	if err != nil {
		t.Fatal(err)
	}
	sessions := &session.Manager{Store: db.Sessions}
	resolver := auth.New(auth.Config{Sessions: sessions, Accounts: db.Accounts})
	m := &member{t: t, accounts: db.Accounts}
	c := gateway.Config{Upstreams: []string{backend.URL}, URL: "https://app.example.com", Auth: resolver, CSRF: guard}
	for _, change := range changes {
		change(&c)
	}
	if m.g, err = gateway.New(c); err != nil {
		t.Fatal(err)
	}
	ada := &account.User{Username: "ada", Epoch: "1", IsActive: true}
	if err := db.Accounts.Create(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	m.user = ada
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
	s, err := sessions.SignIn(w, r, session.SignIn{User: ada.ID, Epoch: ada.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	m.cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	m.signOut = func() {
		if err := sessions.Revoke(t.Context(), ada.ID, s.ID); err != nil {
			t.Fatal(err)
		}
	}
	m.server = httptest.NewServer(resolver.Handler(m.g))
	t.Cleanup(m.server.Close)
	return m
}

// watch lets the gateway check requests under way until the test ends.
func (m *member) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.g.Run(ctx) }()
	m.t.Cleanup(func() { cancel(); <-done })
}

// post sends the headers of a POST and the first bytes of its body.
func (m *member) post(head, first string) net.Conn {
	m.t.Helper()
	c, err := net.Dial("tcp", m.server.Listener.Addr().String())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: app.example.com\r\nCookie: %s\r\n%s\r\n\r\n%s", m.cookie, head, first); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// status returns the status of the answer.
func (m *member) status(c net.Conn) int {
	m.t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// swallow is an application that reports when it has the first bytes of a body, and how the body ended.
func swallow() (application http.HandlerFunc, begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}, 1), make(chan error, 1)
	return func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadFull(r.Body, make([]byte, 1))
		begun <- struct{}{}
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		ended <- err
	}, begun, ended
}

// large is a body that isn't read whole.
var large = strings.Repeat("x", 3<<20)

// bodies are the heads and texts of requests with the large body.
var bodies = map[string][2]string{
	"length":  {fmt.Sprintf("Content-Length: %d", len(large)), large},
	"chunked": {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large)},
}

// Even if no review has run yet, the application never sees the end of a body whose sender has been signed out.
func TestTheEndOfALargeBodyIsJudged(t *testing.T) {
	for name, b := range bodies {
		for _, out := range []bool{false, true} {
			application, begun, ended := swallow()
			m := newMember(t, application)
			c := m.post(b[0], b[1][:len(b[1])/2])
			<-begun
			want := http.StatusOK
			if out {
				m.signOut()
				want = http.StatusUnauthorized
			}
			if _, err := io.WriteString(c, b[1][len(b[1])/2:]); err != nil {
				t.Fatal(err)
			}
			if got := m.status(c); got != want {
				t.Errorf("%s, signed out %v: answered %d, want %d", name, out, got, want)
			}
			if err := <-ended; (err != nil) != out {
				t.Errorf("%s, signed out %v: the application reads %v at the end", name, out, err)
			}
		}
	}
}

// A body that pauses is cut by one of the gateway's reviews, and the client's answer says why.
func TestALargeBodyIsCutWhenTheSessionEnds(t *testing.T) {
	for name, b := range bodies {
		application, begun, ended := swallow()
		m := newMember(t, application)
		m.watch()
		c := m.post(b[0], b[1][:len(b[1])/2])
		<-begun
		m.signOut()
		if got := m.status(c); got != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, got)
		}
		if err := <-ended; err == nil {
			t.Errorf("%s: the application takes the body for whole", name)
		}
	}
}

// A body that was cut on its way is never passed on as if it were whole.
func TestABodyThatWasCutIsNotPassedOn(t *testing.T) {
	asked := make(chan struct{}, 1)
	m := newMember(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	for _, head := range []string{"Content-Length: 10\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"} {
		head, first, _ := strings.Cut(head, "\r\n\r\n")
		c := m.post(head, first)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatal(err)
		}
		if len(asked) > 0 {
			t.Errorf("%s, %q: the application was asked", head, first)
		}
	}
}
