package httpapi_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

// wire sends a request byte for byte and reads one response.
func (s *server) wire(t *testing.T, request string) *answer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if strings.HasPrefix(s.URL, "https:") {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The server may answer and close the connection before it has read everything.
	go func() { _, _ = io.WriteString(conn, request) }()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return &answer{r, body}
}

// host is the host of the public URL.
func (s *server) host() string {
	_, host, _ := strings.Cut(s.public, "://")
	return host
}

// TestOnlyConfiguredHostsAreAnswered: a request for another host gets 421, on every path, before anything else is checked. Only
// health checks may have any host, and browsers ask the host of the passkeys' domain for its related origins.
func TestOnlyConfiguredHostsAreAnswered(t *testing.T) {
	s := start(t, options{next: appBehind(t)})
	_, port, _ := net.SplitHostPort(s.host())
	c := s.as(s.user("ada"))
	before := snapshot(t, s.stores)
	for _, host := range []string{
		"evil.example", "evil.example:" + port, "127.0.0.1", "127.0.0.1:1", "127.0.0.1." + port, "127.0.0.1.evil.example:" + port,
		"localhost", "localhost.evil.example:" + port, "127.0.0.2:" + port, "[::2]:" + port, "::1:" + port, "2130706433:" + port,
		"127.1:" + port, "0x7f.1:" + port, "127.0.0.1..:" + port, "xlocalhost:" + port,
	} {
		paths := []string{"/", "/signin", "/auth/account", "/api/orders", "/api/auth/x", "/healthz/x", "/x/healthz", "/healthz%2f"}
		for _, r := range httpapi.Routes() {
			if r.Path != "/healthz" && r.Path != "/readyz" {
				paths = append(paths, at(r))
			}
		}
		for _, path := range paths {
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", "TRACE"} {
				r := c.send(method, path, nil, "Host: "+host, "Origin: http://"+host)
				if host == passkeyDomain && path == "/.well-known/webauthn" && method == "GET" {
					ok(t, r)
				} else if !isProblem(r, 421, "unknown_host") || len(r.Cookies()) > 0 {
					t.Errorf("%s %s at %s: got %d %s", method, path, host, r.StatusCode, r.body)
				}
			}
		}
		for _, path := range []string{"/healthz", "/readyz", "/healthz/"} {
			if r := c.send("GET", path, nil, "Host: "+host); r.StatusCode != 200 {
				t.Errorf("%s at %s: got %d", path, host, r.StatusCode)
			}
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	for _, host := range []string{"127.0.0.1:" + port, "localhost:" + port, "LOCALHOST:" + port, "localhost.:" + port, "[::1]:" + port} {
		if r := c.send("GET", "/api/me", nil, "Host: "+host); r.StatusCode != 200 {
			t.Errorf("at %s: got %d %s", host, r.StatusCode, r.body)
		}
		if r := c.send("GET", "/api/me", nil, "Host: "+host, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"); r.StatusCode != 200 {
			t.Errorf("at %s with forwarded names: got %d", host, r.StatusCode)
		}
	}
	if r := c.send("GET", "/api/me", nil, "Host: evil.example", "X-Forwarded-Host: 127.0.0.1:"+port); r.StatusCode != 421 {
		t.Errorf("X-Forwarded-Host was used: got %d", r.StatusCode)
	}
}

// TestTheHostOfTheRequestLineWins: net/http prefers the host of an absolute request line to that of the header, and so do we.
func TestTheHostOfTheRequestLineWins(t *testing.T) {
	s := start(t, options{})
	host := s.host()
	for request, status := range map[string]int{
		"GET http://evil.example/api/me HTTP/1.1\r\nHost: " + host:              421,
		"GET http://evil.example/api/me HTTP/1.1\r\nHost: evil.example":         421,
		"GET http://" + host + "/api/me HTTP/1.1\r\nHost: evil.example":         401,
		"GET http://" + host + "@evil.example/api/me HTTP/1.1\r\nHost: " + host: 421,
		"GET http://evil.example/healthz HTTP/1.1\r\nHost: " + host:             200,
		"GET http://evil.example/healthz/../api/me HTTP/1.1\r\nHost: " + host:   421,
		"GET //evil.example/api/me HTTP/1.1\r\nHost: " + host:                   404,
		"GET /api/me HTTP/1.0":                                        421,
		"GET /api/me HTTP/1.0\r\nHost: " + host:                       401,
		"GET /api/me HTTP/1.1\r\nHost: " + host + "\r\nHost: " + host: 400,
		"GET /api/me HTTP/1.1":                                        400,
		"GET /api/me HTTP/1.1\r\nHost: " + host + ", evil.example":    400,
		"GET /api/me HTTP/1.1\r\nHost: a b":                           400,
		"GET /api/me HTTP/1.1\r\nHost : " + host:                      400,
		"POST /api/auth/logout HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\nContent-Length: 5": 400,
		"CONNECT " + host + " HTTP/1.1\r\nHost: " + host:                                                 404,
	} {
		if r := s.wire(t, request+"\r\nConnection: close\r\n\r\n"); r.StatusCode != status {
			t.Errorf("%q: %d, not %d", request, r.StatusCode, status)
		}
	}
}

// TestPlainHTTPIsRefusedNotRedirected: a client that sends its password unencrypted must notice.
func TestPlainHTTPIsRefusedNotRedirected(t *testing.T) {
	t.Attr("threat", "H08")
	s := start(t, options{tls: true})
	for _, r := range httpapi.Routes() {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, r.Method+" "+at(r)+" HTTP/1.1\r\nHost: "+s.host()+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		conn.Close()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			continue // net/http recognizes only the common methods
		}
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != 400 || answer.Header.Get("Location") != "" {
			t.Errorf("%s %s: got %d %q", r.Method, r.Path, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
}

var acceptedHost = regexp.MustCompile(`^(?i:auth|app)\.(?i:example)\.(?i:com)\.?(:443)?$`)

// FuzzHostHeader: a request is answered if its host is one of the two configured ones, as a regular expression decides. No
// response repeats the host.
func FuzzHostHeader(f *testing.F) {
	for _, host := range []string{
		"auth.example.com", "AUTH.example.com.", "app.example.com:443", "evil.example", "auth.example.com:8443", "auth.example.com.evil",
		"auth.example.com:443:443", "auth.example.com..", "auth.example.com:", "[::1]", "", "auth.example.co\u212a", "a\x00",
	} {
		f.Add(host, "/api/me")
		f.Add(host, "/healthz")
	}
	var log safeBuffer
	whole, _ := build(f, memoryStores(f), "https://auth.example.com", options{origins: []string{trustedOrigin}}, &log)
	run(f, whole)
	handler := whole.Handler(nil)
	f.Fuzz(func(t *testing.T, host, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.URL.Path = path
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		health := strings.TrimSuffix(r.URL.EscapedPath(), "/")
		if want := !acceptedHost.MatchString(host) && health != "/healthz" && health != "/readyz"; (w.Code == 421) != want {
			t.Errorf("%q %q: %d", host, path, w.Code)
		}
		if len(host) > 15 && (bytes.Contains(w.Body.Bytes(), []byte(host)) || w.Header().Get("Location") != "" && w.Header().Get("Location") != "/auth/account") {
			t.Errorf("%q %q: it comes back: %v %s", host, path, w.Header(), w.Body)
		}
	})
}
