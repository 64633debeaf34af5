// Package resilience bounds what slow and unreachable stores cost: how long a call waits for them, how often an unreachable server is
// tried, and how much of a store's time the work takes that no request waits for.
package resilience

import (
	"context"
	"sync"
	"time"
)

// limited is a context that ends with [context.DeadlineExceeded] when its time is used up. Its clock can stand still: hashing a
// password takes as long as the processors let it, which says nothing about the stores. It has no Deadline, since that
// moves with each pause.
type limited struct {
	context.Context
	done chan struct{}

	mu      sync.Mutex
	err     error
	timer   *time.Timer
	left    time.Duration // what was left when the clock last started
	started time.Time
	pauses  int
}

type key struct{}

// Limit returns a context that ends when ctx does, or when d has passed without the pauses. Call cancel when the work is done.
func Limit(ctx context.Context, d time.Duration) (_ context.Context, cancel func()) {
	l := &limited{Context: ctx, done: make(chan struct{}), left: d, started: time.Now()}
	stop := context.AfterFunc(ctx, func() { l.end(ctx.Err()) })
	l.timer = time.AfterFunc(d, l.expire)
	return l, func() {
		stop()
		l.end(context.Canceled)
	}
}

// PauseLimit stops the clock of ctx until resume is called, which must be called once. Pauses may overlap. If ctx isn't limited,
// nothing happens. A context that is limited twice pauses the inner limit alone.
func PauseLimit(ctx context.Context) (resume func()) {
	l, ok := ctx.Value(key{}).(*limited)
	if !ok {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauses++; l.pauses == 1 {
		l.timer.Stop()
		l.left -= time.Since(l.started)
	}
	return l.resume
}

func (l *limited) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauses--; l.pauses == 0 {
		l.started = time.Now()
		l.timer.Reset(max(0, l.left))
	}
}

// expire ends the context, unless a pause began while the timer fired.
func (l *limited) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauses == 0 {
		l.endLocked(context.DeadlineExceeded)
	}
}

func (l *limited) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(err)
}

func (l *limited) endLocked(err error) {
	if l.err == nil {
		l.err = err
		l.timer.Stop()
		close(l.done)
	}
}

// Deadline implements context.Context.
func (l *limited) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (l *limited) Done() <-chan struct{} { return l.done }

// Err implements context.Context.
func (l *limited) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Value implements context.Context.
func (l *limited) Value(k any) any {
	if k == (key{}) {
		return l
	}
	return l.Context.Value(k)
}
