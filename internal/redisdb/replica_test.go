package redisdb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// demoted makes a server a replica of another; the server keeps its connections.
func demoted(t *testing.T, addr, primary string) {
	t.Helper()
	host, port, _ := strings.Cut(primary, ":")
	command(t, raw(t, addr), "REPLICAOF", host, port)
}

// next receives from a channel, and ends the test if nothing comes.
func next[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(2 * time.Minute):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

// TestAReplicaAnswersNothing: after a failover a node still has connections to a server that is now a replica. None of its
// answers counts: neither sessions, present or missing, nor counters nor messages.
func TestAReplicaAnswersNothing(t *testing.T) {
	former := server(t)
	answersNothing(t, former, former.URL())
}

// TestAReplicaAnswersNothingToAUserWithoutWAIT is the same where the role can't be asked for in the usual way.
func TestAReplicaAnswersNothingToAUserWithoutWAIT(t *testing.T) {
	former := server(t)
	command(t, raw(t, former.Addr), "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-wait")
	answersNothing(t, former, "redis://app:secret@"+former.Addr)
}

// TestAUserMayLoseWAIT checks that a call fails whose answer may be a replica's, and that later ones are sure of the role.
func TestAUserMayLoseWAIT(t *testing.T) {
	former, primary := server(t), server(t)
	all := raw(t, former.Addr)
	command(t, all, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
	db := open(t, "redis://app:secret@"+former.Addr)
	must(t, works(db))
	command(t, all, "ACL", "SETUSER", "app", "-wait")
	if _, err := db.Sessions.Load(t.Context(), ticketID(77)); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("without a known role Load says %v, want an outage", err)
	}
	must(t, works(db))
	demoted(t, former.Addr, primary.Addr)
	if _, err := db.Sessions.Load(t.Context(), ticketID(77)); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("on a replica Load says %v, want an outage", err)
	}
}

// answersNothing opens a database on a server, at its URL, and makes it a replica.
func answersNothing(t *testing.T, former *redisserver.Server, url string) {
	t.Helper()
	primary := server(t)
	db := open(t, url)
	must(t, db.Sessions.Create(t.Context(), ticket(1, 1<<40)))
	must(t, works(db))
	heard, down := make(chan string, 100), make(chan bool, 10)
	up, failed := make(chan bool, 10), make(chan bool, 1)
	ctx, stop := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() {
		_ = db.Feed().Listen(ctx, feed.Listener{
			Up: func() { up <- true }, Message: func(m string) { heard <- m }, Down: func(error) { down <- true },
			Failed: func(error) {
				select {
				case failed <- true:
				default:
				}
			},
		})
	})
	defer listening.Wait()
	defer stop()
	next(t, up, "the feed is up")
	must(t, db.Feed().Send(t.Context(), "before"))
	if m := next(t, heard, "a message"); m != "before" {
		t.Fatalf("heard %q", m)
	}

	demoted(t, former.Addr, primary.Addr)
	for name, call := range map[string]func() error{
		"Load":       func() error { _, err := db.Sessions.Load(t.Context(), ticketID(1)); return err },
		"Load none":  func() error { _, err := db.Sessions.Load(t.Context(), ticketID(2)); return err },
		"List":       func() error { _, err := db.Sessions.List(t.Context(), session.Query{}); return err },
		"Create":     func() error { return db.Sessions.Create(t.Context(), ticket(1, 1<<40)) },
		"Delete":     func() error { return db.Sessions.Delete(t.Context(), ticketID(2)) },
		"DeleteUser": func() error { _, err := db.Sessions.DeleteUser(t.Context(), "unknown", session.ID{}); return err },
		"Update": func() error {
			return db.Throttles.Update(t.Context(), []string{"a"}, func([]throttle.Counter) error { return nil })
		},
		"Send": func() error { return db.Feed().Send(t.Context(), "after") },
		"Ping": func() error { return db.Ping(t.Context()) },
	} {
		if err := call(); err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrExists) {
			t.Errorf("%s on a replica: %v, want an outage", name, err)
		}
	}
	next(t, down, "the feed is down")
	select {
	case m := <-heard:
		t.Errorf("heard %q, which was sent on a replica", m)
	default:
	}
	next(t, failed, "a failed attempt to listen on a replica")
	if len(up) > 0 {
		t.Error("the feed is up on a replica")
	}
	command(t, raw(t, former.Addr), "REPLICAOF", "NO", "ONE")
	recovers(t, db)
	next(t, up, "the feed is up again")
}

// TestAReplicaIsLeftForThePrimary checks that the node uses the primary once the address leads there.
func TestAReplicaIsLeftForThePrimary(t *testing.T) {
	former, primary := server(t), server(t)
	net, err := faultproxy.New(former.Addr)
	must(t, err)
	t.Cleanup(func() { must(t, net.Close()) })
	db := open(t, "redis://"+net.Addr)
	must(t, works(db))
	demoted(t, former.Addr, primary.Addr)
	if err := works(db); err == nil {
		t.Error("a replica takes sessions")
	}
	net.Redirect(primary.Addr)
	recovers(t, db)
}

// TestAUserWithoutTheNeededRightsIsRefused checks that this happens at the start, and not at the first sign-in.
func TestAUserWithoutTheNeededRightsIsRefused(t *testing.T) {
	s := server(t)
	for _, right := range []string{"-@scripting", "-evalsha", "-eval", "-zadd", "-setrange", "-time", "-zrange"} {
		command(t, raw(t, s.Addr), "ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "&*", "+@all", right)
		db, err := redisdb.Open(t.Context(), "redis://app:secret@"+s.Addr)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", right)
		} else if !strings.Contains(err.Error(), "redis doesn't let this user") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", right, err)
		}
	}
	for _, name := range []string{"EVAL", "EVALSHA", "ZREM"} {
		db, err := redisdb.Open(t.Context(), server(t, "--rename-command", name, "").URL())
		if err == nil {
			db.Close()
			t.Errorf("without %s: opened", name)
		} else if !strings.Contains(err.Error(), "redis doesn't let this user") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestValkeysSentinelIsRecognised(t *testing.T) {
	err := redisdb.Unfit(map[string]string{"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.0", "server_mode": "sentinel"})
	if err == nil || !strings.Contains(err.Error(), "Sentinel") {
		t.Errorf("got %v, want a word about a Sentinel", err)
	}
}

// TestAnOutageIsNoStormOfDials: in an outage the server sees the connections that were lost, and then one probe at a time.
func TestAnOutageIsNoStormOfDials(t *testing.T) {
	db, net := through(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1, 1<<40)))
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var mu sync.Mutex
	served, refused := 0, 0
	for range 18 {
		group.Go(func() {
			for ctx.Err() == nil {
				_, err := db.Sessions.Load(t.Context(), ticketID(1))
				mu.Lock()
				if err == nil {
					served++
				} else {
					refused++
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	defer group.Wait()
	defer stop()
	group.Go(func() {
		_ = db.Feed().Listen(ctx, feed.Listener{Up: func() {}, Message: func(string) {}, Down: func(error) {}, Failed: func(error) {}})
	})
	until := func(what string, holds func() bool) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			mu.Lock()
			ok := holds()
			mu.Unlock()
			if ok {
				return
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("waited in vain: %s", what)
			}
		}
	}
	until("traffic", func() bool { return served > 50 })
	dials, began := net.Dials(), time.Now()
	net.Refuse()
	net.Cut()
	until("the outage is noticed", func() bool { return refused > 1000 })
	time.Sleep(3 * time.Second)
	if n, most := net.Dials()-dials, 20+int(5*time.Since(began).Seconds()); n > most {
		t.Errorf("the server was dialled %d times in the outage, want at most %d", n, most)
	}
	// New connections get no answer now; no call waits for one.
	net.Freeze()
	net.Admit()
	before := refused
	until("calls are told at once", func() bool { return refused > before+1000 })
	net.Thaw()
	before = served
	until("service", func() bool { return served > before+50 })
}
