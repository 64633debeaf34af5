package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// open serves a gateway whose paths are all public, by a server with short limits of its own.
func open(t *testing.T, upstream string, stall, limit time.Duration, h2 bool) *httptest.Server {
	t.Helper()
	s, _ := openGateway(t, upstream, stall, limit, h2)
	return s
}

func openGateway(t *testing.T, upstream string, stall, limit time.Duration, h2 bool) (*httptest.Server, *gateway.Gateway) {
	t.Helper()
	db := memory.New()
	guard, err := csrf.New(csrf.Config{URL: "https://app.example.com", Keys: func() [][]byte { return [][]byte{[]byte("a key of the test's")} }})
	if err != nil {
		t.Fatal(err)
	}
	resolver := auth.New(auth.Config{Sessions: &session.Manager{Store: db.Sessions}, Accounts: db.Accounts})
	g, err := gateway.New(gateway.Config{
		Upstreams: []string{upstream}, Rules: []string{"public /*"}, Stall: stall, URL: "https://app.example.com", Auth: resolver, CSRF: guard,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(resolver.Handler(g))
	s.Config.ReadTimeout, s.Config.WriteTimeout = limit, limit
	if s.EnableHTTP2 = h2; h2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, g
}

// trickle is a body that yields one byte after each pause.
type trickle struct {
	pause time.Duration
	left  int
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.left--
	time.Sleep(b.pause)
	p[0] = 'x'
	return 1, nil
}

func TestSlowTransfersAreAllowedAndStalledOnesAreNot(t *testing.T) {
	let := make(chan struct{}, 2) // requests that were given up
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			let <- struct{}{}
			return
		}
		if r.Method == http.MethodGet {
			n = 20
		}
		for range n {
			fmt.Fprint(w, "y")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}))
	defer application.Close()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%v", h2), func(t *testing.T) {
			s := open(t, application.URL, 20*time.Second, 300*time.Millisecond, h2)
			for _, method := range []string{"GET", "POST"} { // each takes a second or two, in steps of 50 ms
				var body io.Reader
				if method == "POST" {
					body = &trickle{50 * time.Millisecond, 20}
				}
				r, err := http.NewRequest(method, s.URL+"/x", body)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := s.Client().Do(r)
				if err != nil {
					t.Errorf("%s: %v", method, err)
					continue
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if string(text) != strings.Repeat("y", 20) || err != nil {
					t.Errorf("%s: %q, %v", method, text, err)
				}
			}
			s = open(t, application.URL, 300*time.Millisecond, time.Hour, h2)
			body, rest := io.Pipe()
			defer rest.Close()
			go func() { _, _ = rest.Write([]byte("x")) }() // and no more
			r, err := http.NewRequest("POST", s.URL+"/x", body)
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() {
				answer, err := s.Client().Do(r)
				if err == nil {
					answer.Body.Close()
					if answer.StatusCode != http.StatusRequestTimeout {
						err = errors.New(answer.Status)
					}
				} else {
					err = nil // the connection may be gone before the answer is read
				}
				answered <- err
			}()
			select {
			case <-let:
			case <-time.After(15 * time.Second):
				t.Error("a body that stalls is waited for")
			}
			rest.Close()
			if err := <-answered; err != nil {
				t.Errorf("a body that stalls: %v", err)
			}
		})
	}
}

// lingering is a connection to an upstream on which writing a request's last bytes lasts until the answer has begun.
type lingering struct {
	net.Conn
	last  []byte // how the request ends
	begun <-chan struct{}
}

func (c lingering) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if strings.HasSuffix(string(p), string(c.last)) {
		select {
		case <-c.begun:
		case <-time.After(15 * time.Second):
			return n, errors.New("no answer has begun")
		}
	}
	return n, err
}

// TestAnAnswerThatBeginsWhileTheBodyEndsIsWhole covers a race: once an answer has begun, the server closes the request's body,
// and reading on is an error. But the transport reads once more to detect excess bytes, however late its last write is done.
func TestAnAnswerThatBeginsWhileTheBodyEndsIsWhole(t *testing.T) {
	const size, pieces = 256 << 10, 20
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		for range pieces { // time for the connection to be given up
			fmt.Fprint(w, "y")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	defer application.Close()
	s, g := openGateway(t, application.URL, time.Minute, time.Hour, false)
	begun := make(chan struct{})
	g.WrapUpstreams(func(c net.Conn) net.Conn { return lingering{c, []byte("the end"), begun} })
	r, err := http.NewRequest("POST", s.URL+"/x", strings.NewReader(strings.Repeat("x", size)+"the end"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	close(begun)
	text, err := io.ReadAll(answer.Body)
	if string(text) != strings.Repeat("y", pieces) || err != nil {
		t.Errorf("%d %q, %v", answer.StatusCode, text, err)
	}
}

// TestAClientThatDoesNotReadIsDisconnected checks that a client which doesn't read is disconnected, here and at the application.
func TestAClientThatDoesNotReadIsDisconnected(t *testing.T) {
	gone := make(chan struct{}, 1)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		gone <- struct{}{}
	}))
	defer application.Close()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%v", h2), func(t *testing.T) {
			s := open(t, application.URL, 300*time.Millisecond, time.Hour, h2)
			answer, err := s.Client().Get(s.URL + "/x")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			select {
			case <-gone:
			case <-time.After(15 * time.Second):
				t.Error("it is waited for")
			}
		})
	}
}

// TestTheUpstreamIsAskedOnceASmallBodyIsThere checks that a slow client with a small body doesn't keep the upstream waiting,
// and that an incomplete small body is never passed on.
func TestTheUpstreamIsAskedOnceASmallBodyIsThere(t *testing.T) {
	asked := make(chan string, 10)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- "asked"
		text, err := io.ReadAll(r.Body)
		asked <- fmt.Sprint(string(text), err)
	}))
	defer application.Close()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%v", h2), func(t *testing.T) {
			s := open(t, application.URL, time.Second, time.Hour, h2)
			send := func(body io.Reader, size int64) (*http.Response, error) {
				r, err := http.NewRequest("POST", s.URL+"/x", body)
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = size
				return s.Client().Do(r)
			}
			body, rest := io.Pipe()
			answered := make(chan error, 1)
			go func() {
				answer, err := send(body, 6)
				if err == nil {
					answer.Body.Close()
				}
				answered <- err
			}()
			for _, piece := range []string{"ab", "cd"} {
				_, _ = rest.Write([]byte(piece))
				time.Sleep(100 * time.Millisecond)
			}
			if len(asked) > 0 {
				t.Error("the upstream is asked before the body is there")
			}
			_, _ = rest.Write([]byte("ef"))
			rest.Close()
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
			if one, two := <-asked, <-asked; one != "asked" || two != "abcdef<nil>" {
				t.Errorf("the upstream was %s, and read %s", one, two)
			}
			body, rest = io.Pipe()
			go func() {
				_, _ = rest.Write([]byte("abc")) // and no more
				time.Sleep(2 * time.Second)
				rest.Close()
			}()
			if answer, err := send(body, 6); err == nil { // an error: the connection may be gone before the answer is read
				answer.Body.Close()
				if answer.StatusCode != http.StatusRequestTimeout {
					t.Errorf("a body that stalls: %s", answer.Status)
				}
			}
			if len(asked) > 0 {
				t.Error("the upstream is asked although the body never came")
			}
		})
	}
}
