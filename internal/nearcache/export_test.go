package nearcache

import (
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Settle waits until entries may be served, and lifts the block that follows the start of the feed: no other node has written
// anything yet.
func Settle(t testing.TB, c *Cache) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, live := c.live(); live {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("the cache does not become live")
		}
	}
	if n, ok := c.validator.(*fence.Node); ok {
		n.AssumeAlone()
	}
	c.tombstones.resetAll(0)
	time.Sleep(time.Microsecond)
}

// Remembered returns the number of cached sessions, and their size in bytes.
func Remembered(store session.Store) (n int, bytes int64) {
	for i := range store.(*sessions).view.present.shards {
		shard := &store.(*sessions).view.present.shards[i]
		n += len(shard.entries)
		bytes += shard.bytes
	}
	return n, bytes
}

// Renew makes the cached sessions as young as if they had just been read. They must not be in use.
func Renew(c *Cache, store session.Store) {
	now := c.now()
	for i := range store.(*sessions).view.present.shards {
		for _, e := range store.(*sessions).view.present.shards[i].entries {
			e.since = now
		}
	}
}
