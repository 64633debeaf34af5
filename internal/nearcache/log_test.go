package nearcache_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestTheLogSaysWhatIsWrongWithTheFeed checks that it does at once, then every minute, and when the feed works again.
func TestTheLogSaysWhatIsWrongWithTheFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		c := &cluster{t: t, db: memory.New(), net: &network{}}
		m := c.idle(nearcache.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		m.wire.cutOff()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.cache.Run(ctx) }()
		says := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			if n := strings.Count(log.String(), what); n != want {
				t.Errorf("%q is there %d times, want %d:\n%s", what, n, want, log.String())
			}
		}
		time.Sleep(time.Second / 2)
		says(`level=WARN msg="feed out of reach: every check asks the store" error=cut`, 1)
		time.Sleep(150 * time.Second)
		says(`msg="feed out of reach`, 3)
		says(`msg="feed up"`, 0)
		m.wire.mend()
		time.Sleep(time.Second)
		says(`level=INFO msg="feed up"`, 1)
		m.wire.silence(errors.New("no way out"))
		time.Sleep(20 * time.Second)
		says(`level=WARN msg="feed silent: every check asks the store" error="no way out"`, 1)
		m.wire.silence(nil)
		time.Sleep(5 * time.Second)
		says(`msg="feed up"`, 2)
		m.wire.cutOff()
		time.Sleep(time.Second / 2)
		says(`msg="feed down" error=cut`, 1)
		says(`msg="feed out of reach`, 4)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
