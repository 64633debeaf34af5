package fence

import (
	"context"
	"sync/atomic"
	"time"
)

// CommitCounter counts the commits to a database, by whatever process. It is safe for concurrent use, and quick.
type CommitCounter interface {
	// Seen returns the number of commits, and how many of them other processes made. The counts may be too high, never too
	// low. ok is false while a commit is in progress: nothing read before may be served then. A commit that has returned,
	// in whatever process, is counted or makes ok false.
	Seen() (all, others uint64, ok bool)

	// Run does the background work until ctx ends.
	Run(ctx context.Context) error
}

// NewCommits returns a [Validator] for a database on which every check can see at once whether anything has been committed.
// Other processes need no fence: their commits invalidate this memory. Entries that this process writes are dropped
// beforehand, and not cached until the write has returned. If strict is set, nothing is served from memory.
func NewCommits(m Memory, c CommitCounter, strict bool) Validator {
	return &commits{memory: m, counter: c, strict: strict}
}

type commits struct {
	memory  Memory
	counter CommitCounter
	strict  bool
	others  atomic.Uint64 // commits of other processes for which the memory has been invalidated
}

func (c *commits) Live(time.Duration) bool {
	if c.strict {
		return false
	}
	_, others, ok := c.counter.Seen()
	return ok && (others == c.others.Load() || c.invalidate(others))
}

// invalidate drops everything after commits of other processes. It blocks before it moves the count: a check that finds the
// count up to date must also find the block.
func (c *commits) invalidate(others uint64) bool {
	c.memory.BlockAll(c.memory.Now())
	for {
		known := c.others.Load()
		if known >= others || c.others.CompareAndSwap(known, others) {
			return true
		}
	}
}

func (c *commits) BeginRead() (point uint64, ok bool) {
	if !c.Live(0) {
		return 0, false
	}
	all, _, ok := c.counter.Seen()
	return all, ok
}

// Unchanged is strict: a row that was read while anything was committed isn't cached.
func (c *commits) Unchanged(point uint64) bool {
	all, _, ok := c.counter.Seen()
	return ok && all == point
}

func (c *commits) Write(ctx context.Context, keys []Key, write func(context.Context) error) error {
	defer c.memory.Hold(keys)()
	return write(ctx)
}

func (c *commits) Reach(context.Context) error { return nil }

func (c *commits) Run(ctx context.Context) error { return c.counter.Run(ctx) }

func (c *commits) Close() {}
