package server_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// startOnPostgres serves an empty database of the server that the tests share.
func startOnPostgres(t *testing.T, args ...string) *server {
	t.Helper()
	return startWith(t, filepath.Join(t.TempDir(), "data"), pgserver.Test(t), args...)
}

// own starts the program on a PostgreSQL server of its own.
func own(t *testing.T) (*server, *pgserver.Server) {
	t.Helper()
	database := pgserver.TestServer(t)
	return startWith(t, filepath.Join(t.TempDir(), "data"), database.URL("postgres")), database
}

func TestPostgresInPlaceOfAFile(t *testing.T) {
	t.Parallel()
	s := startOnPostgres(t)
	s.people("ann", 1)
	v := s.signedIn("ann0")
	v.demand(http.StatusOK, "after sign-in")
	s.stop()
	s.start()
	v.demand(http.StatusOK, "after a restart")
	ticket := v.ticket()
	if a := v.must(v.signOut()); a.status != http.StatusOK {
		t.Errorf("sign-out: %s", a)
	}
	s.holding(ticket).demand(http.StatusUnauthorized, "after sign-out")
	honoursCommands(t, s)
}

// nodes is several servers of one database behind a load balancer without stickiness that tries another node if one
// refuses the connection or, as proxies do, if the connection of a GET breaks before an answer.
type nodes struct {
	all  []*server
	turn atomic.Int64
}

func (n *nodes) RoundTrip(r *http.Request) (response *http.Response, err error) {
	first := int(n.turn.Add(1))
	for i := range n.all {
		node := n.all[(first+i)%len(n.all)]
		to := r.Clone(r.Context())
		to.Host, to.URL.Host = n.all[0].host(), node.host()
		response, err = node.transport.RoundTrip(to)
		broken := r.Method == http.MethodGet && errors.Is(err, syscall.ECONNRESET)
		if !errors.Is(err, syscall.ECONNREFUSED) && !broken {
			return response, err
		}
	}
	return nil, err
}

// startNodes starts n servers on one database. Requests to the first go to each in turn.
func startNodes(t *testing.T, n int) *nodes {
	t.Helper()
	first := startOnPostgres(t)
	all := &nodes{all: []*server{first}}
	for len(all.all) < n {
		all.all = append(all.all, startWith(t, first.data, first.db, "--url", first.base))
	}
	first.through = all
	return all
}

// TestNodesAreOneServer checks that everything one node has acknowledged holds at the other, which gets the next request.
func TestNodesAreOneServer(t *testing.T) {
	t.Parallel()
	n := startNodes(t, 2)
	s := n.all[0]
	users := s.people("noa", 10)
	var group sync.WaitGroup
	for _, user := range users {
		group.Go(func() {
			for range 3 {
				v := s.visitor()
				if a, err := persist(func() (answer, error) { return v.signIn(user.Username, goodPassword) }); err != nil || a.status != http.StatusOK {
					t.Errorf("sign-in: %s, %v", a, err)
					return
				}
				v.expect(http.StatusOK, "right after sign-in")
				v.expect(http.StatusOK, "and at the other node")
				old := v.ticket()
				if a, err := persist(func() (answer, error) { return v.reauthenticate(goodPassword) }); err != nil || a.status != http.StatusOK {
					t.Errorf("re-authentication: %s, %v", a, err)
					return
				}
				former := s.holding(old)
				former.expect(http.StatusUnauthorized, "the old ticket")
				former.expect(http.StatusUnauthorized, "the old ticket at the other node")
				now := s.holding(v.ticket())
				if a, err := v.signOut(); err != nil || a.status != http.StatusOK {
					t.Errorf("sign-out: %s, %v", a, err)
				}
				now.expect(http.StatusUnauthorized, "right after sign-out")
				now.expect(http.StatusUnauthorized, "and at the other node")
			}
		})
	}
	group.Wait()
}

// expect is demand for goroutines other than the test's.
func (v *visitor) expect(status int, when string) {
	if a, err := v.me(); err != nil || a.status != status {
		v.s.t.Errorf("%s: /api/me answers %s, %v; want %d", when, a, err, status)
	}
}

// TestNodesAreReplacedOneByOne is a rolling restart under load: not one request fails.
func TestNodesAreReplacedOneByOne(t *testing.T) {
	t.Parallel()
	n := startNodes(t, 3)
	s := n.all[0]
	tickets := s.give(s.people("rob", 20)...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	var answers atomic.Int64
	for _, ticket := range tickets {
		group.Go(func() {
			v := s.holding(ticket)
			for ctx.Err() == nil {
				v.expect(http.StatusOK, "while nodes are replaced")
				answers.Add(1)
			}
		})
	}
	for _, node := range n.all[1:] {
		before := answers.Load()
		eventually(t, "traffic", func() bool { return answers.Load() > before+100 })
		node.stop()
		node.again()
	}
	stop()
	group.Wait()
	t.Logf("%d requests answered", answers.Load())
}

// again starts a server on the address that it had.
func (s *server) again() {
	s.t.Helper()
	s.launch(s.host())
	if !s.ready() {
		s.t.Fatalf("the server doesn't start again:\n%s", s.log.Tail(20))
	}
}

// TestAcknowledgedRequestsSurviveAKillOfPostgres is TestAcknowledgedRequestsSurviveAKill for the database server: its
// processes are killed while clients sign in and out, and started again.
func TestAcknowledgedRequestsSurviveAKillOfPostgres(t *testing.T) {
	t.Attr("threat", "B5")
	t.Parallel()
	s, database := own(t)
	crowd := newCrowd(s, s.people("kim", 100), 200)
	lives := 4
	if long {
		lives = 50
	}
	for range lives {
		crowd.seed()
		begun := time.Now()
		var killed atomic.Bool
		acknowledged := crowd.ins.Load() + crowd.rotations.Load()
		outages := crowd.outages.Load()
		kill := sync.OnceFunc(func() {
			time.AfterFunc(rand.N(time.Second), func() {
				if err := database.Kill(); err != nil {
					t.Error(err)
				}
				killed.Store(true)
			})
		})
		crowd.work(func() bool {
			if crowd.ins.Load()+crowd.rotations.Load() > acknowledged {
				kill()
			}
			// Until some clients have seen the outage. Each then stops by itself.
			return time.Since(begun) < patience && (!killed.Load() || crowd.outages.Load() < outages+20)
		})
		eventually(t, "the database's server is killed", killed.Load)
		if err := database.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Not /readyz: it may tell of a moment before the kill.
		eventually(t, "the server looks sessions up again", func() bool {
			a, err := s.holding(madeUp()).me()
			return err == nil && a.status == http.StatusUnauthorized
		})
		crowd.check()
	}
	crowd.checkDead()
	t.Logf("%d sign-ins, %d rotations and %d sign-outs acknowledged, %d told of the outage",
		crowd.ins.Load(), crowd.rotations.Load(), crowd.outs.Load(), crowd.outages.Load())
	if crowd.ins.Load()+crowd.rotations.Load() < 4 || crowd.outs.Load() < 4 || crowd.outages.Load() < 20 {
		t.Error("PostgreSQL was never killed in the middle of things")
	}
}

func (s *server) isReady() bool {
	a, err := s.visitor().get("/readyz")
	return err == nil && a.status == http.StatusOK
}
