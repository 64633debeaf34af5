package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// TestNoHistoryHonoursWhatHasEnded lets several clients use two nodes at once, on a store that is slow and fails now and
// then, and checks that the answers fit some order of the calls.
func TestNoHistoryHonoursWhatHasEnded(t *testing.T) {
	for round := range rounds() {
		world := newWorld(t, memory.New().Sessions, round%2 == 1)
		if result := world.run(); result != porcupine.Ok {
			t.Fatalf("round %d: %s:%s", round, result, world)
		}
	}
}

func rounds() int {
	if testing.Short() {
		return 20
	}
	return 100
}

// TestTheModelFindsFaultyStores shows that the test above can fail.
func TestTheModelFindsFaultyStores(t *testing.T) {
	for name, faulty := range map[string]func() session.Store{
		"a cache that is stale for up to 5 ms": func() session.Store { return &cache{Store: memory.New().Sessions} },
		"a Touch that creates":                 func() session.Store { return &upsert{cache{Store: memory.New().Sessions}, true, false} },
		"a Replace that creates":               func() session.Store { return &upsert{cache{Store: memory.New().Sessions}, false, true} },
		"a DeleteUser that comes late":         func() session.Store { return &late{Store: memory.New().Sessions} },
	} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				world := newWorld(t, faulty(), false)
				world.faulty = true
				if world.run() == porcupine.Illegal {
					return
				}
			}
			t.Error("300 histories, and nothing found")
		})
	}
}

// world is two nodes on one store, the tickets that the clients have seen, and what has happened.
type world struct {
	t        *testing.T
	nodes    [2]*session.Manager
	accounts *accounts
	clock    atomic.Int64
	numbers  atomic.Int64
	failing  bool // calls fail now and then
	faulty   bool // the store may return errors that make no sense

	mu      sync.Mutex
	known   []seen
	history []porcupine.Operation
}

// seen is a ticket that a client was given.
type seen struct {
	ticket
	cookie string
}

func newWorld(t *testing.T, store session.Store, failing bool) *world {
	w := &world{t: t, accounts: &accounts{epochs: map[string]string{"ann": "0"}}, failing: failing}
	slow := &watched{Store: store, before: w.weather, after: w.weather}
	for i := range w.nodes {
		w.nodes[i] = &session.Manager{Store: slow, Accounts: w.accounts}
	}
	return w
}

// weather delays a call, and sometimes makes it fail.
func (w *world) weather(string) error {
	time.Sleep(rand.N(2 * time.Millisecond))
	if w.failing && rand.IntN(50) == 0 {
		return errOutage
	}
	return nil
}

func (w *world) run() porcupine.CheckResult {
	synctest.Test(w.t, func(t *testing.T) {
		w.t = t
		defer running(t, w.nodes[1])()
		for range 4 { // a minute later each time, so that uses are written again
			time.Sleep(61 * time.Second)
			var group sync.WaitGroup
			for client := range 5 {
				group.Go(func() {
					for range 6 {
						w.step(client)
						time.Sleep([]time.Duration{rand.N(5 * time.Millisecond), rand.N(50 * time.Millisecond), 5 * time.Second}[rand.IntN(12)/5])
					}
				})
			}
			group.Wait()
		}
	})
	return porcupine.CheckOperationsTimeout(model, w.history, 20*time.Second)
}

// step does one call, on one of the nodes, with one of the latest tickets, and records it.
func (w *world) step(client int) {
	in := call{op: []string{"check", "check", "check", "check", "sign in", "sign in", "rotate", "rotate", "sign out", "end all", "new epoch"}[rand.IntN(11)]}
	v := &visitor{t: w.t, m: w.nodes[rand.IntN(2)]}
	w.mu.Lock()
	if n := len(w.known); n > 0 && (in.op != "sign in" || rand.IntN(2) == 0) {
		picked := w.known[n-1-rand.IntN(min(n, 4))]
		in.old, v.cookie = picked.ticket, picked.cookie
	}
	w.mu.Unlock()
	epoch, _ := w.accounts.Epoch(w.t.Context(), "ann")
	in.epoch, _ = strconv.Atoi(epoch)
	number := int(w.numbers.Add(1))
	switch in.op {
	case "sign in":
		in.new = ticket{number, number}
	case "rotate":
		in.new = ticket{in.old.session, number}
	case "new epoch":
		in.epoch = number
	}
	began := w.clock.Add(1)
	out := w.do(v, in)
	ended := w.clock.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: began, Return: ended})
	if out.outcome == "done" && in.new != (ticket{}) {
		w.known = append(w.known, seen{in.new, v.cookie})
	}
}

func (w *world) do(v *visitor, in call) (out answer) {
	var err error
	out.outcome = "done"
	epoch := strconv.Itoa(in.epoch)
	v.serve(func(rw http.ResponseWriter, r *http.Request) {
		switch in.op {
		case "check":
			var s *session.Session
			if s, err = session.FromContext(r.Context()); s == nil && err == nil {
				err = session.ErrEnded
			}
		case "sign in":
			_, err = v.m.SignIn(rw, r, session.SignIn{User: "ann", Epoch: epoch})
		case "rotate":
			_, err = v.m.Reauthenticate(rw, r, session.Reauthentication{Epoch: epoch})
		case "sign out":
			err = v.m.SignOut(rw, r)
		case "end all":
			out.number, err = v.m.RevokeAll(r.Context(), "ann", nil)
		case "new epoch":
			w.accounts.move("ann", epoch)
		}
	})
	switch {
	case errors.Is(err, session.ErrEnded):
		out.outcome = "ended"
	case err != nil:
		out.outcome = "unknown"
		if !w.faulty && !errors.Is(err, errOutage) {
			w.t.Error(err)
		}
	}
	return out
}

func (w *world) String() (text string) {
	for _, op := range w.history {
		text += fmt.Sprintf("\n%d %4d-%4d %+v: %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
	}
	return text
}

// cache answers Load from memory for 5 ms, and drops an entry only at its own deletions: the plain cache that a node might
// have.
type cache struct {
	session.Store
	mu     sync.Mutex
	loaded map[session.ID]*session.Record
	at     map[session.ID]time.Time
}

func (c *cache) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.loaded[id]; ok && time.Since(c.at[id]) < 5*time.Millisecond {
		again := *r
		return &again, nil
	}
	r, err := c.Store.Load(ctx, id)
	if err == nil {
		if c.loaded == nil {
			c.loaded, c.at = map[session.ID]*session.Record{}, map[session.ID]time.Time{}
		}
		kept := *r
		c.loaded[id], c.at[id] = &kept, time.Now()
	}
	return r, err
}

// upsert puts back a session that it has seen when it is touched or replaced.
type upsert struct {
	cache
	touch, replace bool
}

func (u *upsert) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	u.mu.Lock()
	clear(u.at) // it remembers, but doesn't answer from memory
	u.mu.Unlock()
	return u.cache.Load(ctx, id)
}

func (u *upsert) Touch(ctx context.Context, uses []session.LastUse) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range uses {
		if r := u.loaded[use.ID]; r != nil && u.touch {
			_ = u.Store.Create(ctx, r) // exists already, as a rule
		}
	}
	return u.Store.Touch(ctx, uses)
}

func (u *upsert) Replace(ctx context.Context, old, new *session.Record) error {
	err := u.Store.Replace(ctx, old, new)
	if errors.Is(err, session.ErrNotFound) && u.replace {
		return u.Store.Create(ctx, new)
	}
	return err
}

// late acknowledges the end of all sessions 5 ms before it happens.
type late struct{ session.Store }

func (l *late) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	all, err := l.List(ctx, session.Query{User: user})
	time.AfterFunc(5*time.Millisecond, func() { _, _ = l.Store.DeleteUser(context.WithoutCancel(ctx), user, except) })
	return len(all), err
}
