package server_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// TestAFailoverLosesNothing has three nodes on a primary whose commits wait for a standby. Under load the primary is killed,
// hangs, is cut off from the nodes, or is stopped in order, and the standby is promoted. What was acknowledged must hold on every node: who is
// signed in stays so, and what has ended is honoured by no node at any time, before, during or after.
func TestAFailoverLosesNothing(t *testing.T) {
	t.Attr("threat", "B5")
	t.Parallel()
	primary := pgserver.TestServer(t)
	standby, err := pgserver.NewStandby(t.Context(), primary)
	if err != nil {
		t.Fatal(err)
	}
	second := standby
	t.Cleanup(func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
	lines := map[*pgserver.Server]*faultproxy.Proxy{} // from the nodes to each
	for _, s := range []*pgserver.Server{primary, standby} {
		line, err := faultproxy.New(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := line.Close(); err != nil {
				t.Error(err)
			}
		})
		lines[s] = line
	}
	url := strings.Replace(primary.URL("postgres"), primary.Addr, lines[primary].Addr+","+lines[standby].Addr, 1)
	all := apart(t, url, nil, nil, nil)
	balanced := *all[0]
	balanced.through = &nodes{all: all}
	s := &balanced
	crowd := newCrowd(s, s.people("flo", 60), 120)
	end := newEnder(t, s)
	rounds := 1
	if long {
		rounds = 10
	}
	for range rounds {
		for _, way := range []struct {
			name string
			take func() error
		}{
			{"killed", func() error { return primary.Kill() }},
			{"hangs", func() error { return primary.Pause() }},
			{"cut off", func() error { lines[primary].Freeze(); return nil }},
			{"stopped in order", func() error { return primary.Stop() }},
		} {
			crowd.seed()
			end.seed(s.give(crowd.members[0].user, crowd.members[1].user, crowd.members[2].user, crowd.members[3].user))
			took := failOver(t, all, crowd, end, primary, standby, way.take)
			for range all {
				crowd.check()
				crowd.checkDead()
			}
			t.Logf("%s: %d sign-ins, %d rotations, %d sign-outs acknowledged so far, %d told of the outage; full service %v after the promotion",
				way.name, crowd.ins.Load(), crowd.rotations.Load(), crowd.outs.Load(), crowd.outages.Load(), took.Round(time.Millisecond))
			lines[primary].Thaw()
			primary, standby = standby, primary
			if err := standby.Follow(t.Context(), primary); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the nodes go on", func() bool { return answersAll(all) })
		}
	}
	end.stop()
	if crowd.ins.Load()+crowd.rotations.Load() < 4 || crowd.outs.Load() < 4 || end.acknowledged.Load() < 3 || end.asked.Load() < 100 {
		t.Errorf("too little happened: %d sign-ins, %d rotations, %d sign-outs, %d sessions ended, asked for %d times",
			crowd.ins.Load(), crowd.rotations.Load(), crowd.outs.Load(), end.acknowledged.Load(), end.asked.Load())
	}
}

// failOver takes the primary away while the crowd works, promotes the standby, and returns how long all nodes then took to
// answer.
func failOver(t *testing.T, all []*server, c *crowd, end *ender, primary, standby *pgserver.Server, take func() error) time.Duration {
	t.Helper()
	begun := time.Now()
	acknowledged, outages := c.ins.Load()+c.rotations.Load(), c.outages.Load()
	var taken atomic.Bool
	go end.endAll()
	c.work(func() bool {
		if c.ins.Load()+c.rotations.Load() > acknowledged+4 && taken.CompareAndSwap(false, true) {
			time.AfterFunc(rand.N(500*time.Millisecond), func() {
				if err := take(); err != nil {
					t.Error(err)
				}
			})
		}
		return time.Since(begun) < patience && c.outages.Load() < outages+20
	})
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	promoted := time.Now()
	if err := primary.Kill(); err != nil { // a former primary that came back would accept writes
		t.Fatal(err)
	}
	eventually(t, "all nodes look sessions up at the new primary", func() bool { return answersAll(all) })
	return time.Since(promoted)
}

// answersAll reports whether each node looks a session up.
func answersAll(all []*server) bool {
	for _, node := range all {
		a, err := node.holding(madeUp()).me()
		if err != nil || a.status != http.StatusUnauthorized {
			return false
		}
	}
	return true
}

// ender ends sessions, and asks for those that are acknowledged as ended all the time, at each node in turn.
type ender struct {
	t     *testing.T
	s     *server
	stop  func()
	asked atomic.Int64

	acknowledged atomic.Int64
	mu           sync.Mutex
	alive, ended []string
}

func newEnder(t *testing.T, s *server) *ender {
	e := &ender{t: t, s: s}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				e.ask()
			}
		})
	}
	e.stop = func() { cancel(); group.Wait() }
	t.Cleanup(e.stop)
	return e
}

func (e *ender) seed(tickets []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alive = append(e.alive, tickets...)
}

// endAll signs out of all sessions, one after another.
func (e *ender) endAll() {
	e.mu.Lock()
	tickets := e.alive
	e.alive = nil
	e.mu.Unlock()
	for _, ticket := range tickets {
		time.Sleep(rand.N(200 * time.Millisecond))
		if a, err := e.s.holding(ticket).signOut(); err != nil || a.status != http.StatusOK {
			continue
		}
		e.acknowledged.Add(1)
		e.mu.Lock()
		e.ended = append(e.ended, ticket)
		e.mu.Unlock()
	}
}

// ask demands that one of the sessions that have ended isn't honoured.
func (e *ender) ask() {
	time.Sleep(5 * time.Millisecond)
	e.mu.Lock()
	ticket := ""
	if n := len(e.ended); n > 0 {
		ticket = e.ended[rand.IntN(n)]
	}
	e.mu.Unlock()
	if ticket == "" {
		return
	}
	a, err := e.s.holding(ticket).me()
	if err == nil && a.status == http.StatusOK {
		e.t.Errorf("a session whose end was acknowledged is honoured: %s", a)
	}
	e.asked.Add(1)
}
