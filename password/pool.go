package password

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pool is who computes, and who waits for it.
type pool struct {
	once  sync.Once
	pace  atomic.Int64 // nanoseconds that a unit of room is taken for, of late
	spent atomic.Int64 // the cost of all that was computed

	mu    sync.Mutex
	room  int64 // in units of a current hash's memory
	free  int64 // how much of it isn't taken
	queue []*job

	admitted int64 // checks that have been let in and aren't through
}

type job struct {
	weight  int64 // how much room it takes
	compute func()
	done    chan struct{}
}

const (
	defaultWait = 500 * time.Millisecond
	firstPace   = 30 * time.Millisecond
	retryAfter  = 2 * time.Second
)

// Admit lets a check of a password in, or refuses it with *[BusyError], before it costs anything: what a check needs besides
// the hash, such as counting it, is then spared for those that would be refused in the end. Call release when the check is
// through.
func (h *Hasher) Admit() (release func(), err error) {
	p := &h.pool
	p.once.Do(func() { p.start(h.Workers) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if (p.admitted-p.room)*p.pace.Load() > int64(h.wait())*p.room {
		return nil, &BusyError{RetryAfter: retryAfter}
	}
	p.admitted++
	return func() {
		p.mu.Lock()
		p.admitted--
		p.mu.Unlock()
	}, nil
}

func (h *Hasher) wait() time.Duration {
	if h.Wait == 0 {
		return defaultWait
	}
	return h.Wait
}

func (p *pool) count(cost int64) { p.spent.Add(cost) }

// run waits until there is as much room as weight says, and then for compute to end, which nothing interrupts.
func (h *Hasher) run(ctx context.Context, weight int64, compute func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &h.pool
	p.once.Do(func() { p.start(h.Workers) })
	wait := h.wait()
	j := &job{min(weight, p.room), compute, make(chan struct{})}
	if !p.enter(j, wait) {
		return &BusyError{RetryAfter: retryAfter}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = &BusyError{RetryAfter: retryAfter}
	}
	if p.leave(j) {
		return err
	}
	<-j.done
	return nil
}

func (p *pool) start(workers int) {
	if workers <= 0 {
		workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	p.room, p.free = int64(workers), int64(workers)
	p.pace.Store(int64(firstPace))
}

// enter queues a job, or refuses it if its turn won't come within the wait, going by what hashes have taken of late.
func (p *pool) enter(j *job, wait time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int64(len(p.queue))*p.pace.Load() > int64(wait)*p.room {
		return false
	}
	p.queue = append(p.queue, j)
	for next := p.next(); next != nil; next = p.next() {
		go p.work(next)
	}
	return true
}

// leave takes a job off the queue; false if it isn't there any more.
func (p *pool) leave(j *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.queue, j)
	if i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
	return i >= 0
}

// next takes the first job off the queue if there is room for it.
func (p *pool) next() *job {
	if len(p.queue) == 0 || p.queue[0].weight > p.free {
		return nil
	}
	j := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	p.free -= j.weight
	return j
}

// work computes one job after the other until none waits.
func (p *pool) work(j *job) {
	for j != nil {
		began := time.Now()
		j.compute()
		p.pace.Store((7*p.pace.Load() + int64(time.Since(began))/j.weight) / 8)
		close(j.done)
		j = p.finish(j)
	}
}

// finish frees a job's room, and returns the next job for the same worker. Those for which there is room besides get
// workers of their own.
func (p *pool) finish(j *job) *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free += j.weight
	mine := p.next()
	for other := p.next(); other != nil; other = p.next() {
		go p.work(other)
	}
	return mine
}
