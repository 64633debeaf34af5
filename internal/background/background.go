// Package background does what is due beside requests: it has what was noted written in batches, and what is over removed.
package background

import (
	"cmp"
	"context"
	"time"
)

const (
	// FlushEvery is how long what was noted may wait for its batch.
	FlushEvery = 5 * time.Second
	// Timeout bounds a call of a store that no request waits for.
	Timeout = 5 * time.Second

	purgeEvery = time.Minute
	purgeBatch = 200
	purgePause = 20 * time.Millisecond
)

// Work is what is done, all of it by the one goroutine that calls Run.
type Work struct {
	// Flush writes what was noted, once in every Every; 0: FlushEvery.
	Flush func(context.Context)
	Every time.Duration
	// Purge removes what is over, no more than limit, which is Batch, and returns how many it has removed; 0: 200.
	Purge func(ctx context.Context, limit int) (int, error)
	Batch int
	// Failed is told why a purge failed. The next is tried nevertheless.
	Failed func(context.Context, error)
}

// Run works until ctx ends.
func (w Work) Run(ctx context.Context) {
	flush, purge := time.NewTicker(cmp.Or(w.Every, FlushEvery)), time.NewTimer(0)
	defer flush.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			w.Flush(ctx)
		case <-purge.C:
			purge.Reset(w.purge(ctx))
		}
	}
}

// purge removes a batch, and returns how long to wait before the next: a small batch and a pause hold nobody up.
func (w Work) purge(ctx context.Context) time.Duration {
	bounded, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	limit := cmp.Or(w.Batch, purgeBatch)
	n, err := w.Purge(bounded, limit)
	if err != nil && ctx.Err() == nil {
		w.Failed(ctx, err)
	}
	if err != nil || n < limit {
		return purgeEvery
	}
	return purgePause
}
