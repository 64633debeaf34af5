package httpapi

import (
	"context"
	"sync"
	"time"
)

// limited is a context that ends at a time, and costs next to nothing unless somebody waits for its end: most calls are
// answered from memory, and a timer that is set and stopped for each would cost as much as the rest of the check.
type limited struct {
	context.Context // the parent
	until           time.Time

	mu     sync.Mutex
	waited context.Context // with a timer; nil: nobody has asked for Done
	cancel context.CancelFunc
	over   bool // end was called
}

// limit returns a context that ends after d, with its parent, or by its method end, which must be called.
func limit(ctx context.Context, d time.Duration) *limited {
	until := time.Now().Add(d)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(until) {
		until = earlier
	}
	return &limited{Context: ctx, until: until}
}

func (l *limited) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.cancel != nil {
		l.cancel()
	}
}

func (l *limited) Deadline() (time.Time, bool) { return l.until, true }

func (l *limited) Done() <-chan struct{} {
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

func (l *limited) Err() error {
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
func (l *limited) Value(key any) any {
	l.mu.Lock()
	from := l.waited
	l.mu.Unlock()
	if from == nil {
		from = l.Context
	}
	return from.Value(key)
}
