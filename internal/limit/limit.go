// Package limit bounds what waits for a store, at next to no cost where nothing waits.
package limit

import (
	"context"
	"sync"
	"time"
)

// Context is a context that ends at a time, and costs next to nothing unless somebody waits for its end: most calls are
// answered from memory, and a timer that is set and stopped for each would cost as much as the rest of the check.
type Context struct {
	context.Context // the parent
	until           time.Time

	mu     sync.Mutex
	waited context.Context // with a timer; nil: nobody has asked for Done
	cancel context.CancelFunc
	over   bool // End was called
}

// For returns a context that ends after d, with its parent, or by its method End, which must be called.
func For(ctx context.Context, d time.Duration) *Context {
	until := time.Now().Add(d)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(until) {
		until = earlier
	}
	return &Context{Context: ctx, until: until}
}

// End frees what the context holds. It ends it, if it hasn't ended.
func (l *Context) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.cancel != nil {
		l.cancel()
	}
}

func (l *Context) Deadline() (time.Time, bool) { return l.until, true }

func (l *Context) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited == nil {
		l.waited, l.cancel = context.WithDeadline(l.Context, l.until)
		if l.over {
			l.cancel()
		}
	}
	return l.waited.Done()
}

func (l *Context) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.waited != nil:
		return l.waited.Err()
	case l.Context.Err() != nil:
		return l.Context.Err()
	case l.over:
		return context.Canceled
	case !time.Now().Before(l.until):
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the context with the timer once there is one, so that package context finds it and hangs those made from
// this one straight on it.
func (l *Context) Value(key any) any {
	l.mu.Lock()
	from := l.waited
	l.mu.Unlock()
	if from == nil {
		from = l.Context
	}
	return from.Value(key)
}
