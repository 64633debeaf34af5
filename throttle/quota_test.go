package throttle_test

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestAQuotaIsNeverExceeded(t *testing.T) {
	t.Attr("threat", "R05")
	synctest.Test(t, func(t *testing.T) {
		g := &throttle.Guard{Store: memory.New().Throttles}
		quota := throttle.Quota{Kind: "mail", Of: "ada", Most: 3, Within: 15 * time.Minute}
		var done atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if g.Spend(t.Context(), quota) == nil {
					done.Add(1)
				}
			})
		}
		all.Wait()
		if done.Load() != 3 {
			t.Fatalf("%d of 50 at once were counted, want 3", done.Load())
		}
		time.Sleep(10 * time.Minute)
		err := g.Spend(t.Context(), quota)
		if full, ok := errors.AsType[*throttle.QuotaError](err); !ok || full.RetryAfter != 5*time.Minute || full.Quota.Kind != "mail" {
			t.Fatalf("after ten minutes: %v", err)
		}
		for _, other := range []throttle.Quota{{Kind: "mail", Of: "bob", Most: 1, Within: time.Minute}, {Kind: "other", Of: "ada", Most: 1, Within: time.Minute}} {
			if err := g.Spend(t.Context(), other); err != nil {
				t.Errorf("%+v: %v", other, err)
			}
		}
		time.Sleep(5 * time.Minute)
		if err := g.Spend(t.Context(), quota); err != nil {
			t.Errorf("after a quarter of an hour: %v", err)
		}
		time.Sleep(time.Hour)
		if err := g.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWhatIsRefusedCountsNowhere: neither the quota that is used up nor those before it.
func TestWhatIsRefusedCountsNowhere(t *testing.T) {
	g := &throttle.Guard{Store: memory.New().Throttles}
	wide, narrow := throttle.Quota{Kind: "wide", Most: 3, Within: time.Hour}, throttle.Quota{Kind: "narrow", Most: 1, Within: time.Hour}
	for n, want := range []string{"", "narrow", "narrow", "narrow"} {
		err := g.Spend(t.Context(), wide, narrow)
		full, _ := errors.AsType[*throttle.QuotaError](err)
		if (err == nil) != (want == "") || full != nil && full.Quota.Kind != want {
			t.Fatalf("call %d: %v, want %q", n, err, want)
		}
	}
	for range 2 {
		if err := g.Spend(t.Context(), wide); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Spend(t.Context(), wide); err == nil {
		t.Error("a fourth was counted")
	}
}

func TestAQuotaWithoutAStoreIsNoRefusal(t *testing.T) {
	g := &throttle.Guard{Store: storetest.Faulty(memory.New().Set, &storetest.FaultPlan{Call: 1}).Throttles}
	err := g.Spend(t.Context(), throttle.Quota{Kind: "mail", Most: 1, Within: time.Hour})
	if _, refused := errors.AsType[*throttle.QuotaError](err); err == nil || refused {
		t.Errorf("got %v", err)
	}
}

func TestANetworkIsAnAddressOrSixtyFourBits(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := throttle.Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
}
