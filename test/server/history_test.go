package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// TestNoHistoryHonoursWhatHasEnded lets 16 clients use the server at once, kills it in between, and checks that some order of
// their requests explains all answers (linearizability).
func TestNoHistoryHonoursWhatHasEnded(t *testing.T) {
	t.Run("fenced", func(t *testing.T) { noHistoryHonoursWhatHasEnded(t, start(t)) })
	t.Run("strict", func(t *testing.T) { noHistoryHonoursWhatHasEnded(t, start(t, "--revocation", "strict")) })
}

func noHistoryHonoursWhatHasEnded(t *testing.T, s *server) {
	w := newWorld(s)
	lives, each := 2, 2*time.Second
	if long {
		lives, each = 20, 10*time.Second
	}
	for life := 0; life < lives || (life < 5*lives && !w.did(passed, refusedDead, began, left)); life++ {
		w.live(each, s.kill)
		s.start()
	}
	w.live(time.Second, func() {})
	t.Log(w.summary())
	if result := w.judge(t); result != porcupine.Ok {
		t.Errorf("the history is %s", result)
	}
	if !w.did(passed, refusedDead, began, left) {
		t.Error("too little has happened")
	}
}

// TestTheModelFindsACache shows that the test above can fail: it puts a cache in front that keeps answers for 5 ms.
func TestTheModelFindsACache(t *testing.T) {
	s := start(t)
	s.through = &cache{RoundTripper: s.transport, good: map[string]time.Time{}}
	w := newWorld(s)
	for range 20 {
		w.live(500*time.Millisecond, func() {})
		if w.judge(t) == porcupine.Illegal {
			t.Logf("found: %s", w.summary())
			return
		}
	}
	t.Errorf("nothing found: %s", w.summary())
}

// cache answers /api/me from memory, if the same cookie was answered 200 in the last 5 ms.
type cache struct {
	http.RoundTripper
	mu   sync.Mutex
	good map[string]time.Time
}

func (c *cache) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/api/me" {
		return c.RoundTripper.RoundTrip(r)
	}
	key := r.Header.Get("Cookie")
	c.mu.Lock()
	last := c.good[key]
	c.mu.Unlock()
	if time.Since(last) < 5*time.Millisecond {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	}
	response, err := c.RoundTripper.RoundTrip(r)
	if err == nil && response.StatusCode == http.StatusOK {
		c.mu.Lock()
		c.good[key] = time.Now()
		c.mu.Unlock()
	}
	return response, err
}
