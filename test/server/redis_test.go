package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
)

// startRedis starts a Redis for this test.
func startRedis(t *testing.T) *redisserver.Server {
	t.Helper()
	r, err := redisserver.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	return r
}

// TestSessionsInRedis is a session's life on two nodes with one Redis and one database, and the command line beside them.
func TestSessionsInRedis(t *testing.T) {
	t.Parallel()
	url := startRedis(t).URL()
	s := start(t, "--sessions", url)
	other := startOn(t, s.data, "--sessions", url)
	user := s.person("ann").Username
	v := s.signedIn(user)
	there := other.holding(v.cookies[sessionCookie])
	v.demand(http.StatusOK, "after sign-in")
	there.demand(http.StatusOK, "after sign-in, on the other node")
	if a := v.must(v.send(http.MethodPost, "/api/auth/logout", nil)); a.status != http.StatusOK {
		t.Fatalf("sign-out: %s", a)
	}
	there.demand(http.StatusUnauthorized, "after sign-out, on the other node")

	v = s.signedIn(user)
	there = other.holding(v.cookies[sessionCookie])
	s.run("session", "revoke", v.session(), "--sessions", url)
	there.demand(http.StatusUnauthorized, "after session revoke")

	v = s.signedIn(user)
	s.runWith("another horse battery staple\n", "user", "password", user, "--password-stdin")
	v.demand(http.StatusUnauthorized, "after a command that knows nothing of Redis has changed the password")

	s.stop()
	s.start()
	other.demandReady()
}

// demandReady ends the test unless the server is ready.
func (s *server) demandReady() {
	s.t.Helper()
	if a := s.visitor().must(s.visitor().get("/readyz")); a.status != http.StatusOK {
		s.t.Fatalf("readyz: %s", a)
	}
}

// TestAnOutageOfRedisIsNoSignOut takes Redis away under load, in several ways.
func TestAnOutageOfRedisIsNoSignOut(t *testing.T) {
	t.Attr("threat", "L04")
	t.Parallel()
	redis := startRedis(t)
	net, err := faultproxy.New(redis.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	s := start(t, "--sessions", "redis://"+net.Addr)
	outage := 2500 * time.Millisecond // longer than the time limit of an answer
	if long {
		outage = 30 * time.Second
	}
	for name, way := range map[string]struct{ begin, end func() }{
		"cut and refused": {func() { net.Refuse(); net.Cut() }, net.Admit},
		"frozen":          {net.Freeze, net.Thaw},
		"slow":            {func() { net.Delay(slow) }, func() { net.Delay(0) }},
		"killed":          {redis.Kill, func() { s.must(redis.Start(t.Context())) }},
	} {
		t.Run(name, func(t *testing.T) {
			load := s.loadOutage(t)
			time.Sleep(300 * time.Millisecond)
			way.begin()
			time.Sleep(outage)
			way.end()
			back := s.fullService(t, load.in)
			load.end()
			t.Logf("%d answers of 200, %d of 503; full service %v after the return", load.count[200], load.count[503], back)
			if load.count[200] == 0 || load.count[503] == 0 {
				t.Error("the test has no bite")
			}
		})
	}
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// outageLoad is clients at work during an outage of a store, and their answers.
type outageLoad struct {
	in    []*visitor // signed in, and not at work
	stop  chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	count map[int]int
}

// loadOutage lets signed-in clients call /api/me, clients with ended sessions try to get in, and others sign in, until end.
func (s *server) loadOutage(t *testing.T) *outageLoad {
	t.Helper()
	load := &outageLoad{stop: make(chan struct{}), count: map[int]int{}}
	name := "p" + t.Name()[len(t.Name())-6:]
	users := s.people(name, 3)
	in, out := s.signedIn(users[0].Username), s.signedIn(users[1].Username)
	ended := s.holding(out.cookies[sessionCookie])
	out.must(out.send(http.MethodPost, "/api/auth/logout", nil))
	for range 4 {
		load.in = append(load.in, s.holding(in.cookies[sessionCookie]))
		load.work(t, s.holding(in.cookies[sessionCookie]), http.StatusOK)
	}
	load.work(t, ended, http.StatusUnauthorized)
	load.group.Go(func() {
		for load.goes() {
			v := s.visitor()
			a, err := v.signIn(users[2].Username, goodPassword)
			load.judge(t, a, err, http.StatusOK)
			time.Sleep(50 * time.Millisecond)
		}
	})
	return load
}

func (load *outageLoad) work(t *testing.T, v *visitor, want int) {
	load.group.Go(func() {
		for load.goes() {
			a, err := v.get("/api/me")
			load.judge(t, a, err, want)
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// judge accepts the answer of normal operation, and 503.
func (load *outageLoad) judge(t *testing.T, a answer, err error, want int) {
	load.mu.Lock()
	defer load.mu.Unlock()
	load.count[a.status]++
	switch {
	case err != nil:
		t.Error(err)
	case a.status == http.StatusServiceUnavailable && (a.header.Get("Retry-After") == "" || a.header.Get("Set-Cookie") != ""):
		t.Errorf("a dishonest 503: %v", a.header)
	case a.status != http.StatusServiceUnavailable && a.status != want:
		t.Errorf("answered %s, want %d or 503", a, want)
	}
}

func (load *outageLoad) goes() bool {
	select {
	case <-load.stop:
		return false
	default:
		return true
	}
}

func (load *outageLoad) end() {
	close(load.stop)
	load.group.Wait()
}

// fullService waits until all clients are served again, twice in a row, and returns how long that took.
func (s *server) fullService(t *testing.T, all []*visitor) time.Duration {
	t.Helper()
	began := time.Now()
	for good := 0; good < 2*len(all); {
		if a, err := all[good%len(all)].get("/api/me"); err == nil && a.status == http.StatusOK {
			good++
			continue
		}
		good = 0
		if time.Since(began) > patience {
			t.Fatal("no service")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}
