package memory

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

type throttles struct {
	mu    guard
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
	if err := t.mu.lock(ctx); err != nil {
		return err
	}
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
	if err := t.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer t.mu.Unlock()
	return t.ends.removeEnded(now, limit, t.remove), nil
}

func (t *throttles) remove(c *counter) {
	delete(t.byKey, c.key)
	t.ends.remove(c)
}
