package redisdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// through opens the shared server through a network that the test disturbs.
func through(t *testing.T) (*redisdb.DB, *faultproxy.Proxy) {
	t.Helper()
	empty(t)
	p, err := faultproxy.New(shared.Addr)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	return open(t, "redis://"+p.Addr), p
}

// long multiplies the work of a test in long runs.
func long(n int) int {
	if os.Getenv("CLOAKROOM_LONG") != "" {
		return n * 20
	}
	return n
}

// TestAnAbandonedCallLeavesItsAnswerToNoOtherCall abandons calls at any moment on a slow network, and checks that each
// answer belongs to its question.
func TestAnAbandonedCallLeavesItsAnswerToNoOtherCall(t *testing.T) {
	t.Attr("threat", "J2")
	db, p := through(t)
	s, h := db.Sessions, db.Throttles
	const many = 200
	for n := range many {
		must(t, s.Create(t.Context(), ticket(n, 1<<40)))
		must(t, h.Update(t.Context(), []string{fmt.Sprint(n)}, func(c []throttle.Counter) error { c[0] = throttle.Counter{Tries: n + 1}; return nil }))
	}
	rounds := 250
	if os.Getenv("CLOAKROOM_LONG") != "" {
		rounds *= 100 // a million calls
	}
	p.Delay(2 * time.Millisecond)
	var given, answered atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			for range rounds {
				ok, err := askBriefly(t, s, h, rand.IntN(many))
				if err != nil {
					given.Add(1)
				} else if ok {
					answered.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d answers, %d given up", answered.Load(), given.Load())
	if given.Load() < 100 || answered.Load() < 100 {
		t.Fatalf("%d given up, %d answered: the test has no bite", given.Load(), answered.Load())
	}
}

// askBriefly asks for one session, the sessions of one user, or one counter, and abandons the call at any moment.
func askBriefly(t *testing.T, s session.Store, h throttle.Store, n int) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), rand.N(12*time.Millisecond))
	defer cancel()
	if rand.IntN(2) == 0 {
		time.AfterFunc(rand.N(12*time.Millisecond), cancel)
	}
	switch rand.IntN(4) {
	case 0:
		var tries int
		err = h.Update(ctx, []string{fmt.Sprint(n)}, func(c []throttle.Counter) error { tries = c[0].Tries; return nil })
		if ok = tries == n+1; err == nil && !ok {
			t.Errorf("counter %d has %d tries", n, tries)
		}
	case 1:
		var list []*session.Record
		list, err = s.List(ctx, session.Query{PublicID: fmt.Sprint("p", n)})
		if ok = len(list) == 1 && list[0].ID == ticketID(n); err == nil && !ok {
			t.Errorf("list of session %d: %+v", n, list)
		}
	default:
		var r *session.Record
		r, err = s.Load(ctx, ticketID(n))
		if ok = err == nil && r.ID == ticketID(n) && r.PublicID == fmt.Sprint("p", n); err == nil && !ok {
			t.Errorf("session %d is %+v", n, r)
		}
		if errors.Is(err, session.ErrNotFound) {
			t.Errorf("session %d is not found", n)
		}
	}
	return ok, err
}

// works reports whether a session can be created, loaded and deleted.
func works(db *redisdb.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n := 1<<20 + rand.IntN(1<<20)
	if err := db.Sessions.Create(ctx, ticket(n, 1<<40)); err != nil {
		return err
	}
	if _, err := db.Sessions.Load(ctx, ticketID(n)); err != nil {
		return err
	}
	return db.Sessions.Delete(ctx, ticketID(n))
}

// recovers ends the test unless the store works soon.
func recovers(t *testing.T, db *redisdb.DB) {
	t.Helper()
	began := time.Now()
	for err := works(db); err != nil; err = works(db) {
		if time.Since(began) > 15*time.Second {
			t.Fatalf("still no service: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("service again after %v", time.Since(began))
}

// fails ends the test unless each call is an outage, in bounded time.
func fails(t *testing.T, db *redisdb.DB) {
	t.Helper()
	began := time.Now()
	_, err := db.Sessions.Load(t.Context(), ticketID(1))
	if err == nil || errors.Is(err, session.ErrNotFound) {
		t.Fatalf("Load says %v in an outage", err)
	}
	if err := db.Sessions.Delete(t.Context(), ticketID(1)); err == nil {
		t.Fatal("Delete was acknowledged in an outage")
	}
	if err := db.Throttles.Update(t.Context(), []string{"a"}, func([]throttle.Counter) error { return nil }); err == nil {
		t.Fatal("a counter was read in an outage")
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Fatal("Ping says nothing of an outage")
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Fatalf("four errors took %v", took)
	}
}

func TestACutConnectionIsReplaced(t *testing.T) {
	db, p := through(t)
	must(t, works(db))
	p.Cut()
	recovers(t, db)
}

func TestAServerThatRefusesConnectionsIsAnOutage(t *testing.T) {
	db, p := through(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1, 1<<40)))
	p.Refuse()
	p.Cut()
	fails(t, db)
	p.Admit()
	recovers(t, db)
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err != nil {
		t.Fatal(err)
	}
}

func TestAFrozenConnectionIsAnOutageAndIsClosed(t *testing.T) {
	db, p := through(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1, 1<<40)))
	p.Freeze()
	fails(t, db)
	p.Thaw()
	recovers(t, db)
}

// TestLostConnectionsDelayNoCall imitates a firewall that has forgotten the connections: nothing arrives, and nothing is
// reset.
func TestLostConnectionsDelayNoCall(t *testing.T) {
	db, p := through(t)
	must(t, works(db))
	p.Lose()
	recovers(t, db)
}

func TestLostIdleConnectionsAreDetected(t *testing.T) {
	db, p := through(t)
	must(t, works(db))
	p.Lose()
	time.Sleep(3 * time.Second) // without any call
	must(t, works(db))
}

func TestASlowNetworkIsSlowAndRight(t *testing.T) {
	db, p := through(t)
	p.Delay(150 * time.Millisecond)
	must(t, works(db))
}

func TestAPausedServerIsAnOutage(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	must(t, works(db))
	pause(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := db.Sessions.Load(ctx, ticketID(1)); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Fatalf("Load says %v", err)
	}
	resume(t, s)
	recovers(t, db)
}
