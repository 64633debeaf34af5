package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSlowClientsDelayNoOther opens hundreds of connections whose requests never become complete. Others are served meanwhile,
// and in the end the server has dropped the slow ones.
func TestSlowClientsDelayNoOther(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := s.holding(s.give(s.person("sue"))[0])
	v.demand(http.StatusOK, "before")
	s.transport.CloseIdleConnections()
	files := s.quiet()

	const each = 100
	var trickles []*trickle
	for range each {
		trickles = append(trickles,
			s.trickle("", ""), // sends nothing
			s.trickle("GET /api/me HTTP/1.1\r\nHost: "+s.host()+"\r\nX-Slow: ", "x"), // slowloris
			s.trickle(s.bodyOf(1000), "x"),                                           // a body that never ends
		)
	}
	idle := measure(t, v, func() { time.Sleep(2 * time.Second) })
	t.Logf("/api/me among %d slow clients: %s; %d MB", len(trickles), summary(idle), s.memory().resident>>20)
	if open := s.files(); open < files+2*each {
		t.Errorf("%d files open with %d slow clients: they are not there", open, len(trickles))
	}
	statuses := map[int]int{}
	for _, one := range trickles {
		statuses[<-one.status]++
	}
	t.Logf("answered: %v", statuses)
	if statuses[endless] > 0 {
		t.Errorf("%d slow clients could have gone on for ever", statuses[endless])
	}
	s.transport.CloseIdleConnections()
	eventually(t, "the slow clients' connections are closed", func() bool { return s.files() < files+each/2 })
	v.demand(http.StatusOK, "afterwards")
	if stuck := s.goroutines(); stuck > 40 {
		t.Errorf("%d goroutines are left:\n%s", stuck, s.log.Tail(400))
	}
}

// TestTooLongAHeaderIsRefused checks that a browser with too many cookies gets an error that says so.
func TestTooLongAHeaderIsRefused(t *testing.T) {
	t.Attr("threat", "A7")
	s := start(t)
	before := s.memory()
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			conn, err := net.Dial("tcp", s.host())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			go func() { // the server stops reading at some point
				_, _ = io.WriteString(conn, "GET /api/me HTTP/1.1\r\nHost: "+s.host()+"\r\nCookie: "+strings.Repeat("a=b; ", 1<<20)+"\r\n\r\n")
			}()
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 431 ") {
				t.Errorf("5 MB of cookies are answered %q, %v", line, err)
			}
		})
	}
	group.Wait()
	if after := s.memory(); after.peak-before.resident > 50<<20 && !raceDetector {
		t.Errorf("%d MB before, %d MB at most", before.resident>>20, after.peak>>20)
	}
	fits := s.visitor()
	fits.cookies["much"] = strings.Repeat("x", 60<<10)
	fits.demand(http.StatusUnauthorized, "60 KiB of cookies")
}

// trickle is a connection on which a piece arrives now and then.
type trickle struct{ status chan int } // of the answer

const (
	cutOff  = 0  // the server closed the connection without one
	endless = -1 // the server let it go on
)

// trickle opens a connection, sends the start of a request, and then one piece each second.
func (s *server) trickle(begin, piece string) *trickle {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		s.t.Fatal(err)
	}
	c := &trickle{make(chan int, 1)}
	if _, err := io.WriteString(conn, begin); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for err := error(nil); err == nil && piece != ""; _, err = io.WriteString(conn, piece) {
			time.Sleep(time.Second)
		}
	}()
	go func() {
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.status <- endless
		case err != nil:
			c.status <- cutOff
		default:
			c.status <- response.StatusCode
			response.Body.Close()
		}
	}()
	return c
}

// bodyOf returns the headers of a sign-in that announce a body of that many bytes.
func (s *server) bodyOf(length int) string {
	return fmt.Sprintf("POST /api/auth/login HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{",
		s.host(), s.base, length)
}

// quiet waits until the number of open files of the server stays the same, and returns it.
func (s *server) quiet() int {
	last, since := s.files(), time.Now()
	for time.Since(since) < 500*time.Millisecond {
		time.Sleep(50 * time.Millisecond)
		if now := s.files(); now != last {
			last, since = now, time.Now()
		}
	}
	return last
}

// goroutines ends the server with SIGQUIT, on which it prints its goroutines, and counts them.
func (s *server) goroutines() int {
	s.t.Helper()
	if err := s.command.Process.Signal(syscall.SIGQUIT); err != nil {
		s.t.Fatal(err)
	}
	s.ended()
	return strings.Count(s.log.String(), "\ngoroutine ")
}

// TestASlowBodyIsNoOutage sends a password more slowly than a store may take to answer.
func TestASlowBodyIsNoOutage(t *testing.T) {
	t.Parallel()
	s := start(t)
	user := s.person("sal")
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, user.Username, goodPassword)
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head, _ := strings.CutSuffix(s.bodyOf(len(body)), "{")
	fmt.Fprint(conn, head+body[:20])
	time.Sleep(6 * time.Second)
	fmt.Fprint(conn, body[20:])
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("a body that took 6 s is answered %v, %v", response, err)
	}
}
