package throttle

import (
	"context"
	"sync/atomic"
	"time"
)

// Try is a reserved try. The first call of a method settles it; further calls do nothing and return nil, so that "defer
// t.Undo(ctx)" covers returns without a result. A Try that is never settled counts as failed, and others may wait for it.
// Its methods are safe for concurrent use.
//
// The methods continue for up to 5 seconds after ctx is cancelled, so that clients can't influence what is counted by
// closing the connection. If the store fails, they return its error; the try is settled once the store works again. Until
// then others wait for it, so that an outage is never reported as too many failures. After ten minutes, or when the process
// ends, the try stays counted as failed.
type Try struct {
	guard   *Guard
	keys    []string
	counts  []count
	shown   []string // the keys of the counters that aren't silent
	seen    []uint64 // by shown: how many tries had been given back before this one was reserved
	full    []string // the keys of the counters that refused it
	barred  bool
	settled atomic.Bool
}

// SilentlyLimited reports that the account had too many failures under its other names. The caller does the same work and gives the
// same answer as for a wrong secret, and calls Failed, even if the secret is right.
func (t *Try) SilentlyLimited() bool { return t.barred }

// Succeeded resets the failures of the name and of the account, or of the known device if the try came from one, and gives
// the address its try back. Failures of other clients of the address remain.
func (t *Try) Succeeded(ctx context.Context) error {
	return t.settle(ctx, func(c *Counter, of count) {
		if of.limit == &spraying {
			c.giveBack(of)
		} else {
			*c = Counter{}
		}
	})
}

// Failed leaves the try counted. It doesn't use the store, and always returns nil.
func (t *Try) Failed(context.Context) error {
	if !t.settled.Swap(true) {
		t.guard.open.leave(t.shown, false)
	}
	return nil
}

// Undo gives the try back, for when the secret was not checked because the server was busy, the store failed or the client
// had gone. Don't call it after the secret was compared.
func (t *Try) Undo(ctx context.Context) error {
	return t.settle(ctx, func(c *Counter, of count) { c.giveBack(of) })
}

func (t *Try) settle(ctx context.Context, change func(*Counter, count)) error {
	if t.settled.Swap(true) {
		return nil
	}
	err := t.update(ctx, change)
	if err == nil {
		t.guard.open.leave(t.shown, true)
		return nil
	}
	if !t.guard.late.enter() {
		t.guard.open.leave(t.shown, false)
		return err
	}
	go func() {
		defer t.guard.late.leave()
		t.guard.open.leave(t.shown, t.settleLate(context.WithoutCancel(ctx), change))
	}()
	return err
}

func (t *Try) update(ctx context.Context, change func(*Counter, count)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return t.guard.Store.Update(ctx, t.keys, func(counters []Counter) error {
		for i := range counters {
			if t.counts[i].taken {
				change(&counters[i], t.counts[i])
			}
		}
		return nil
	})
}

const (
	lateTries = 1000             // the maximum of tries being settled late
	latest    = 10 * time.Minute // after the first attempt to settle
	latePause = time.Second
)

// settleLate settles a try after the store has failed to, and tries again until the store works. It reports
// whether it succeeded within the time allowed.
func (t *Try) settleLate(ctx context.Context, change func(*Counter, count)) bool {
	for began := time.Now(); time.Since(began) < latest; {
		time.Sleep(latePause)
		if t.update(ctx, change) == nil {
			return true
		}
	}
	return false
}

// late is the number of tries being settled late.
type late struct{ tries atomic.Int64 }

func (l *late) enter() bool {
	if l.tries.Add(1) <= lateTries {
		return true
	}
	l.tries.Add(-1)
	return false
}

func (l *late) leave() { l.tries.Add(-1) }
