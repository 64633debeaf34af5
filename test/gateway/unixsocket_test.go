//go:build unix

package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// embedded is Cloakroom inside another program that listens on a Unix socket.
type embedded struct {
	*front
	t      *testing.T
	server *cloakroom.Server
	socket string
}

func embed(t *testing.T, name string, trusted ...string) *embedded {
	t.Helper()
	e := &embedded{front: newFront(t, name), t: t, socket: filepath.Join(t.TempDir(), "s")}
	e.inner = "unix:" + e.socket
	s, err := cloakroom.New(t.Context(), cloakroom.Config{
		URL: "https://" + e.host, Data: e.data, TrustedProxies: trusted, Rules: rulesOfTests, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.server = s
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	listener, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: s.Handler(nil), ReadHeaderTimeout: patience}
	go func() { _ = web.Serve(listener) }()
	t.Cleanup(func() {
		_ = web.Close()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// directly sends a request over the socket.
func (e *embedded) directly(a ask) reply {
	e.t.Helper()
	c, err := net.Dial("unix", e.socket)
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if a.host == "" {
		a.host = e.host
	}
	if a.method == "" {
		a.method = "GET"
	}
	r, err := sendH1(c, a)
	if err != nil {
		e.t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	return r
}

// guess tries a password, as if from an address. It tries again if the server is busy.
func (e *embedded) guess(name, password, from string) (r reply) {
	e.t.Helper()
	a := ask{method: "POST", path: "/api/auth/login", body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password),
		header: []string{"Content-Type: application/json", "Origin: https://" + e.host, "X-Forwarded-For: " + from}}
	eventually(func() bool { r = e.directly(a); return r.code() != "busy" })
	return r
}

// addresses returns the addresses of the sessions of a ticket's user.
func (e *embedded) addresses(cookie string) (all []string) {
	e.t.Helper()
	r := e.directly(ask{path: "/api/auth/sessions", header: []string{cookie}})
	var list struct{ Sessions []struct{ IP string } }
	if err := json.Unmarshal(r.body, &list); err != nil || r.status != 200 {
		e.t.Fatalf("%s, %v", r, err)
	}
	for _, s := range list.Sessions {
		all = append(all, s.IP)
	}
	return all
}

// recorded returns the addresses in the audit log.
func (e *embedded) recorded() map[string]bool {
	e.t.Helper()
	if err := e.server.Audit.Flush(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	events, err := e.server.Audit.Store.List(e.t.Context(), audit.Query{})
	if err != nil {
		e.t.Fatal(err)
	}
	all := map[string]bool{}
	for _, event := range events {
		all[event.Address] = true
	}
	return all
}

// failures returns the count of failed guesses of an address, for all names.
const failures = 100

func TestPeersOnAUnixSocketShareOneCountUnlessTheyAreTrusted(t *testing.T) {
	t.Attr("threat", "G03")
	e := embed(t, "unix")
	e.person(t, "ada")
	r := e.guess("ada", goodPassword, "203.0.113.1")
	if r.status != 200 {
		t.Fatal(r)
	}
	cookie := ticketOf(t, r)
	if got := e.addresses(cookie); len(got) != 1 || got[0] != "" {
		t.Errorf("the recorded address is %q", got)
	}
	for path, lines := range right(e.front) {
		r := e.directly(ask{path: path, header: append(lines, "X-Forwarded-For: 127.0.0.1")})
		if demandRefusal(t, path, r); r.code() != "untrusted_proxy" {
			t.Errorf("%s: %s", path, r)
		}
	}
	for i := range failures {
		if r := e.guess(fmt.Sprint("unknown", i), "wrong", fmt.Sprintf("203.0.113.%d", i)); r.status != 401 {
			t.Fatalf("guess %d: %s", i, r)
		}
	}
	if r := e.guess("ada", "wrong", "203.0.113.200"); r.status != 429 {
		t.Errorf("after %d guesses: %s", failures, r)
	}
	if got := e.recorded(); len(got) != 1 || !got[""] {
		t.Errorf("the audit log has the addresses %v", got)
	}
}

func TestAProxyOnAUnixSocketCanBeTrusted(t *testing.T) {
	t.Attr("threat", "E02")
	e := embed(t, "nginx", "unix")
	e.runNginx(t, need(t, "nginx"), nil)
	cookie := e.signedIn(t, "ada")
	s, ok := e.send(t, "h1", ask{path: "/private", header: []string{cookie, "X-Forwarded-For: 203.0.113.66"}}).seen()
	if !ok || s.CGI["HTTP_REMOTE_USER"] != "ada" || s.CGI["HTTP_X_FORWARDED_FOR"] != "127.0.0.1" {
		t.Errorf("the application sees %v", s.CGI)
	}
	e.kept(t, "h1", ask{path: "/private"}, 401)
	if got := e.addresses(cookie); len(got) != 1 || got[0] != "127.0.0.1" {
		t.Errorf("the recorded address is %q", got)
	}
	for path, lines := range right(e.front) {
		if r := e.directly(ask{path: path, header: lines}); r.status != 200 {
			t.Errorf("%s: %s", path, r)
		}
	}
	for i := range failures {
		if r := e.guess(fmt.Sprint("unknown", i), "wrong", "203.0.113.1"); r.status != 401 {
			t.Fatalf("guess %d: %s", i, r)
		}
	}
	if r := e.guess("bob", "wrong", "203.0.113.1"); r.status != 429 {
		t.Errorf("after %d guesses: %s", failures, r)
	}
	if r := e.guess("bob", "wrong", "203.0.113.2"); r.status != 401 {
		t.Errorf("another address: %s", r)
	}
}
