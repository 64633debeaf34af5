package password

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// pool limits the hashes that are computed at the same time and the callers that wait for one.
type pool struct {
	once     sync.Once
	workers  int64
	room     *semaphore.Weighted // in units of the memory of a current hash; first come, first served
	waiting  atomic.Int64
	running  atomic.Int64
	admitted atomic.Int64
	pace     atomic.Int64 // moving average of a hash's duration, in nanoseconds
	spent    atomic.Int64 // total cost of all hashes computed
}

const (
	defaultWait = 10 * time.Second
	firstPace   = 30 * time.Millisecond
	retryAfter  = 2 * time.Second
)

// Admit reserves room for one check of a password, or returns *[BusyError] if the queue is too long. Call it before the
// check does anything else that costs, such as a write to the throttle. Call release once, when the check is done.
func (h *Hasher) Admit() (release func(), err error) {
	p := h.started()
	if h.tooLong(p.admitted.Add(1) - 1 - p.workers) {
		p.admitted.Add(-1)
		return nil, &BusyError{RetryAfter: retryAfter}
	}
	return func() { p.admitted.Add(-1) }, nil
}

// Stats is the current load of a [Hasher].
type Stats struct {
	Workers int // the maximum of hashes computed at the same time
	Running int
	Waiting int // callers waiting for their turn

	// Work is the cost of all hashes computed so far; one that Hash makes costs 1.
	Work float64
}

// Stats returns the current load of the Hasher.
func (h *Hasher) Stats() Stats {
	p := h.started()
	return Stats{
		Workers: int(p.workers), Running: int(p.running.Load()), Waiting: int(p.waiting.Load()),
		Work: float64(p.spent.Load()) / float64(current.cost()),
	}
}

func (h *Hasher) started() *pool {
	p := &h.pool
	p.once.Do(func() {
		p.workers = int64(h.Workers)
		if h.Workers <= 0 {
			p.workers = int64(max(1, runtime.GOMAXPROCS(0)-1))
		}
		p.room = semaphore.NewWeighted(p.workers)
		p.pace.Store(int64(firstPace))
	})
	return p
}

func (h *Hasher) wait() time.Duration {
	if h.Wait == 0 {
		return defaultWait
	}
	return h.Wait
}

// tooLong reports whether a caller with this many ahead of it would wait too long, estimated from the recent duration of
// hashes. If the pool is idle it is false, however slow the last hashes were.
func (h *Hasher) tooLong(ahead int64) bool {
	return ahead*h.pool.pace.Load() > int64(h.wait())*h.pool.workers
}

// run waits for room and then calls compute, which continues if ctx ends. Neither counts against the time limit of ctx.
func (h *Hasher) run(ctx context.Context, weight int64, compute func() error) error {
	defer resilience.PauseLimit(ctx)()
	p := h.started()
	weight = min(weight, p.workers)
	if err := h.enter(ctx, weight); err != nil {
		return err
	}
	defer p.room.Release(weight)
	p.running.Add(1)
	defer p.running.Add(-1)
	began := time.Now()
	if err := compute(); err != nil {
		return err
	}
	p.pace.Store((7*p.pace.Load() + int64(time.Since(began))) / 8)
	return nil
}

func (h *Hasher) enter(ctx context.Context, weight int64) error {
	p := &h.pool
	ahead := p.waiting.Add(1) - 1
	defer p.waiting.Add(-1)
	if h.tooLong(ahead) {
		return &BusyError{RetryAfter: retryAfter}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.room.TryAcquire(weight) {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, h.wait())
	defer cancel()
	if err := p.room.Acquire(waiting, weight); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &BusyError{RetryAfter: retryAfter}
	}
	return nil
}
