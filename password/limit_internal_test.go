package password

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// TestHashingDoesNotCountAgainstTheTimeForStores: a minute in the queue and a minute of hashing leave a call all the time that
// it has for its stores.
func TestHashingDoesNotCountAgainstTheTimeForStores(t *testing.T) {
	t.Attr("threat", "L05")
	synctest.Test(t, func(t *testing.T) {
		h := &Hasher{Workers: 1, Wait: time.Hour}
		slow := func() error { time.Sleep(time.Minute); return nil }
		go func() { _ = h.run(t.Context(), 1, slow) }()
		synctest.Wait()
		ctx, cancel := resilience.Limit(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.run(ctx, 1, slow); err != nil {
			t.Fatal(err)
		}
		if time.Sleep(4 * time.Second); ctx.Err() != nil {
			t.Errorf("after the hash the call has no time left: %v", ctx.Err())
		}
		if time.Sleep(2 * time.Second); ctx.Err() == nil {
			t.Error("the call isn't limited any more")
		}
	})
}
