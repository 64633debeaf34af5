package resilience

import (
	"context"
	"sync"
	"time"
)

// forCheck is how long one check of a credential may wait for a store. A store that takes longer counts as an outage.
const forCheck = 5 * time.Second

// LimitCheck returns a context for one check of a credential in a store: it ends when ctx does, or after five seconds. Call
// cancel when the check is done.
func LimitCheck(ctx context.Context) (_ context.Context, cancel context.CancelFunc) {
	end := time.Now().Add(forCheck)
	if sooner, ok := ctx.Deadline(); ok && !sooner.After(end) {
		return ctx, func() {}
	}
	c := &check{parent: ctx, end: end}
	return c, c.cancel
}

// check is a context with a deadline whose timer isn't set before a call waits for it: a store that answers at once costs none.
type check struct {
	parent context.Context
	end    time.Time

	mu    sync.Mutex
	timed context.Context // does everything once it is made; nil before
	stop  context.CancelFunc
	ended bool // cancel was called
}

func (c *check) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.stop != nil {
		c.stop()
	}
}

// made returns the context with the timer; nil if there is none yet.
func (c *check) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timed
}

// Deadline implements context.Context.
func (c *check) Deadline() (time.Time, bool) { return c.end, true }

// Done implements context.Context.
func (c *check) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.stop = context.WithDeadline(c.parent, c.end)
		if c.ended {
			c.stop()
		}
	}
	return c.timed.Done()
}

// Err implements context.Context.
func (c *check) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed != nil {
		return c.timed.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	switch {
	case c.ended:
		return context.Canceled
	case !time.Now().Before(c.end):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. Once there is a timer it is asked, since a context of package context that is made of this one looks
// for the one whose Done channel this is, and would need a goroutine if it found another.
func (c *check) Value(key any) any {
	if timed := c.made(); timed != nil {
		return timed.Value(key)
	}
	return c.parent.Value(key)
}
