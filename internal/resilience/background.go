package resilience

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"
)

const (
	// FlushEvery is the default time between two batches.
	FlushEvery = 5 * time.Second
	// BackgroundTimeout limits a call of a store that no request waits for.
	BackgroundTimeout = 5 * time.Second

	// The first purge waits for a random time between these, so that a program is ready before, and programs that start together don't
	// purge together.
	purgeFirst  = time.Second
	purgeLatest = 5 * time.Second

	purgeEvery = time.Minute
	purgeBatch = 200
	purgeMost  = 5000
	purgePause = 10 * time.Millisecond // at least
	// purgeTakes is how long a batch should take at most: other writes may wait for it.
	purgeTakes = 20 * time.Millisecond
)

// Background is the work with one store that no request waits for: batched writes, and purging of expired rows. The goroutine that
// calls Run does all of it.
type Background struct {
	// Flush writes a batch. It is called once in every Every; 0: FlushEvery.
	Flush func(context.Context)
	Every time.Duration
	// Purge removes at most limit expired rows, and returns how many it has removed. The first limit is Batch; 0: 200. While
	// more rows wait, batches that are quick grow to Most rows, and those that take over 20 ms shrink to Batch.
	Purge func(ctx context.Context, limit int) (int, error)
	Batch int
	Most  int // 0: 5000
	// Failed is called with the error of a purge. The next purge is tried nevertheless.
	Failed func(context.Context, error)
}

// Run flushes and purges until ctx ends.
func (b Background) Run(ctx context.Context) {
	flush, purge := time.NewTicker(cmp.Or(b.Every, FlushEvery)), time.NewTimer(purgeFirst+rand.N(purgeLatest-purgeFirst))
	defer flush.Stop()
	defer purge.Stop()
	limit := cmp.Or(b.Batch, purgeBatch)
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			b.Flush(ctx)
		case <-purge.C:
			var pause time.Duration
			limit, pause = b.purge(ctx, limit)
			purge.Reset(pause)
		}
	}
}

// purge removes a batch, and returns the limit of the next one and the pause before it. It rests for half as long as it has worked, so
// that other writes get through.
func (b Background) purge(ctx context.Context, limit int) (next int, pause time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, BackgroundTimeout)
	defer cancel()
	least := cmp.Or(b.Batch, purgeBatch)
	began := time.Now()
	n, err := b.Purge(bounded, limit)
	took := time.Since(began)
	if err != nil && ctx.Err() == nil {
		b.Failed(ctx, err)
	}
	switch {
	case err != nil || n < limit:
		return least, purgeEvery
	case took > purgeTakes:
		limit = max(limit/2, least)
	case took < purgeTakes/2:
		limit = max(min(2*limit, cmp.Or(b.Most, purgeMost)), least)
	}
	return limit, max(took/2, purgePause)
}
