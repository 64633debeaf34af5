package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestStopAnswersWhatItHasAccepted sends SIGTERM under load. A request that the server has begun to read gets a whole answer.
// Later connections are refused, so their requests have no effect.
func TestStopAnswersWhatItHasAccepted(t *testing.T) {
	t.Parallel()
	s := start(t)
	users := s.people("pat", 50)
	tickets := s.give(users...)
	var slow []*halfSent
	for i := range users {
		slow = append(slow, s.begin(tickets[i]))
	}
	load := s.load(tickets[0])
	eventually(t, "traffic", func() bool { return load.answers.Load() > 200 })

	s.terminate()
	eventually(t, "the server takes no more", func() bool { _, err := net.Dial("tcp", s.host()); return errors.Is(err, syscall.ECONNREFUSED) })
	second := startOn(t, s.data)
	second.signedIn(users[0].Username).demand(http.StatusOK, "a second server on the same data, while the first one stops")
	for i, one := range slow {
		if status, err := one.finish(); err != nil || status != http.StatusOK {
			t.Errorf("the request in flight number %d is answered %d, %v", i, status, err)
		}
	}
	if code := s.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	load.wait(t)
	for _, ticket := range tickets[1:] {
		second.holding(ticket).demand(http.StatusUnauthorized, "signed out by a request that was in flight")
	}
}

func (s *server) host() string { return strings.TrimPrefix(s.base, "http://") }

// halfSent is a sign-out that the server has begun to read and that isn't complete.
type halfSent struct {
	conn  net.Conn
	reply *bufio.Reader
}

// begin sends a request without the end of its body. The server answers "100 Continue" when it starts to wait for that.
func (s *server) begin(ticket string) *halfSent {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /api/auth/logout HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nCookie: %s=%s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", s.host(), s.base, sessionCookie, ticket)
	reply := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := reply.ReadString('\n'); err != nil || line != want {
			s.t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
	return &halfSent{conn, reply}
}

// finish sends the rest and returns the status of the answer, read whole.
func (h *halfSent) finish() (int, error) {
	if _, err := io.WriteString(h.conn, "{}"); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(h.reply, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	return response.StatusCode, err
}

// load is clients that call /api/me as fast as they can, until the server takes no connection. One that waits to be accepted when the server
// stops listening is reset.
type load struct {
	group   sync.WaitGroup
	answers atomic.Int64
	mu      sync.Mutex
	broken  []error
}

func (s *server) load(ticket string) *load {
	t, l := s.t, &load{}
	for range 50 {
		v := s.holding(ticket)
		l.group.Go(func() {
			used := false
			traced := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
				GotConn: func(c httptrace.GotConnInfo) { used = c.Reused },
			})
			for {
				r, err := http.NewRequestWithContext(traced, "GET", s.base+"/api/me", nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = v.do(r)
				if refused(err) || !used && errors.Is(err, syscall.ECONNRESET) {
					return
				}
				l.answers.Add(1)
				if err != nil {
					l.mu.Lock()
					l.broken = append(l.broken, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

func (l *load) wait(t *testing.T) {
	t.Helper()
	l.group.Wait()
	t.Logf("%d answers, %d broken", l.answers.Load(), len(l.broken))
	for _, err := range l.broken {
		t.Errorf("a client was cut off: %v", err)
	}
}

// TestAServerThatIsAboutToStopGoesOnAnswering for its --stop-delay: it fails /readyz, closes connections after each answer, and
// keeps its event streams until the end.
func TestAServerThatIsAboutToStopGoesOnAnswering(t *testing.T) {
	t.Parallel()
	s := start(t, "--stop-delay", "3s")
	user := s.person("sue")
	v := s.holding(s.give(user)[0])
	page, over := &listener{v: s.holding(v.ticket())}, make(chan time.Time, 1)
	go func() {
		if _, _, err := page.stream(t.Context()); err != nil {
			t.Error(err)
		}
		over <- time.Now()
	}()
	eventually(t, "the page listens", func() bool { return page.lives.Load() == 1 })
	asked := time.Now()
	s.terminate()
	eventually(t, "it isn't ready", func() bool {
		a, err := s.visitor().get("/readyz")
		return err == nil && a.status == http.StatusServiceUnavailable && a.code() == "stopping"
	})
	r, err := http.NewRequest("GET", s.base+"/api/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", sessionCookie+"="+v.ticket())
	answer, err := s.transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || !answer.Close {
		t.Errorf("about to stop: %s; the connection may be kept: %v", answer.Status, !answer.Close)
	}
	s.signedIn(user.Username).demand(http.StatusOK, "signed in while it is about to stop")
	if code := s.ended(); code != 0 || time.Since(asked) < 3*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(asked))
	}
	if at := <-over; at.Sub(asked) < 3*time.Second {
		t.Errorf("the stream ended %v after the signal", at.Sub(asked))
	}
}

// TestStopWritesTheLastUses checks that uses which wait to be written aren't lost by an orderly stop.
func TestStopWritesTheLastUses(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := s.holding(s.give(s.person("una"))[0])
	db := s.open()
	s.age(db, 2*time.Minute)
	before := lastSeen(t, s)
	v.demand(http.StatusOK, "two minutes later")
	s.stop()
	if after := lastSeen(t, s); after < before+120 {
		t.Errorf("last seen %d s after the use before, want 120", after-before)
	}
}

func lastSeen(t *testing.T, s *server) (seen int64) {
	t.Helper()
	if err := openFile(t, s.database()).QueryRowContext(t.Context(), `SELECT seen FROM sessions`).Scan(&seen); err != nil {
		t.Fatal(err)
	}
	return seen
}
