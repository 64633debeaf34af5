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
// but for no longer than 5 seconds. If the store can't be reached they return its error, and the try stays counted.
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := t.guard.Store.Update(ctx, t.keys, func(counters []Counter) error {
		for i := range counters {
			if t.counts[i].taken {
				change(&counters[i], t.counts[i])
			}
		}
		return nil
	})
	t.guard.open.leave(t.shown, err == nil)
	return err
}
