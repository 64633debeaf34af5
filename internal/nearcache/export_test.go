package nearcache

import (
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
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

// Kept returns the copy of a record that the cache of its store keeps, and the size that it counts for it.
func Kept(store, record any) (copied any, bytes int) {
	switch store := store.(type) {
	case *sessions:
		copied, bytes = store.view.copy(record.(*session.Record))
	case *accounts:
		copied, bytes = store.view.copy(record.(*account.User))
	case *tokens:
		copied, bytes = store.view.copy(record.(*token.Record))
	}
	return copied, bytes
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
