package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

var (
	home   = netip.MustParseAddr("198.51.100.7")
	abroad = netip.MustParseAddr("203.0.113.9")
)

func newGuard() *throttle.Guard {
	return &throttle.Guard{Store: memory.New().Throttles(), Key: []byte("a key for tests")}
}

// blocked makes an attempt that is then given back, and returns how long the guard says to wait.
func blocked(t *testing.T, g *throttle.Guard, a throttle.Attempt) time.Duration {
	t.Helper()
	try, err := g.Reserve(t.Context(), a)
	if full := new(throttle.Error); errors.As(err, &full) {
		return full.RetryAfter
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := try.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	return 0
}

func fail(t *testing.T, g *throttle.Guard, a throttle.Attempt, times int) {
	t.Helper()
	for i := range times {
		try, err := g.Reserve(t.Context(), a)
		if err != nil {
			t.Fatalf("failure %d of %d: %v", i+1, times, err)
		}
		if err := try.Failed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func succeed(t *testing.T, g *throttle.Guard, a throttle.Attempt) {
	t.Helper()
	try, err := g.Reserve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := try.Succeeded(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTenFailuresThenDoublingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 10)
		for _, minutes := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			if got := blocked(t, g, ann); got != minutes*time.Minute {
				t.Fatalf("wait %v, want %v minutes", got, int(minutes))
			}
			time.Sleep(minutes*time.Minute - time.Second)
			if got := blocked(t, g, ann); got != time.Second {
				t.Fatalf("wait %v a second before the end", got)
			}
			time.Sleep(time.Second)
			fail(t, g, ann, 1)
		}
		time.Sleep(25 * time.Hour)
		fail(t, g, ann, 9)
		if got := blocked(t, g, ann); got != 0 {
			t.Fatalf("still waiting %v a day later", got)
		}
	})
}

func TestFailuresAreForgottenAfterTheirWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		for range 3 {
			fail(t, g, ann, 9)
			time.Sleep(15 * time.Minute)
		}
		fail(t, g, ann, 9)
		if blocked(t, g, ann) != 0 {
			t.Fatal("the tenth try of a window was refused")
		}
		fail(t, g, ann, 1)
		if blocked(t, g, ann) == 0 {
			t.Fatal("the eleventh try of a window was let through")
		}
	})
}

func TestSuccessForgetsTheAccountsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		for range 20 {
			fail(t, g, ann, 9)
			succeed(t, g, throttle.Attempt{Account: "1", Address: abroad})
			time.Sleep(15 * time.Minute)
		}
	})
}

func TestSuccessGivesTheAddressItsTryBackAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		for i := range 99 {
			fail(t, g, throttle.Attempt{Account: fmt.Sprint("victim", i), Address: home}, 1)
		}
		for range 300 {
			succeed(t, g, throttle.Attempt{Account: "the attacker's own", Address: home})
		}
		fail(t, g, throttle.Attempt{Account: "one more", Address: home}, 1)
		if blocked(t, g, throttle.Attempt{Account: "another", Address: home}) == 0 {
			t.Fatal("signing in to one's own account cleared the address")
		}
	})
}

func TestABlockedAttemptDoesNotProlongTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 10)
		for range 59 {
			time.Sleep(time.Second)
			for range 50 {
				if blocked(t, g, ann) == 0 {
					t.Fatal("let through")
				}
			}
		}
		time.Sleep(time.Second)
		if wait := blocked(t, g, ann); wait != 0 {
			t.Fatalf("wait %v after the wait", wait)
		}
		if wait := blocked(t, g, throttle.Attempt{Account: "2", Address: home}); wait != 0 {
			t.Fatal("blocked attempts counted against the address")
		}
	})
}

func TestUndoLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Throttles()
		g, ann := &throttle.Guard{Store: store}, throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 9)
		for range 300 {
			blocked(t, g, ann)
		}
		fail(t, g, ann, 1)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("wait %v after undone tries, want the first", wait)
		}
		blocked(t, g, throttle.Attempt{Account: "2", Address: abroad})
		if n, err := store.DeleteExpired(t.Context(), 1<<60, 100); n != 3 || err != nil {
			t.Fatalf("%d counters, want the 3 of the failures (%v)", n, err)
		}
	})
}

func TestATryIsSettledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 8)
		try, err := g.Reserve(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		for _, settle := range []func(context.Context) error{try.Failed, try.Undo, try.Succeeded, try.Undo} {
			if err := settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		fail(t, g, ann, 1)
		if blocked(t, g, ann) == 0 {
			t.Fatal("a settled try was given back")
		}
	})
}

func TestLateUndoDoesNotReachIntoTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		late, err := g.Reserve(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Minute)
		fail(t, g, ann, 9)
		if err := late.Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 1)
		if blocked(t, g, ann) == 0 {
			t.Fatal("a try of the last window was taken off this one")
		}
	})
}

func TestHangingUpDoesNotChangeTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 9)
		ctx, hangUp := context.WithCancel(t.Context())
		try, err := g.Reserve(ctx, ann)
		if err != nil {
			t.Fatal(err)
		}
		hangUp()
		if err := try.Succeeded(ctx); err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 9)
	})
}

func TestAnOutageIsNoVerdict(t *testing.T) {
	outage := errors.New("connection refused")
	g := &throttle.Guard{Store: brokenStore{outage}}
	_, err := g.Reserve(t.Context(), throttle.Attempt{Account: "1"})
	if full := new(throttle.Error); !errors.Is(err, outage) || errors.As(err, &full) {
		t.Fatalf("Reserve: %v", err)
	}
	if err := g.Purge(t.Context()); !errors.Is(err, outage) {
		t.Fatalf("Purge: %v", err)
	}
	if _, err := newGuard().Reserve(t.Context(), throttle.Attempt{Device: "d"}); err == nil {
		t.Fatal("an attempt that nothing counts was let through")
	}
}

type brokenStore struct{ err error }

func (b brokenStore) Update(context.Context, []string, func([]throttle.Counter) error) error {
	return b.err
}
func (b brokenStore) DeleteExpired(context.Context, int64, int) (int, error) { return 0, b.err }

func TestPurgeForgetsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Throttles()
		g := &throttle.Guard{Store: store}
		for i := range 1200 {
			fail(t, g, throttle.Attempt{Account: fmt.Sprint(i)}, 1)
		}
		time.Sleep(24*time.Hour - time.Second)
		fail(t, g, throttle.Attempt{Account: "late"}, 1)
		time.Sleep(time.Second)
		if err := g.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := store.DeleteExpired(t.Context(), 1<<60, 10000); n != 2 || err != nil {
			t.Fatalf("%d counters left, want 2 (%v)", n, err)
		}
	})
}

func TestG01_APatientGuesserIsHeldToADayAndThenToAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1"}
		var failures, first int
		for minute := range 10 * 24 * 60 {
			for range 9 { // never the tenth of a window
				try, err := g.Reserve(t.Context(), ann)
				if err != nil {
					break
				}
				failures++
				_ = try.Failed(t.Context())
				if minute%15 != 0 {
					break
				}
			}
			if minute == 24*60-1 {
				first = failures
			}
			time.Sleep(time.Minute)
		}
		if first > 100+24 || failures > first+9*24 {
			t.Fatalf("%d guesses on the first day, %d in ten", first, failures)
		}
	})
}

func TestG01_OneHundredSlowFailuresThenOneAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		for i := range 100 {
			if i > 0 && i%9 == 0 {
				time.Sleep(15 * time.Minute)
			}
			fail(t, g, ann, 1)
		}
		for range 30 {
			if wait := blocked(t, g, ann); wait != time.Hour {
				t.Fatalf("wait %v, want an hour", wait)
			}
			time.Sleep(time.Hour)
			fail(t, g, ann, 1)
		}
		time.Sleep(time.Hour)
		succeed(t, g, ann)
		fail(t, g, ann, 9)
		time.Sleep(15 * time.Minute)
		fail(t, g, ann, 9)
	})
}

func TestG02_F6_ParallelGuessesAreNeverMoreThanTheLimit(t *testing.T) {
	store := memory.New().Throttles()
	var verified atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		g := &throttle.Guard{Store: store} // as in many processes
		all.Go(func() {
			a := throttle.Attempt{Account: "1", Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
			try, err := g.Reserve(t.Context(), a)
			if full := new(throttle.Error); err != nil && !errors.As(err, &full) {
				t.Error(err)
			} else if err == nil {
				verified.Add(1)
				_ = try.Failed(t.Context())
			}
		})
	}
	all.Wait()
	if n := verified.Load(); n != 10 {
		t.Fatalf("%d guesses were verified, want 10", n)
	}
}

func TestG03_SprayingIsCountedByAddressWhateverTheAccounts(t *testing.T) {
	for _, from := range []struct{ name, a, b string }{
		{"IPv4", "198.51.100.7", "198.51.100.7"},
		{"IPv4 mapped", "198.51.100.7", "::ffff:198.51.100.7"},
		{"IPv6 by its /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
		{"IPv6 zone", "fe80::1%eth0", "fe80::1%eth1"},
	} {
		t.Run(from.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				for i := range 50 {
					fail(t, g, throttle.Attempt{Account: fmt.Sprint("a", i), Address: netip.MustParseAddr(from.a)}, 1)
					fail(t, g, throttle.Attempt{Address: netip.MustParseAddr(from.b)}, 1)
				}
				if wait := blocked(t, g, throttle.Attempt{Account: "x", Address: netip.MustParseAddr(from.a)}); wait != time.Minute {
					t.Fatalf("wait %v, want a minute", wait)
				}
				for _, other := range []string{"198.51.100.8", "2001:db8:1:3::1", "fe80:0:0:1::1"} {
					if wait := blocked(t, g, throttle.Attempt{Account: "x", Address: netip.MustParseAddr(other)}); wait != 0 {
						t.Fatalf("%s waits %v", other, wait)
					}
				}
				time.Sleep(time.Minute)
				fail(t, g, throttle.Attempt{Address: netip.MustParseAddr(from.b)}, 10)
				if wait := blocked(t, g, throttle.Attempt{Account: "x", Address: netip.MustParseAddr(from.a)}); wait != 2*time.Minute {
					t.Fatalf("wait %v, want two minutes", wait)
				}
			})
		})
	}
}

func TestG04_StrangersCannotLockOutAKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		ann := throttle.Attempt{Account: "1", Address: home, Device: "laptop"}
		for range 200 { // failing on purpose, from the owner's own network
			if try, err := g.Reserve(t.Context(), throttle.Attempt{Account: "1", Address: home}); err == nil {
				_ = try.Failed(t.Context())
			}
			for i := range 20 {
				if try, err := g.Reserve(t.Context(), throttle.Attempt{Account: fmt.Sprint("x", i), Address: home}); err == nil {
					_ = try.Failed(t.Context())
				}
			}
			time.Sleep(time.Minute)
		}
		if blocked(t, g, throttle.Attempt{Account: "1", Address: home}) == 0 {
			t.Fatal("the strangers weren't stopped")
		}
		fail(t, g, ann, 9)
		succeed(t, g, ann)
		fail(t, g, ann, 10)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("a known device waits %v after ten failures of its own, want a minute", wait)
		}
		phone := throttle.Attempt{Account: "1", Address: home, Device: "phone"}
		if wait := blocked(t, g, phone); wait != 0 {
			t.Fatalf("another known device waits %v", wait)
		}
	})
}

func TestG04_AKnownDeviceOfOneAccountIsUnknownToAnother(t *testing.T) {
	g := newGuard()
	fail(t, g, throttle.Attempt{Account: "1", Device: "laptop"}, 10)
	if wait := blocked(t, g, throttle.Attempt{Account: "2", Device: "laptop"}); wait != 0 {
		t.Fatalf("wait %v", wait)
	}
	fail(t, g, throttle.Attempt{Account: "ab", Device: "c"}, 10)
	if wait := blocked(t, g, throttle.Attempt{Account: "a", Device: "bc"}); wait != 0 {
		t.Fatal("two pairs share a counter")
	}
}

func TestAKnownDevicesSuccessLeavesTheStrangersWaiting(t *testing.T) {
	g := newGuard()
	stranger := throttle.Attempt{Account: "1", Address: abroad}
	fail(t, g, stranger, 10)
	succeed(t, g, throttle.Attempt{Account: "1", Address: home, Device: "laptop"})
	if blocked(t, g, stranger) == 0 {
		t.Fatal("the owner's sign-in gave the stranger ten more guesses")
	}
}

func TestF5_SpellingsOfANameShareACounter(t *testing.T) {
	g := newGuard()
	for _, typed := range []string{"ann@example.com", "ANN@example.com", "Ann@Example.COM", "ａｎｎ@example.com", "ⓐnn@example.com"} {
		fail(t, g, throttle.Attempt{Account: account.Key(typed), Address: abroad}, 2)
	}
	if blocked(t, g, throttle.Attempt{Account: account.Key("aNN@example.com"), Address: home}) == 0 {
		t.Fatal("another spelling had more tries")
	}
}

func TestF7_AMillionOtherCountersPushNoneOut(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	store := memory.New().Throttles()
	g := &throttle.Guard{Store: store}
	victim := throttle.Attempt{Account: "1", Address: home}
	fail(t, g, victim, 10)
	flood := throttle.Counter{Tries: 1, Since: time.Now().Unix(), Ends: time.Now().Unix() + 900}
	for i := range n {
		err := store.Update(t.Context(), []string{fmt.Sprint("account/", i)}, func(c []throttle.Counter) error {
			c[0] = flood
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	restarted := &throttle.Guard{Store: store}
	if err := restarted.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blocked(t, restarted, victim) == 0 {
		t.Fatal("the victim's counter is gone")
	}
}

func TestCountersNameNobody(t *testing.T) {
	keys := func(g throttle.Guard) string {
		var seen []string
		g.Store = spy{g.Store, &seen}
		fail(t, &g, throttle.Attempt{Account: "ann", Address: home}, 1)
		fail(t, &g, throttle.Attempt{Account: "ann", Device: "laptop"}, 1)
		return strings.Join(seen, "\n")
	}
	a := keys(throttle.Guard{Store: memory.New().Throttles(), Key: []byte("one")})
	b := keys(throttle.Guard{Store: memory.New().Throttles(), Key: []byte("two")})
	if a == b {
		t.Error("the key makes no difference")
	}
	for _, secret := range []string{"ann", "198.51", "laptop"} {
		if strings.Contains(a, secret) {
			t.Errorf("%q is in the clear:\n%s", secret, a)
		}
	}
}

type spy struct {
	throttle.Store
	keys *[]string
}

func (s spy) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	*s.keys = append(*s.keys, keys...)
	return s.Store.Update(ctx, keys, change)
}
