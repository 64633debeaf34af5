// Package limit bounds what waits for a store, at next to no cost where nothing waits.
package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Context is a context that ends at a time, and costs next to nothing unless somebody waits for its end: most calls are
// answered from memory, and a timer that is set and stopped for each would cost as much as the rest of the check.
type Context struct {
	context.Context // the parent
	until           time.Time

	over   atomic.Bool // End was called
	waited atomic.Pointer[timed]
	asking sync.Mutex // held by who sets waited
}

// timed is a context with a timer, for who waits.
type timed struct {
	context.Context
	cancel context.CancelFunc
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
	l.over.Store(true)
	if w := l.waited.Load(); w != nil {
		w.cancel()
	}
}

func (l *Context) Deadline() (time.Time, bool) { return l.until, true }

func (l *Context) Done() <-chan struct{} {
	l.asking.Lock()
	defer l.asking.Unlock()
	w := l.waited.Load()
	if w == nil {
		ctx, cancel := context.WithDeadline(l.Context, l.until)
		w = &timed{ctx, cancel}
		l.waited.Store(w)
		if l.over.Load() { // either this or End sees what the other has done
			cancel()
		}
	}
	return w.Done()
}

func (l *Context) Err() error {
	if w := l.waited.Load(); w != nil {
		return w.Err()
	}
	switch err := l.Context.Err(); {
	case err != nil:
		return err
	case l.over.Load():
		return context.Canceled
	case !time.Now().Before(l.until):
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the context with the timer once there is one, so that package context finds it and hangs those made from
// this one straight on it.
func (l *Context) Value(key any) any {
	if w := l.waited.Load(); w != nil {
		return w.Value(key)
	}
	return l.Context.Value(key)
}
