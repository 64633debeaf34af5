// Package housekeeping runs the work of a store that no request waits for: batched writes, and purging of expired rows.
package housekeeping

import (
	"cmp"
	"context"
	"time"
)

const (
	// FlushEvery is the default time between two batches.
	FlushEvery = 5 * time.Second
	// Timeout limits a call of a store that no request waits for.
	Timeout = 5 * time.Second

	purgeEvery = time.Minute
	purgeBatch = 200
	purgePause = 20 * time.Millisecond
)

// Work is the work of one store. The goroutine that calls Run does all of it.
type Work struct {
	// Flush writes a batch. It is called once in every Every; 0: FlushEvery.
	Flush func(context.Context)
	Every time.Duration
	// Purge removes at most limit expired rows, and returns how many it has removed. limit is Batch; 0: 200.
	Purge func(ctx context.Context, limit int) (int, error)
	Batch int
	// Failed is called with the error of a purge. The next purge is tried nevertheless.
	Failed func(context.Context, error)
}

// Run flushes and purges until ctx ends.
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

// purge removes a batch, and returns the pause before the next. Small batches with pauses don't block other writes for long.
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
