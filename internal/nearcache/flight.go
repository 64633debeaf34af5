package nearcache

import (
	"context"
	"errors"
	"sync"
)

// flights are the looks at the store that are under way, so that checks that miss together look once.
type flights struct {
	mu  sync.Mutex
	all map[sum]*flight
}

type flight struct {
	done chan struct{}
	err  error // of the store, if others may have it too
}

// share runs do, or waits for another that runs it for the same sum, and reports whether it ran itself. Who has waited
// must look into the memory as if it came just now: what the other has read may be older than what the waiting one asked.
func (f *flights) share(ctx context.Context, s sum, do func() error) (ran bool, err error) {
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
		f.all = map[sum]*flight{}
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
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		mine.err = err
	}
	return true, err
}

// miss asks the store. Where the memory may be believed, checks that miss together ask once, and those who waited look
// into the memory again.
func miss[R any](ctx context.Context, live bool, f *flights, s sum, absent error, again, load func() (*R, error)) (*R, error) {
	if !live {
		return load()
	}
	var r *R
	var err error
	ran, outage := f.share(ctx, s, func() error {
		if r, err = load(); errors.Is(err, absent) {
			return nil
		}
		return err
	})
	if ran {
		return r, err
	}
	if r, err = again(); r != nil || err != nil {
		return r, err
	}
	if outage != nil {
		return nil, outage
	}
	return load()
}
