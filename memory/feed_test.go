package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestFeed(t *testing.T) {
	storetest.Feeds(t, func(t *testing.T) storetest.Broadcast {
		db := memory.New()
		return storetest.Broadcast{Join: func(*testing.T) feed.Feed { return db.Feed() }}
	})
}

// TestASlowListenerGoesDown fills the line of a listener who stands still: it must learn that it has missed something.
func TestASlowListenerGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := memory.New().Feed()
		blocked, ctx := make(chan struct{}), t.Context()
		heard, ups, down := 0, 0, error(nil)
		go f.Listen(ctx, feed.Listener{
			Up:      func() { ups++ },
			Message: func(string) { <-blocked; heard++ },
			Down:    func(err error) { down = err },
			Failed:  func(err error) { t.Error(err) },
		})
		synctest.Wait()
		const sent = 10_000
		for range sent {
			if err := f.Send(ctx, "m"); err != nil {
				t.Fatal(err)
			}
		}
		close(blocked)
		synctest.Wait()
		if heard >= sent || heard == 0 || ups != 2 || down == nil || errors.Is(down, context.Canceled) {
			t.Errorf("heard %d of %d, up %d times, down: %v", heard, sent, ups, down)
		}
	})
}
