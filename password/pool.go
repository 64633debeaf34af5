package password

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
	"golang.org/x/sync/semaphore"
)

// pool bounds what is computed at a time, and who waits for it.
type pool struct {
	once     sync.Once
	workers  int64
	room     *semaphore.Weighted // in units of a current hash's memory; first come, first served
	waiting  atomic.Int64
	running  atomic.Int64
	admitted atomic.Int64
	pace     atomic.Int64 // nanoseconds that a hash takes of late
	spent    atomic.Int64 // the cost of all that was computed
	process  *assistant.Process
}

const (
	defaultWait = 500 * time.Millisecond
	firstPace   = 30 * time.Millisecond
	retryAfter  = 2 * time.Second
)

// Admit lets a check of a password in, or refuses it with *[BusyError] before it costs anything: what a check needs besides
// the hash, such as counting it, is then spared for those that would be refused in the end. The caller calls release once,
// when the check is through.
func (h *Hasher) Admit() (release func(), err error) {
	p := h.started()
	if h.tooLong(p.admitted.Add(1) - 1 - p.workers) {
		p.admitted.Add(-1)
		return nil, &BusyError{RetryAfter: retryAfter}
	}
	return func() { p.admitted.Add(-1) }, nil
}

// Load is how busy a [Hasher] is.
type Load struct {
	Workers int // how many hashes are computed at a time
	Running int
	Waiting int // for their turn
}

// Load returns how busy the Hasher is at this moment.
func (h *Hasher) Load() Load {
	p := h.started()
	return Load{Workers: int(p.workers), Running: int(p.running.Load()), Waiting: int(p.waiting.Load())}
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
		if len(h.Program) > 0 {
			p.process = &assistant.Process{Program: h.Program}
		}
	})
	return p
}

func (h *Hasher) wait() time.Duration {
	if h.Wait == 0 {
		return defaultWait
	}
	return h.Wait
}

// tooLong reports whether a turn after so many others won't come within the wait, going by what hashes have taken of late.
// Nobody waits for nobody: however slow the last hashes were, somebody is let in to be measured.
func (h *Hasher) tooLong(ahead int64) bool {
	return ahead*h.pool.pace.Load() > int64(h.wait())*h.pool.workers
}

// run waits until there is as much room as weight says, and then has the question answered, which nothing interrupts.
func (h *Hasher) run(ctx context.Context, weight int64, compute func() error) error {
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
