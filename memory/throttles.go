package memory

import (
	"context"
	"sync"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

type throttles struct {
	mu    sync.Mutex
	byKey map[string]*counter
	ends  expiries[*counter]
}

type counter struct {
	throttle.Counter
	key   string
	index int
}

func (c *counter) end() int64      { return c.Ends }
func (c *counter) heapIndex() *int { return &c.index }

func newThrottles() *throttles {
	return &throttles{byKey: map[string]*counter{}}
}

func (t *throttles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	counters := make([]throttle.Counter, len(keys))
	for i, key := range keys {
		if c, ok := t.byKey[key]; ok {
			counters[i] = c.Counter
		}
	}
	if err := change(counters); err != nil {
		return err
	}
	for i, key := range keys {
		t.put(key, counters[i])
	}
	return nil
}

func (t *throttles) put(key string, next throttle.Counter) {
	c, ok := t.byKey[key]
	switch zero := next == (throttle.Counter{}); {
	case zero && ok:
		t.remove(c)
	case zero:
	case ok:
		c.Counter = next
		t.ends.update(c)
	default:
		c = &counter{Counter: next, key: key}
		t.byKey[key] = c
		t.ends.add(c)
	}
}

func (t *throttles) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := range max(limit, 0) {
		c, ok := t.ends.first(now)
		if !ok {
			return n, nil
		}
		t.remove(c)
	}
	return max(limit, 0), nil
}

func (t *throttles) remove(c *counter) {
	delete(t.byKey, c.key)
	t.ends.remove(c)
}
