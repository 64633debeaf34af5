package redisdb

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

// throttles replaces counters by compare-and-set: if they have changed since they were read, it repeats the update with their
// new values. Within this process the updates of a key wait for each other, so that only other processes can interfere.
type throttles struct {
	client *link
	node   string // the name under which this node holds the lease for purging
	seed   maphash.Seed
	queues [64]chan struct{} // by the hash of a key; a queue is full while one of its keys is being updated
}

func newThrottles(client *link, node string) *throttles {
	h := &throttles{client: client, node: node, seed: maphash.MakeSeed()}
	for i := range h.queues {
		h.queues[i] = make(chan struct{}, 1)
	}
	return h
}

func (h *throttles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(keys) == 0 {
		return change(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	leave, err := h.enter(ctx, keys)
	if err != nil {
		return err
	}
	defer leave()
	now, err := h.load(ctx, keys)
	if err != nil {
		return fmt.Errorf("load counters: %w", err)
	}
	for {
		counters, err := decodeCounters(now)
		if err != nil {
			return err
		}
		if err := change(counters); err != nil {
			return err
		}
		if slices.Equal(now, encodeCounters(counters)) {
			return nil
		}
		if now, err = h.swap(ctx, keys, now, counters); err != nil {
			return fmt.Errorf("save counters: %w", err)
		}
		if len(now) == 0 {
			return nil
		}
	}
}

// enter waits until no other call in this process updates one of the keys. All calls enter the queues in the same order, so
// that two never wait for each other.
func (h *throttles) enter(ctx context.Context, keys []string) (leave func(), err error) {
	var queues []int
	for _, key := range keys {
		queues = append(queues, int(maphash.String(h.seed, key)%uint64(len(h.queues))))
	}
	slices.Sort(queues)
	queues = slices.Compact(queues)
	entered := 0
	leave = func() {
		for _, q := range queues[:entered] {
			<-h.queues[q]
		}
	}
	for _, q := range queues {
		select {
		case h.queues[q] <- struct{}{}:
			entered++
		case <-ctx.Done():
			leave()
			return nil, fmt.Errorf("wait for other tries: %w", ctx.Err())
		}
	}
	return leave, nil
}

// load reads all counters at the same moment. A missing one is "".
func (h *throttles) load(ctx context.Context, keys []string) ([]string, error) {
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = "cloakroom:t:" + key
	}
	m, err := do(ctx, h.client, h.client.B().Mget().Key(named...).Build())
	if err != nil {
		return nil, err
	}
	return m.AsStrSlice()
}

// swap replaces the counters if they are unchanged, and returns nothing. Otherwise it returns their present values.
func (h *throttles) swap(ctx context.Context, keys, old []string, counters []throttle.Counter) ([]string, error) {
	args := make([]string, 0, 4*len(keys))
	for i, text := range encodeCounters(counters) {
		args = append(args, keys[i], old[i], text, strconv.FormatInt(counters[i].Ends, 10))
	}
	m, err := run(ctx, h.client, casCountersScript, args...)
	if err != nil {
		return nil, err
	}
	return m.AsStrSlice()
}

func (h *throttles) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n, err := number(ctx, h.client, purgeCountersScript, strconv.FormatInt(now, 10), strconv.Itoa(max(limit, 0)), h.node)
	if err != nil {
		return 0, fmt.Errorf("delete expired counters: %w", err)
	}
	return n, nil
}

// encodeCounters writes each counter as five numbers, and a zero counter as "".
func encodeCounters(counters []throttle.Counter) []string {
	texts := make([]string, len(counters))
	for i, c := range counters {
		if c != (throttle.Counter{}) {
			texts[i] = fmt.Sprintf("%d %d %d %d %d", c.Tries, c.Since, c.Until, c.Level, c.Ends)
		}
	}
	return texts
}

func decodeCounters(texts []string) ([]throttle.Counter, error) {
	counters := make([]throttle.Counter, len(texts))
	for i, text := range texts {
		c := &counters[i]
		if text == "" {
			continue
		}
		if _, err := fmt.Sscanf(text, "%d %d %d %d %d", &c.Tries, &c.Since, &c.Until, &c.Level, &c.Ends); err != nil {
			return nil, fmt.Errorf("the stored value is not a counter of this program: %w", err)
		}
	}
	return counters, nil
}
