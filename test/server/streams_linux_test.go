package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/session"
)

// manyStreams is the maximum of a server.
const manyStreams = events.MaxPages

// memoryOfStreams is the memory that the server may use with all of them open.
const memoryOfStreams = 150 << 20

// TestTenThousandStreamsFitInMemory opens the maximum of event streams, ends some of their sessions on the command line, and
// then all by stopping the server.
func TestTenThousandStreamsFitInMemory(t *testing.T) {
	moreFiles(t, manyStreams+2000)
	s := start(t)
	cookies, ids := s.sessions(s.people("ada", manyStreams/events.MaxPerSession))
	before := s.memory()
	began := time.Now()
	streams := s.openAll(t, cookies)
	opened := time.Since(began)
	time.Sleep(2 * time.Second) // until all is quiet
	idle := s.processorTime()
	time.Sleep(2 * time.Second)
	busy := s.processorTime() - idle
	with := s.memory()
	t.Logf("%d streams opened in %v; memory %d MB, before %d MB; %v of processor in 2 s", manyStreams, opened.Round(time.Millisecond),
		with.resident>>20, before.resident>>20, busy)
	if with.peak > memoryOfStreams && !raceDetector {
		t.Errorf("the server had %d MB in memory", with.peak>>20)
	}
	if _, err := streams.open(s, cookies[0]); err == nil {
		t.Error("one more was taken")
	}
	ended := time.Now()
	s.run("session", "revoke", ids[0])
	revoked := time.Now()
	streams.waitFor(t, manyStreams-events.MaxPerSession)
	t.Logf("the pages of a session that another process ended knew after %v, %v after the command", time.Since(ended), time.Since(revoked))
	if n := streams.told.Load(); n != events.MaxPerSession {
		t.Errorf("%d pages were told, of %d", n, events.MaxPerSession)
	}
	s.stop()
	streams.waitFor(t, 0)
	if n := streams.told.Load(); n != events.MaxPerSession {
		t.Errorf("the stop told %d pages that their sessions had ended", n-events.MaxPerSession)
	}
}

// moreFiles raises the limit of open files of this process and the server.
func moreFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < n {
		t.Fatalf("this machine lets a process open %d files; the test needs %d: ulimit -Hn %d", limit.Max, n, n)
	}
	before := limit
	limit.Cur = max(limit.Cur, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
}

// sessions makes sessions without sign-ins, and returns the cookies and the public IDs.
func (s *server) sessions(users []*account.User) (cookies, ids []string) {
	s.t.Helper()
	db := s.stores()
	defer db.Close()
	m := &session.Manager{Store: db.Sessions, InsecureHTTP: true}
	for _, u := range users {
		w := httptest.NewRecorder()
		one, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: u.Epoch, Method: "password"})
		if err != nil {
			s.t.Fatal(err)
		}
		cookie := w.Result().Cookies()[0]
		cookies, ids = append(cookies, cookie.Name+"="+cookie.Value), append(ids, one.ID)
	}
	return cookies, ids
}

// streams are open connections to the server.
type streams struct {
	alive atomic.Int64
	told  atomic.Int64
}

// openAll opens as many streams as each session may have.
func (s *server) openAll(t *testing.T, cookies []string) *streams {
	t.Helper()
	all := &streams{}
	var workers sync.WaitGroup
	next := make(chan string)
	for range 16 {
		workers.Go(func() {
			for cookie := range next {
				if _, err := all.open(s, cookie); err != nil {
					t.Errorf("open a stream: %v", err)
				}
			}
		})
	}
	for _, cookie := range cookies {
		for range events.MaxPerSession {
			next <- cookie
		}
	}
	close(next)
	workers.Wait()
	if n := all.alive.Load(); n != manyStreams {
		t.Fatalf("%d streams are open, of %d", n, manyStreams)
	}
	return all
}

// open opens a stream over a connection of its own, with little memory, because this process has as many as the server.
func (all *streams) open(s *server, cookie string) (net.Conn, error) {
	address := strings.TrimPrefix(s.base, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET /api/auth/events HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nUser-Agent: %s\r\nAccept: text/event-stream\r\n"+
		"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n",
		address, cookie, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	r := bufio.NewReaderSize(conn, 1024)
	status, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		err = errors.New(status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	all.alive.Add(1)
	go func() {
		defer conn.Close()
		defer all.alive.Add(-1)
		for {
			line, err := r.ReadString('\n')
			if strings.HasPrefix(line, "event: session.ended") {
				all.told.Add(1)
			}
			if err != nil {
				return
			}
		}
	}()
	return conn, nil
}

func (all *streams) waitFor(t *testing.T, n int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if all.alive.Load() == n {
			return
		}
	}
	t.Fatalf("%d streams are open, want %d", all.alive.Load(), n)
}

// processorTime is the processor time of the server so far.
func (s *server) processorTime() time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(s.proc("stat"))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		s.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
