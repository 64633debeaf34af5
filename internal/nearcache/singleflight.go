package nearcache

import (
	"context"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// flights are the reads of the store in progress. Callers that miss the same entry at the same time share one.
type flights struct {
	mu  sync.Mutex
	all map[fence.Sum]*flight
}

type flight struct {
	done chan struct{}
	err  error // of the store; nil if it concerns only the caller that ran
}

// share runs do, or waits for another call that runs it for the same sum, and reports whether it ran do itself. A caller that
// waited must look into the cache again: what the other call read may be older than its own call.
func (f *flights) share(ctx context.Context, s fence.Sum, do func() error) (ran bool, err error) {
	f.mu.Lock()
	if other := f.all[s]; other != nil {
		f.mu.Unlock()
		select {
		case <-other.done:
			return false, other.err
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if f.all == nil {
		f.all = map[fence.Sum]*flight{}
	}
	mine := &flight{done: make(chan struct{})}
	f.all[s] = mine
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.all, s)
		f.mu.Unlock()
		close(mine.done)
	}()
	err = do()
	if err != nil && ctx.Err() == nil { // a timeout of the store's own concerns all callers
		mine.err = err
	}
	return true, err
}
