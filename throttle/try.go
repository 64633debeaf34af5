package throttle

import (
	"context"
	"sync/atomic"
	"time"
)

// Try is a reserved try. The first call of one of its methods settles it; any further call does nothing and returns nil,
// so that "defer t.Undo(ctx)" covers the ways out of a function that know no verdict. A Try that is never settled counts
// as a failed one, and others may wait for it. Its methods are safe for concurrent use.
//
// The methods carry on when ctx is cancelled, since a client must not be able to choose what is counted by hanging up,
// but for no longer than 5 seconds. If the store can't be reached they return its error, and the try stays counted until the
// store can be reached again: it is settled then, and until then others wait for it, so that an outage is never told as
// too many failures. After ten minutes, or when the process ends, it stays counted as failed.
type Try struct {
	guard   *Guard
	keys    []string
	counts  []count
	shown   []string // the keys of the counts that aren't silent
	seen    []uint64 // by shown: how many tries had been given back before this one was reserved
	full    []string // the keys of the counts that refused it
	barred  bool
	settled atomic.Bool
}

// Barred reports that the account had too many failures under its other names. The caller answers as if the secret were
// wrong, with the same work, and calls Failed, even if the secret is right.
func (t *Try) Barred() bool { return t.barred }

// Succeeded forgets the failures of the name and of the account, or of the known device if the try came from one, and
// gives the address its try back. Failures that other clients of the address have had stay.
func (t *Try) Succeeded(ctx context.Context) error {
	return t.settle(ctx, func(c *Counter, of count) {
		if of.limit == &spraying {
			c.giveBack(of)
		} else {
			*c = Counter{}
		}
	})
}

// Failed leaves the try counted. It needs no store, and its error is always nil.
func (t *Try) Failed(context.Context) error {
	if !t.settled.Swap(true) {
		t.guard.open.leave(t.shown, false)
	}
	return nil
}

// Undo gives the try back: the secret was not looked at, because the server was busy, the store was out, or the client
// had gone. It must not be called once the secret has been compared.
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
	lateTries = 1000             // that are settled late at the same time
	latest    = 10 * time.Minute // after their first time
	latePause = time.Second
)

// settleLate settles a try that the store has kept from being settled, once it can, and reports whether it could.
func (t *Try) settleLate(ctx context.Context, change func(*Counter, count)) bool {
	for began := time.Now(); time.Since(began) < latest; {
		time.Sleep(latePause)
		if t.update(ctx, change) == nil {
			return true
		}
	}
	return false
}

// late counts the tries that are settled late.
type late struct{ tries atomic.Int64 }

func (l *late) enter() bool {
	if l.tries.Add(1) <= lateTries {
		return true
	}
	l.tries.Add(-1)
	return false
}

func (l *late) leave() { l.tries.Add(-1) }
