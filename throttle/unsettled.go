package throttle

import (
	"context"
	"slices"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// openTries tracks the unsettled tries of this process by the keys of their counters, and lets others wait for them. The
// zero value is ready.
type openTries struct {
	mu    sync.Mutex
	byKey map[string]*openKey
}

type openKey struct {
	tries    int    // unsettled, or about to be reserved
	returned uint64 // how many have been given back
	waiters  []*waiter
}

// waiter waits for the tries of one key.
type waiter struct {
	seen uint64    // the value of returned before this one was refused
	wake chan bool // true: try again, and leave the key afterwards; false: waiting is useless
}

// enter adds a try that is about to be reserved, and returns for each key how many were given back before.
func (o *openTries) enter(keys []string) (seen []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey == nil {
		o.byKey = map[string]*openKey{}
	}
	seen = make([]uint64, len(keys))
	for i, key := range keys {
		k := o.byKey[key]
		if k == nil {
			k = &openKey{}
			o.byKey[key] = k
		}
		k.tries++
		seen[i] = k.returned
	}
	return seen
}

// leave removes a try that was settled or refused. returned says that it no longer counts.
func (o *openTries) leave(keys []string, returned bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left(keys, returned)
}

func (o *openTries) left(keys []string, returned bool) {
	for _, key := range keys {
		k := o.byKey[key]
		k.leave(returned)
		if k.tries == 0 {
			delete(o.byKey, key)
		}
	}
}

// leave wakes one waiter for each try that is given back. When no unsettled try is left, it wakes the next waiter that
// hasn't tried since one was given back, and refuses those for which nothing has changed. So waiters don't ask the store in
// vain more often than others succeed.
func (k *openKey) leave(returned bool) {
	k.tries--
	if returned {
		k.returned++
	}
	for len(k.waiters) > 0 && (returned || k.tries == 0) {
		w := k.waiters[0]
		k.waiters = k.waiters[1:]
		again := w.seen != k.returned
		w.wake <- again
		if again {
			k.tries++ // for the waiter, until it has called enter
			return
		}
	}
}

// wait removes a try that was refused by the counters with the keys full, and waits until another attempt may have another
// result. again is false if the limits are reached without unsettled tries. If held isn't empty, the caller leaves that key
// after its next enter. The waiting doesn't count against the time limit of ctx: the other tries hash passwords meanwhile.
func (o *openTries) wait(ctx context.Context, keys []string, seen []uint64, full []string) (again bool, held string, err error) {
	w, key, again := o.queue(keys, seen, full)
	if w == nil {
		return again, "", nil
	}
	defer resilience.PauseLimit(ctx)()
	select {
	case again = <-w.wake:
	case <-ctx.Done():
		again, err = o.giveUp(w, key), ctx.Err()
	}
	if again && err != nil {
		o.leave([]string{key}, false)
		return false, "", err
	}
	if !again {
		key = ""
	}
	return again, key, err
}

// queue removes a refused try and queues it for one of the keys, unless it is already clear whether to try again.
func (o *openTries) queue(keys []string, seen []uint64, full []string) (w *waiter, on string, again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.left(keys, false)
	again = true
	for i, key := range keys {
		k := o.byKey[key]
		switch {
		case !slices.Contains(full, key) || k.returned != seen[i]:
		case k.tries == 1: // the refused try itself
			return nil, "", false
		case w == nil:
			w, on = &waiter{seen: seen[i], wake: make(chan bool, 1)}, key
		}
	}
	if w != nil {
		k := o.byKey[on]
		k.waiters = append(k.waiters, w)
	}
	return w, on, again
}

// giveUp removes a waiter from the queue. It reports whether the waiter had been woken to try again.
func (o *openTries) giveUp(w *waiter, key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case again := <-w.wake:
		return again
	default:
	}
	k := o.byKey[key]
	k.waiters = slices.DeleteFunc(k.waiters, func(other *waiter) bool { return other == w })
	return false
}
