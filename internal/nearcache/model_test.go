package nearcache_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cloakroom-auth/cloakroom/session"
)

// small is a set of nodes in one process, on a feed and a clock that the test controls, and the history of some sessions.
type small struct {
	*cluster
	clock atomic.Int64
	late  bool // stores carry out abandoned calls
	keeps bool // planted: at a failover one node keeps the feed of the former primary

	mu      sync.Mutex
	history map[byte][]porcupine.Operation
}

// TestNoHistoryOfNodesHonoursWhatHasEnded tries many short histories, in which the feed is late, breaks and works again,
// stores are slow and report failures of writes that were done, and all nodes move to another primary.
func TestNoHistoryOfNodesHonoursWhatHasEnded(t *testing.T) {
	manyRounds(t, false, func(history []porcupine.Operation) []porcupine.Operation { return history })
}

// TestNoHistoryHonoursWhatWasAcknowledged is the same with stores that carry out abandoned calls late. Until such a write is
// announced once more, one node may know of it and another not yet, so early ends are not compared; but once any node has
// reported that the session has ended, it stays ended.
func TestNoHistoryHonoursWhatWasAcknowledged(t *testing.T) {
	manyRounds(t, true, func(history []porcupine.Operation) (told []porcupine.Operation) {
		for _, op := range history {
			if op.Input != seenEnded {
				told = append(told, op)
			}
		}
		return told
	})
}

func manyRounds(t *testing.T, late bool, judged func([]porcupine.Operation) []porcupine.Operation) {
	rounds := 60
	if os.Getenv("CLOAKROOM_LONG") != "" {
		rounds = 20_000
	}
	for round := range rounds {
		direct, nodes := round%3 > 0, 3
		if round%6 == 1 {
			nodes = 10 // heartbeats are gathered
		}
		inClusterWith(t, direct, nodes, func(t *testing.T, c *cluster) {
			for _, l := range c.net.lanes {
				l.set(func() { l.moody = true })
			}
			w := &small{cluster: c, late: late, history: map[byte][]porcupine.Operation{}}
			w.live()
			for number, history := range w.history {
				if porcupine.CheckOperationsTimeout(life, judged(history), 10*time.Second) == porcupine.Illegal {
					t.Fatalf("round %d, session %d:%s", round, number, describe(history))
				}
			}
		})
	}
}

func (w *small) live() {
	for _, m := range w.nodes {
		m.sessions = m.cache.Sessions(&moody{w.db.Sessions, w.late})
	}
	stop := make(chan struct{})
	var group, weather sync.WaitGroup
	weather.Go(func() { w.weather(stop) })
	for first := range byte(4) {
		group.Go(func() {
			for number := first; number < 40; number += 4 {
				w.lifeOf(number)
			}
		})
	}
	group.Wait()
	close(stop)
	weather.Wait()
}

// moody is slow, and sometimes reports a failure of a write that was done.
type moody struct {
	session.Store
	late bool
}

// patience returns the context of a call.
func (s *moody) patience(ctx context.Context) context.Context {
	if s.late {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (s *moody) mood() error {
	pause := rand.N(3 * time.Millisecond)
	if rand.IntN(20) == 0 {
		pause = rand.N(2 * hold)
	}
	time.Sleep(pause)
	if rand.IntN(30) == 0 {
		return errors.New("no answer")
	}
	return nil
}

func (s *moody) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	_ = s.mood()
	r, err := s.Store.Load(ctx, id)
	if mood := s.mood(); mood != nil {
		return nil, mood
	}
	return r, err
}

func (s *moody) Delete(ctx context.Context, id session.ID) error {
	_ = s.mood()
	err := s.Store.Delete(s.patience(ctx), id)
	return errors.Join(err, s.mood())
}

func (s *moody) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	_ = s.mood()
	n, err := s.Store.DeleteUser(s.patience(ctx), user, except)
	return n, errors.Join(err, s.mood())
}

// weather freezes, cuts and repairs the feed of one node after the other, and has nodes leave and come.
func (w *small) weather(stop chan struct{}) {
	for {
		m := w.nodes[rand.IntN(3)]
		wait := rand.N(2 * time.Second)
		switch rand.IntN(6) {
		case 0:
			m.wire.freeze()
			time.Sleep(wait)
			m.wire.thaw()
		case 1:
			m.wire.cutOff()
			time.Sleep(wait)
			m.wire.mend()
		case 2:
			m.wire.silence(errors.New("no way out"))
			time.Sleep(wait)
			m.wire.silence(nil)
		case 3:
			m.wire.set(func() { m.wire.delay = rand.N(300 * time.Millisecond) })
			time.Sleep(wait)
			m.wire.set(func() { m.wire.delay = 0 })
		case 4:
			w.failover(m)
		case 5:
			if m.lane != nil {
				m.lane.set(func() { m.lane.lost, m.lane.delay = rand.IntN(2) == 0, rand.N(300*time.Millisecond) })
				time.Sleep(wait)
				m.lane.set(func() { m.lane.lost, m.lane.delay = false, 0 })
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(rand.N(5 * time.Second)):
		}
	}
}

// failover has the primary hang or die at once. What it hasn't passed on by then is lost, and the nodes find the new one at
// different times.
func (w *small) failover(kept *member) {
	if rand.IntN(2) == 0 {
		for _, m := range w.nodes {
			m.wire.freeze()
			m.wire.silence(errors.New("the primary hangs"))
		}
		time.Sleep(rand.N(2 * time.Second))
	}
	for _, m := range w.nodes {
		m.wire.set(func() {
			m.wire.frozen, m.wire.mute = false, nil
			if m == kept && w.keeps {
				m.wire.old = true
			} else {
				m.wire.cut = true
			}
		})
	}
	for _, i := range rand.Perm(len(w.nodes)) {
		time.Sleep(rand.N(500 * time.Millisecond))
		w.nodes[i].wire.mend()
	}
	time.Sleep(rand.N(2 * time.Second))
	if w.keeps { // so that the next one may be another
		kept.wire.set(func() { kept.wire.old, kept.wire.alone, kept.wire.cut = false, nil, true })
		time.Sleep(time.Millisecond)
		kept.wire.mend()
	}
}

// TestTheModelFindsANodeThatKeepsItsOldFeed plants a node that goes on with a former primary, which still answers it.
func TestTheModelFindsANodeThatKeepsItsOldFeed(t *testing.T) {
	t.Attr("threat", "X01")
	for round := range 200 {
		found := false
		inClusterWith(t, round%2 > 0, 3, func(t *testing.T, c *cluster) {
			w := &small{cluster: c, keeps: true, history: map[byte][]porcupine.Operation{}}
			w.live()
			for _, history := range w.history {
				found = found || porcupine.CheckOperationsTimeout(life, history, 10*time.Second) == porcupine.Illegal
			}
		})
		if found {
			return
		}
	}
	t.Error("no history shows it")
}

// lifeOf makes a session, uses it on all nodes, and has one or two clients end it while others use it.
func (w *small) lifeOf(number byte) {
	r := record(userOf(number), number)
	if err := w.db.Sessions.Create(context.Background(), r); err != nil {
		w.t.Error(err)
		return
	}
	w.note(number, created, w.clock.Add(1), w.clock.Add(1))
	var users, enders sync.WaitGroup
	over := make(chan struct{})
	var again atomic.Bool // the first client that finds that it has ended signs out nevertheless
	for i := range 3 {
		users.Go(func() {
			for {
				if gone := w.check(i, number, r.ID); gone && w.late && again.CompareAndSwap(false, true) {
					w.finish(number, r.ID)
				}
				select {
				case <-over:
					w.check(i, number, r.ID)
					return
				case <-time.After(rand.N(200 * time.Millisecond)):
				}
			}
		})
	}
	time.Sleep(rand.N(hold))
	for range 1 + rand.IntN(2) {
		enders.Go(func() { w.finish(number, r.ID) })
	}
	enders.Wait()
	close(over)
	users.Wait()
}

// userOf makes a user with one session, so that ending all of the user's sessions ends this one.
func userOf(number byte) string { return strconv.Itoa(int(number)) }

func (w *small) check(node int, number byte, id session.ID) (gone bool) {
	call := w.clock.Add(1)
	_, err := w.nodes[node].view(id)
	gone = errors.Is(err, session.ErrNotFound)
	switch {
	case err == nil:
		w.note(number, seenValid, call, w.clock.Add(1))
	case gone:
		w.note(number, seenEnded, call, w.clock.Add(1))
	}
	return gone
}

// finish ends a session, and then checks it at all nodes at once.
func (w *small) finish(number byte, id session.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	call := w.clock.Add(1)
	node := w.nodes[rand.IntN(3)]
	var err error
	if rand.IntN(2) == 0 {
		err = node.sessions.Delete(ctx, id)
	} else {
		_, err = node.sessions.DeleteUser(ctx, userOf(number), session.ID{})
	}
	done := w.clock.Add(1)
	if err != nil {
		done = math.MaxInt64
	}
	w.note(number, ended, call, done)
	for i := range w.nodes {
		w.check(i, number, id)
	}
}

func (w *small) note(number byte, h happening, call, done int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history[number] = append(w.history[number], porcupine.Operation{Input: h, Call: call, Return: done})
}
