package resilience

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// backlog is a store with expired rows, each of which takes some time to remove.
type backlog struct {
	mu      sync.Mutex // held but while it works
	rows    int
	each    time.Duration
	fail    error
	slow    time.Duration // after the first purge: from then on a row takes a millisecond; 0: never
	limits  []int
	working time.Duration
	began   time.Time // the first purge
}

func (b *backlog) purge(_ context.Context, limit int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limits = append(b.limits, limit); len(b.limits) == 1 {
		b.began = time.Now()
	}
	if b.fail != nil {
		return 0, b.fail
	}
	if b.slow > 0 && time.Since(b.began) > b.slow {
		b.each = time.Millisecond
	}
	n := min(limit, b.rows)
	b.rows -= n
	works := time.Duration(n) * b.each
	b.working += works
	b.mu.Unlock()
	time.Sleep(works)
	b.mu.Lock()
	return n, nil
}

func (b *backlog) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows
}

// set changes what purge returns.
func (b *backlog) set(fail error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// work runs until the rows are gone, and returns how long that took.
func (b *backlog) work(t *testing.T, batch int) (took time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Background{Flush: func(context.Context) {}, Purge: b.purge, Batch: batch, Failed: func(context.Context, error) {}}.Run(ctx)
	}()
	for b.left() > 0 {
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	took = time.Since(b.began)
	stop()
	<-done
	return took
}

// TestABacklogIsPurgedInBatchesThatGrow: rows that take 12 µs each go at over 40,000 a second, and other writes get a third of the
// time.
func TestABacklogIsPurgedInBatchesThatGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backlog{rows: 1_000_000, each: 12 * time.Microsecond}
		took := b.work(t, 0)
		if rate := 1_000_000 / took.Seconds(); rate < 40_000 {
			t.Errorf("%.0f rows a second", rate)
		}
		if share := b.working.Seconds() / took.Seconds(); share > 0.67 {
			t.Errorf("purging took %.2f of the time", share)
		}
		if most := slices.Max(b.limits); most < 800 {
			t.Errorf("batches of up to %d rows", most)
		}
		for _, limit := range b.limits {
			if took := time.Duration(limit) * b.each; took > 2*purgeTakes {
				t.Fatalf("a batch of %d rows takes %v", limit, took)
			}
		}
	})
}

// TestSlowBatchesShrink: once rows take long, batches become small again, and no smaller than at first.
func TestSlowBatchesShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backlog{rows: 100_000, each: 3 * time.Microsecond, slow: 100 * time.Millisecond}
		b.work(t, 100)
		if most, last := slices.Max(b.limits), b.limits[len(b.limits)-2]; most < 1000 || last != 100 {
			t.Errorf("batches of up to %d rows, in the end %d", most, last)
		}
	})
}

// TestAPurgeThatFailsWaits for a minute, and begins with a small batch. So does the first one, for some seconds.
func TestAPurgeThatFailsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b := &backlog{rows: 100_000, each: time.Microsecond}
		var failed atomic.Int32
		began := time.Now()
		go Background{Flush: func(context.Context) {}, Purge: b.purge, Failed: func(context.Context, error) { failed.Add(1) }}.Run(ctx)
		time.Sleep(purgeFirst - time.Millisecond)
		synctest.Wait()
		if len(b.limits) > 0 {
			t.Error("the start of the program is a purge")
		}
		for len(b.limits) == 0 { // until the end of the test's time, if there is none
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if waited := time.Since(began); waited > purgeLatest {
			t.Errorf("the first purge was after %v", waited)
		}
		b.set(errors.New("away"))
		time.Sleep(time.Second)
		synctest.Wait()
		tried := len(b.limits)
		b.set(nil)
		time.Sleep(purgeEvery)
		synctest.Wait()
		if n := failed.Load(); n != 1 || b.limits[tried] != purgeBatch {
			t.Errorf("%d failures, then a batch of %v", n, b.limits[tried])
		}
	})
}
