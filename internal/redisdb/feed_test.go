package redisdb_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
)

func TestFeed(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		return feedtest.Broadcast{
			Join: func(t *testing.T) feed.Feed { return open(t, shared.URL()).Feed() },
			Cut:  func(t *testing.T) { command(t, raw(t, shared.Addr), "CLIENT", "KILL", "TYPE", "pubsub") },
		}
	})
}

// TestFeedThroughABadNetwork cuts all connections, not only those that listen.
func TestFeedThroughABadNetwork(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		p, err := faultproxy.New(shared.Addr)
		must(t, err)
		t.Cleanup(func() { must(t, p.Close()) })
		return feedtest.Broadcast{
			Join: func(t *testing.T) feed.Feed { return open(t, "redis://"+p.Addr).Feed() },
			Cut:  func(*testing.T) { p.Cut() },
		}
	})
}

// states counts the states that a listener is given.
type states struct {
	ups, downs, messages, failures atomic.Int32
	why                            atomic.Value // the last failure
}

func (s *states) listen(t *testing.T, f feed.Feed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := f.Listen(ctx, feed.Listener{
			Up: func() { s.ups.Add(1) }, Message: func(string) { s.messages.Add(1) }, Down: func(error) { s.downs.Add(1) },
			Failed: func(err error) { s.why.Store(err); s.failures.Add(1) },
		})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	until1(t, &s.ups)
}

// until1 waits until a count is no longer zero.
func until1(t *testing.T, n *atomic.Int32) {
	t.Helper()
	for began := time.Now(); n.Load() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("waited in vain")
		}
	}
}

func TestAFeedOnALostConnectionGoesDownByItself(t *testing.T) {
	db, p := through(t)
	var s states
	s.listen(t, db.Feed())
	p.Lose()
	until1(t, &s.downs)
}

func TestAFeedThatIsSilentStaysUp(t *testing.T) {
	db, _ := through(t)
	var s states
	s.listen(t, db.Feed())
	time.Sleep(3 * time.Second) // longer than the lifetime of a connection without answers
	if s.downs.Load() > 0 {
		t.Fatal("silence was taken for a loss")
	}
}

func TestAFeedComesBackWithItsServer(t *testing.T) {
	s := server(t)
	db := open(t, s.URL())
	var heard states
	heard.listen(t, db.Feed())
	s.Kill()
	until1(t, &heard.downs)
	until1(t, &heard.failures)
	if why := heard.why.Load().(error); !strings.Contains(why.Error(), "refused") {
		t.Errorf("it can't come up: %v", why)
	}
	heard.ups.Store(0)
	must(t, s.Start(t.Context()))
	until1(t, &heard.ups)
	for db.Feed().Send(t.Context(), "hello") != nil {
		time.Sleep(10 * time.Millisecond)
	}
	until1(t, &heard.messages)
}

func TestDatabasesHaveFeedsOfTheirOwn(t *testing.T) {
	var zero, one states
	zero.listen(t, open(t, shared.URL()).Feed())
	one.listen(t, open(t, shared.URL()+"/1").Feed())
	must(t, open(t, shared.URL()+"/1").Feed().Send(t.Context(), "hello"))
	until1(t, &one.messages)
	must(t, open(t, shared.URL()).Feed().Send(t.Context(), "hello"))
	until1(t, &zero.messages)
	if zero.messages.Load() != 1 || one.messages.Load() != 1 {
		t.Fatalf("heard %d and %d", zero.messages.Load(), one.messages.Load())
	}
}

func TestAFeedThatIsForbiddenSaysSo(t *testing.T) {
	s := server(t, "--user", "default", "on", "nopass", "~*", "resetchannels", "+@all")
	nothing := func() {}
	err := open(t, s.URL()).Feed().Listen(t.Context(), feed.Listener{Up: nothing, Message: func(string) {}, Down: func(error) {}, Failed: func(error) {}})
	if err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Fatalf("Listen says %v", err)
	}
}
