package redisdb_test

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func pause(t *testing.T, s *redisserver.Server)  { must(t, s.Signal(syscall.SIGSTOP)) }
func resume(t *testing.T, s *redisserver.Server) { must(t, s.Signal(syscall.SIGCONT)) }

func TestAnOutageEndsWithTheServersReturn(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	must(t, db.Sessions.Create(t.Context(), ticket(1, 1<<40)))
	s.Kill()
	fails(t, db)
	must(t, s.Start(t.Context()))
	recovers(t, db)
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err != nil {
		t.Fatal(err)
	}
}

// ledger is what one client knows to be acknowledged. Each client has sessions of its own.
type ledger struct {
	live  map[int]string // session and its version
	ended map[int]bool
	tries int
	maybe int // tries that may have been counted
}

// TestAKilledServerForgetsNothingItAcknowledged kills the server under load, again and again.
func TestAKilledServerForgetsNothingItAcknowledged(t *testing.T) {
	server := server(t)
	db := open(t, server.URL())
	const clients = 8
	books := make([]*ledger, clients)
	for i := range books {
		books[i] = &ledger{live: map[int]string{}, ended: map[int]bool{}}
	}
	for round := range long(4) {
		stop := make(chan struct{})
		var all sync.WaitGroup
		for i, book := range books {
			all.Go(func() { book.work(t, db.Sessions, db.Throttles, (round*clients+i)*10_000, i, stop) })
		}
		time.Sleep(150 * time.Millisecond)
		server.Kill()
		close(stop)
		all.Wait()
		must(t, server.Start(t.Context()))
		recovers(t, db)
		acknowledged := 0
		for i, book := range books {
			book.check(t, db.Sessions, db.Throttles, i)
			acknowledged += len(book.live) + len(book.ended)
		}
		if acknowledged == 0 {
			t.Fatal("nothing was acknowledged")
		}
		t.Logf("round %d: %d acknowledged", round, acknowledged)
	}
}

// work creates sessions, ends every second one, counts tries, and records what was acknowledged.
func (b *ledger) work(t *testing.T, s session.Store, h throttle.Store, first, client int, stop <-chan struct{}) {
	for n := first; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		r := ticket(n, 1<<40)
		if s.Create(t.Context(), r) != nil {
			return
		}
		b.live[n] = r.Version
		if n%2 == 0 {
			delete(b.live, n) // after an error it may be deleted or not
			if s.Delete(t.Context(), r.ID) != nil {
				return
			}
			b.ended[n] = true
		}
		err := h.Update(t.Context(), []string{string(rune('a' + client))}, func(c []throttle.Counter) error { c[0].Tries++; return nil })
		if err != nil {
			b.maybe++
			return
		}
		b.tries++
	}
}

func (b *ledger) check(t *testing.T, s session.Store, h throttle.Store, client int) {
	t.Helper()
	for n, version := range b.live {
		if r, err := s.Load(t.Context(), ticketID(n)); err != nil || r.Version != version {
			t.Fatalf("session %d was acknowledged and is lost: %v", n, err)
		}
	}
	for n := range b.ended {
		if _, err := s.Load(t.Context(), ticketID(n)); !errors.Is(err, session.ErrNotFound) {
			t.Fatalf("session %d was ended and is back: %v", n, err)
		}
	}
	must(t, h.Update(t.Context(), []string{string(rune('a' + client))}, func(c []throttle.Counter) error {
		if c[0].Tries < b.tries || c[0].Tries > b.tries+b.maybe {
			t.Errorf("%d tries are counted, %d were acknowledged and %d may have been", c[0].Tries, b.tries, b.maybe)
		}
		return nil
	}))
}

// TestTriesOfTwoProcessesAreAllCounted uses two DBs, which don't know each other.
func TestTriesOfTwoProcessesAreAllCounted(t *testing.T) {
	empty(t)
	a, b := open(t, shared.URL()).Throttles, open(t, shared.URL()).Throttles
	var all sync.WaitGroup
	for i := range 200 {
		h := a
		if i%2 == 0 {
			h = b
		}
		all.Go(func() {
			err := h.Update(t.Context(), []string{"x", "y"}, func(c []throttle.Counter) error { c[0].Tries++; c[1].Tries += 2; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	must(t, a.Update(t.Context(), []string{"x", "y"}, func(c []throttle.Counter) error {
		if c[0].Tries != 200 || c[1].Tries != 400 {
			t.Errorf("counted %d and %d", c[0].Tries, c[1].Tries)
		}
		return nil
	}))
}
