package feed_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
)

func TestLocal(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		f := feed.NewLocal()
		return feedtest.Broadcast{Join: func(*testing.T) feed.Feed { return f }}
	})
}

// TestASlowListenerGoesDown fills the queue of a listener that is blocked. The listener must learn that it has missed
// messages.
func TestASlowListenerGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed.NewLocal()
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
			t.Errorf("heard %d of %d, up %d times, down: %v; want some heard, 2 times up, down because it was slow", heard, sent, ups, down)
		}
	})
}
