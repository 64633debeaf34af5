package throttle_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

// flakyStore is a store that sometimes fails.
type flakyStore struct {
	throttle.Store
	out atomic.Bool
}

var errOut = errors.New("the store is out")

func (s *flakyStore) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	if s.out.Load() {
		return errOut
	}
	return s.Store.Update(ctx, keys, change)
}

// TestAnOutageIsNeverTooManyFailures makes the store fail between each try and its success, more often than the limit of
// failures. The tries are settled once the store works again, and no attempt is refused meanwhile.
func TestAnOutageIsNeverTooManyFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		store := &flakyStore{Store: g.Store}
		g.Store = store
		for n := range 25 {
			store.out.Store(false)
			try, err := g.Reserve(t.Context(), throttle.Attempt{Name: "ann", Account: "1", Address: home})
			if err != nil {
				t.Fatalf("right secret %d: %v", n, err)
			}
			if try.SilentlyLimited() {
				t.Fatalf("right secret %d is barred", n)
			}
			store.out.Store(true)
			if err := try.Succeeded(t.Context()); !errors.Is(err, errOut) {
				t.Fatalf("Succeeded in an outage: %v, want %v", err, errOut)
			}
		}
		store.out.Store(false)
		time.Sleep(time.Minute)
		for n := range 10 {
			if _, err := g.Reserve(t.Context(), throttle.Attempt{Name: "ann", Account: "1", Address: home}); err != nil {
				t.Fatalf("failure %d after the outage: %v", n+1, err)
			}
		}
	})
}
