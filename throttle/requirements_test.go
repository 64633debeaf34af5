package throttle_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestAPatientGuesserIsHeldToADayAndThenToAnHour(t *testing.T) {
	t.Attr("threat", "G01")
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

func TestOneHundredSlowFailuresThenOneAnHour(t *testing.T) {
	t.Attr("threat", "G01")
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

func TestParallelGuessesAreNeverMoreThanTheLimit(t *testing.T) {
	t.Attr("threat", "G02")
	t.Attr("threat", "F6")
	store := memory.New().Throttles
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

func TestSprayingIsCountedByAddressWhateverTheAccounts(t *testing.T) {
	t.Attr("threat", "G03")
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

func TestStrangersCannotLockOutAKnownDevice(t *testing.T) {
	t.Attr("threat", "G04")
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

func TestAKnownDeviceOfOneAccountIsUnknownToAnother(t *testing.T) {
	t.Attr("threat", "G04")
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

func TestSpellingsOfANameShareACounter(t *testing.T) {
	t.Attr("threat", "F5")
	g := newGuard()
	for _, typed := range []string{"ann@example.com", "ANN@example.com", "Ann@Example.COM", "ａｎｎ@example.com", "ⓐnn@example.com"} {
		fail(t, g, throttle.Attempt{Account: account.CanonicalLogin(typed), Address: abroad}, 2)
	}
	if blocked(t, g, throttle.Attempt{Account: account.CanonicalLogin("aNN@example.com"), Address: home}) == 0 {
		t.Fatal("another spelling had more tries")
	}
}

func TestAMillionOtherCountersPushNoneOut(t *testing.T) {
	t.Attr("threat", "F7")
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	store := memory.New().Throttles
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
