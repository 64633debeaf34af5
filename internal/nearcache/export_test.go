package nearcache

import (
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// Settle waits until the memory may be believed, and lifts what was barred because the feed has just come up: nobody else
// has written anything yet.
func Settle(t testing.TB, c *Cache) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, live := c.live(); live {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("the memory does not come alive")
		}
	}
	if n, ok := c.truth.(*node); ok {
		n.mu.Lock()
		n.upAt = -time.Minute
		n.mu.Unlock()
	}
	c.marks.resume(0)
	time.Sleep(time.Microsecond)
}

// Remembered returns how many sessions are remembered, and what they are taken to cost.
func Remembered(store session.Store) (n int, bytes int64) {
	for i := range store.(*sessions).known.shards {
		shard := &store.(*sessions).known.shards[i]
		n += len(shard.entries)
		bytes += shard.bytes
	}
	return n, bytes
}

// Renew makes the sessions that are remembered as young as if they had just been read. Nobody may be using them.
func Renew(c *Cache, store session.Store) {
	now := c.now()
	for i := range store.(*sessions).known.shards {
		for _, e := range store.(*sessions).known.shards[i].entries {
			e.since = now
		}
	}
}

// Parse takes a message apart and puts it together again.
func Parse(text string) (again string, ok bool) {
	m, ok := parse(text)
	if !ok {
		return "", false
	}
	if m.kind != notice {
		return strings.Join(append([]string{m.kind, m.node}, m.rest...), " "), true
	}
	keys, ok := m.keys()
	if !ok {
		return "", false
	}
	return noticeText(m.node, m.rest[0], keys), true
}
