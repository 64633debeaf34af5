package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

var (
	home   = netip.MustParseAddr("198.51.100.7")
	abroad = netip.MustParseAddr("203.0.113.9")
)

func newGuard() *throttle.Guard {
	return &throttle.Guard{Store: memory.New().Throttles, Key: []byte("a key for tests")}
}

// blocked makes an attempt, gives it back, and returns how long the guard says to wait.
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

func TestPurgeDeletesExpiredCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Throttles
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

func TestAKnownDevicesSuccessLeavesTheStrangersWaiting(t *testing.T) {
	g := newGuard()
	stranger := throttle.Attempt{Account: "1", Address: abroad}
	fail(t, g, stranger, 10)
	succeed(t, g, throttle.Attempt{Account: "1", Address: home, Device: "laptop"})
	if blocked(t, g, stranger) == 0 {
		t.Fatal("the owner's sign-in gave the stranger ten more guesses")
	}
}

func TestCountersHoldNoNames(t *testing.T) {
	keys := func(g *throttle.Guard) string {
		var seen []string
		g.Store = spy{g.Store, &seen}
		fail(t, g, throttle.Attempt{Name: "ann", Account: "ann", Address: home}, 1)
		fail(t, g, throttle.Attempt{Account: "ann", Device: "laptop"}, 1)
		return strings.Join(seen, "\n")
	}
	a := keys(&throttle.Guard{Store: memory.New().Throttles, Key: []byte("one")})
	b := keys(&throttle.Guard{Store: memory.New().Throttles, Key: []byte("two")})
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
