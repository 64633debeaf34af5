package server_test

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// slow is a delay for one piece of data that exceeds every time limit.
const slow = 4 * time.Second

// fewDials limits how often a node may connect to a database in an outage of this length: each of its connections is dialled
// again when it is lost, and then stores and feed have one probe each, with pauses that grow to 250 ms.
func fewDials(away time.Duration) int { return 30 + int(10*away.Seconds()) }

// TestAnOutageOfPostgresIsNoSignOut takes the database away under load in several ways, and gives it back. Meanwhile a live
// ticket is answered 200 or 503 and a dead one 401 or 503, no sign-in succeeds, and no answer sets or deletes the cookie.
func TestAnOutageOfPostgresIsNoSignOut(t *testing.T) {
	t.Parallel() // it mostly waits
	database := pgserver.TestServer(t)
	net, err := faultproxy.New(database.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	s := startWith(t, filepath.Join(t.TempDir(), "data"), "postgres://postgres@"+net.Addr+"/postgres")
	users := s.people("ola", 8)
	tickets := s.give(users...)
	dead := s.give(users...)
	for _, ticket := range dead {
		v := s.holding(ticket)
		if a := v.must(v.signOut()); a.status != http.StatusOK {
			t.Fatalf("sign-out: %s", a)
		}
	}
	for _, way := range []struct {
		name       string
		take, give func() error
	}{
		{"stopped", database.Stop, func() error { return database.Start(t.Context()) }},
		{"paused", database.Pause, database.Resume},
		{"cut off", func() error { net.Refuse(); net.Cut(); return nil }, func() error { net.Admit(); return nil }},
		{"slow", func() error { net.Delay(slow); return nil }, func() error { net.Delay(0); return nil }},
		{"half-open", func() error { net.Freeze(); return nil }, func() error { net.Thaw(); return nil }},
	} {
		t.Run(way.name, func(t *testing.T) {
			o := s.observe(t, tickets, dead, users[0].Username)
			eventually(t, "traffic", func() bool { return o.alive.Load() > 50 })
			dials, began := net.Dials(), time.Now()
			if err := way.take(); err != nil {
				t.Fatal(err)
			}
			o.await(t)
			if a, err := s.visitor().get("/healthz"); err != nil || a.status != http.StatusOK {
				t.Errorf("/healthz during the outage: %s, %v", a, err)
			}
			if s.isReady() {
				t.Error("/readyz says yes during the outage")
			}
			if n, most := net.Dials()-dials, fewDials(time.Since(began)); n > most {
				t.Errorf("the database was dialled %d times in the outage, want at most %d", n, most)
			}
			if err := way.give(); err != nil {
				t.Fatal(err)
			}
			returned := time.Now()
			o.recovers(t)
			o.stop()
			t.Logf("%d live, %d dead, %d outages, %d sign-ins; full service %v after the return",
				o.alive.Load(), o.dead.Load(), o.outages.Load(), o.ins.Load(), o.last.Sub(returned).Round(time.Millisecond))
		})
	}
}

// observer is clients at work during an outage, and the answers they got.
type observer struct {
	s     *server
	stop  func()
	began time.Time

	alive, dead, ins, outages atomic.Int64

	mu   sync.Mutex
	last time.Time // the latest answer that reported an outage
	max  time.Duration
}

func (s *server) observe(t *testing.T, tickets, dead []string, name string) *observer {
	o := &observer{s: s, began: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	o.stop = func() { cancel(); group.Wait() }
	t.Cleanup(o.stop)
	repeat := func(ask func() (answer, error), status int, count *atomic.Int64) {
		group.Go(func() {
			for ctx.Err() == nil {
				o.note(t, ask, status, count)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for _, ticket := range tickets {
		repeat(s.holding(ticket).me, http.StatusOK, &o.alive)
	}
	for _, ticket := range dead {
		repeat(s.holding(ticket).me, http.StatusUnauthorized, &o.dead)
	}
	for range 2 {
		repeat(func() (answer, error) {
			return persist(func() (answer, error) { return s.visitor().signIn(name, goodPassword) })
		}, http.StatusOK, &o.ins)
		repeat(func() (answer, error) {
			v := s.visitor()
			return persist(func() (answer, error) { return v.signIn("unknown", goodPassword) })
		}, http.StatusUnauthorized, new(atomic.Int64))
	}
	return o
}

// note sends a request and checks the answer.
func (o *observer) note(t *testing.T, ask func() (answer, error), status int, count *atomic.Int64) {
	began := time.Now()
	a, err := ask()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.max = max(o.max, time.Since(began))
	switch {
	case err != nil:
		t.Errorf("no answer: %v", err)
	case a.status == status:
		count.Add(1)
	case a.status == http.StatusTooManyRequests && status == http.StatusUnauthorized: // guesses for an account that doesn't exist
	case a.status != http.StatusServiceUnavailable:
		t.Errorf("told %s, want %d or 503", a, status)
	default:
		o.outages.Add(1)
		o.last = time.Now()
		if a.header.Get("Retry-After") == "" || len(a.header.Values("Set-Cookie")) > 0 || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("an outage is told as %s with %v", a, a.header)
		}
	}
}

// await waits until the outage has been noticed, and some seconds more.
func (o *observer) await(t *testing.T) {
	t.Helper()
	lasts := 3 * time.Second
	if long {
		lasts = 30 * time.Second
	}
	eventually(t, "the outage is noticed", func() bool { return o.outages.Load() > 20 })
	time.Sleep(lasts)
}

// recovers waits until full service has lasted for a while.
func (o *observer) recovers(t *testing.T) {
	t.Helper()
	alive, ins := o.alive.Load(), o.ins.Load()
	eventually(t, "full service", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.alive.Load() > alive+50 && o.ins.Load() > ins+2 && time.Since(o.last) > time.Second
	})
}

// TestARightPasswordIsNotTooManyFailuresWhileAStandbyIsAway runs while commits wait for a missing synchronous standby. After a
// few failures the right password is sent more often than failures are allowed, and each answer must be an outage.
func TestARightPasswordIsNotTooManyFailuresWhileAStandbyIsAway(t *testing.T) {
	t.Parallel() // it mostly waits
	s, database := own(t)
	name := s.people("sam", 1)[0].Username
	standby := func(names string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), database.URL("postgres"))
		s.must(err)
		defer conn.Close(t.Context())
		for _, statement := range []string{`ALTER SYSTEM SET synchronous_standby_names = '` + names + `'`, `SELECT pg_reload_conf()`} {
			_, err := conn.Exec(t.Context(), statement)
			s.must(err)
		}
	}
	for range 8 {
		if a, err := s.visitor().signIn(name, "not the password"); err != nil || a.status != http.StatusUnauthorized {
			t.Fatalf("a wrong password is told %s, %v", a, err)
		}
	}
	standby("absent")
	for range 4 {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				a, err := s.visitor().signIn(name, goodPassword)
				if err != nil || a.status != http.StatusServiceUnavailable && a.status != http.StatusOK {
					t.Errorf("a right password is told %s, %v; want 503", a, err)
				}
			})
		}
		group.Wait()
	}
	standby("")
	eventually(t, "a sign-in", func() bool {
		a, err := s.visitor().signIn(name, goodPassword)
		if err == nil && a.status == http.StatusTooManyRequests {
			t.Errorf("after the outage a right password is told %s", a)
		}
		return err == nil && a.status == http.StatusOK
	})
}
