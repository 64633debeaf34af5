package nearcache

import (
	"context"
	"sync/atomic"
	"time"
)

// database is the truth where each check can see at once whether anybody has committed anything. Other processes need no
// fence then: their commits void this memory. What this process writes is dropped beforehand, and kept by nobody until the
// write is through.
type database struct {
	cache   *Cache
	commits Commits
	strict  bool
	others  atomic.Uint64 // the commits of other processes that the memory knows of
}

func (d *database) live(time.Duration) bool {
	if d.strict {
		return false
	}
	_, others, ok := d.commits.Seen()
	return ok && (others == d.others.Load() || d.voided(others))
}

// voided forgets everything after commits of other processes. The marks come first: who finds the count right must find
// them set.
func (d *database) voided(others uint64) bool {
	d.cache.marks.void(d.cache.now())
	for {
		known := d.others.Load()
		if known >= others || d.others.CompareAndSwap(known, others) {
			return true
		}
	}
}

func (d *database) begin() (point uint64, ok bool) {
	if !d.live(0) {
		return 0, false
	}
	all, _, ok := d.commits.Seen()
	return all, ok
}

// same is strict: a row that was read while anybody committed anything is not kept.
func (d *database) same(point uint64) bool {
	all, _, ok := d.commits.Seen()
	return ok && all == point
}

func (d *database) fence(ctx context.Context, keys []key, write func(context.Context) error) error {
	d.cache.marks.take(d.cache.now(), keys)
	d.cache.drop(keys)
	defer func() { d.cache.marks.release(d.cache.now(), keys) }()
	return write(ctx)
}

func (d *database) reach(context.Context) error { return nil }

func (d *database) run(ctx context.Context) error { return d.commits.Run(ctx) }
