package resilience_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

var errAway = errors.New("away")

// server counts attempts to connect to it, each of which takes a while.
type server struct {
	mu                 sync.Mutex
	away               bool
	dials, now, widest int
	takes              time.Duration
}

func (s *server) dial() error {
	s.mu.Lock()
	s.dials++
	s.now++
	s.widest = max(s.widest, s.now)
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if s.away {
		return errAway
	}
	return nil
}

func (s *server) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away, s.dials, s.widest = away, 0, 0
}

// counts returns how many attempts there were, and how many at a time at most.
func (s *server) counts() (dials, widest int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials, s.widest
}

func TestAnOutageIsProbedOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: 50 * time.Millisecond}
		g := &resilience.Gate{Probe: func(context.Context) error { return s.dial() }}
		if err := g.Do(s.dial); err != nil {
			t.Fatalf("while the server is there: %v", err)
		}
		s.set(true)
		if err := g.Do(s.dial); !errors.Is(err, errAway) {
			t.Fatalf("first failure: got %v, want %v", err, errAway)
		}
		for range 100 { // ten seconds, with eight callers
			for range 8 {
				before := time.Now()
				if err := g.Do(s.dial); !errors.Is(err, errAway) || time.Since(before) > 0 {
					t.Fatalf("in the outage: got %v after %v, want %v at once", err, time.Since(before), errAway)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if dials, widest := s.counts(); widest != 1 || dials < 20 || dials > 50 {
			t.Errorf("%d dials in ten seconds, up to %d at a time; want 20 to 50, one at a time", dials, widest)
		}
		s.set(false)
		for back := time.Now(); g.Away() != nil; time.Sleep(10 * time.Millisecond) {
			if time.Since(back) > time.Minute {
				t.Fatal("no probe finds that the server is back")
			}
		}
		if err := g.Do(s.dial); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func TestAnOldFailureSaysNothingOfAServerThatIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &resilience.Gate{Probe: func(context.Context) error { return errAway }}
		var slow sync.WaitGroup
		slow.Go(func() {
			_ = g.Do(func() error { time.Sleep(time.Second); return errAway })
		})
		synctest.Wait()
		if err := g.Do(func() error { return nil }); err != nil {
			t.Error(err)
		}
		slow.Wait()
		if err := g.Away(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestProbesEndWhenNoCallerWantsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{away: true}
		g := &resilience.Gate{Probe: func(context.Context) error { return s.dial() }}
		_ = g.Do(s.dial)
		time.Sleep(time.Minute)
		if dials, _ := s.counts(); dials > 15 {
			t.Errorf("%d dials in a minute in which no caller asked", dials)
		}
		s.set(false)
		if err := g.Do(s.dial); err != nil {
			t.Errorf("the next caller doesn't try by itself: %v", err)
		}
	})
}
