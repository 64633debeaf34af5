package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/session"
)

// size is the cost of a check with a number of sessions in the cache.
type size struct {
	sessions    int
	nanoseconds float64
	bytes       float64 // of memory per session
	allocations float64 // per check
}

// liveSessions measures a check from the cache, each of a random session.
func (b *bench) liveSessions(ctx context.Context) error {
	counts := []int{10_000, 100_000, 1_000_000, 10_000_000}
	if b.plan.quick {
		counts = []int{10_000, 100_000}
	}
	caches := make([]*endlessCache, len(counts))
	var warming errgroup.Group
	for i := range caches {
		warming.Go(func() (err error) {
			caches[i], err = newEndlessCache(ctx)
			return err
		})
	}
	if err := warming.Wait(); err != nil {
		return err
	}
	for i, n := range counts {
		s, err := caches[i].remember(ctx, n)
		caches[i] = nil // frees its memory
		if err != nil {
			b.miss(fmt.Sprintf("a check among %d sessions", n), err)
			continue
		}
		b.sizes = append(b.sizes, s)
		first := b.sizes[0]
		b.add(fmt.Sprintf("check/%d-sessions", n), s.nanoseconds, "ns", fmt.Sprintf("%d-sessions", first.sessions), s.nanoseconds/first.nanoseconds)
		b.add(fmt.Sprintf("allocations/%d-sessions", n), s.allocations, "per check", "", 0)
		b.add(fmt.Sprintf("memory/%d-sessions", n), s.bytes, "bytes/session", "", 0)
	}
	return nil
}

// endless is a store that makes up every session that is loaded.
type endless struct {
	session.Store
	asked *atomic.Int64
}

func numbered(n int) (id session.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)*0x9E3779B97F4A7C15) // spread, as hashes are
	binary.BigEndian.PutUint64(id[:], uint64(n)*0xC2B2AE3D27D4EB4F)
	binary.BigEndian.PutUint64(id[16:], uint64(n))
	return id
}

func (a endless) Load(_ context.Context, id session.ID) (*session.Record, error) {
	a.asked.Add(1)
	n := int(binary.BigEndian.Uint64(id[16:]))
	return &session.Record{
		ID: id, PublicID: fmt.Sprintf("%016x", n), User: strconv.Itoa(n), Epoch: "ABCDEFGHIJKLMNOP", Method: session.Intern("password"), Created: 1, Seen: 1,
		Idle: 1 << 30, Deadline: 1 << 40, Expires: 1 << 40, IP: "198.51.100.7", Version: "QRSTUVWXYZ234567",
		Agent: session.Intern("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
	}, nil
}

// errForgotten says that filling the cache took longer than the minute after which it forgets a session.
var errForgotten = errors.New("the cache forgot sessions before all were in it: the machine is too slow, or busy")

// endlessCache is a cache of an endless store.
type endlessCache struct {
	view  session.CheckLoader
	store endless
	stop  context.CancelFunc
}

// newEndlessCache returns a cache that serves from memory, which takes it some seconds.
func newEndlessCache(ctx context.Context) (*endlessCache, error) {
	run, stop := context.WithCancel(ctx)
	cache := nearcache.New(nearcache.Config{Feed: feed.NewLocal(), MaxBytes: 64 << 30})
	store := endless{asked: new(atomic.Int64)}
	c := &endlessCache{cache.Sessions(store).(session.CheckLoader), store, stop}
	go cache.Run(run)
	if err := warm(ctx, c.view); err != nil {
		stop()
		return nil, err
	}
	return c, nil
}

// remember fills the cache with n sessions, measures checks of them, and stops the cache. The collector runs rarely while the
// cache is filled, which has to take less than the minute after which it forgets a session, and not at all during the checks.
func (c *endlessCache) remember(ctx context.Context, n int) (size, error) {
	defer c.stop()
	before, view, store := heap(), c.view, c.store
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for i := range n {
		if i%1024 == 0 && ctx.Err() != nil {
			return size{}, ctx.Err()
		}
		if _, err := view.LoadCached(ctx, numbered(i), 2); err != nil {
			return size{}, err
		}
	}
	runtime.GC()
	debug.SetGCPercent(-1)
	s := size{sessions: n}
	err := s.look(ctx, view, store.asked)
	s.bytes = float64(heap()-before) / float64(n)
	runtime.KeepAlive(view)
	return s, err
}

// look measures checks in rounds. The fastest round counts, since other load only slows a round down. A round in which the
// cache asked the store doesn't count.
func (s *size) look(ctx context.Context, view session.CheckLoader, store *atomic.Int64) error {
	const rounds = 8
	best := time.Duration(1 << 62)
	asked := make([]session.ID, 1<<16)
	for range rounds {
		for i := range asked { // chosen before the clock starts
			asked[i] = numbered(rand.IntN(s.sessions))
		}
		loads, allocated, began := store.Load(), mallocs(), time.Now()
		for _, id := range asked {
			if _, err := view.LoadCached(ctx, id, 2); err != nil {
				return err
			}
		}
		took := time.Since(began)
		if took < best && store.Load() == loads {
			best = took
			s.nanoseconds = float64(took) / float64(len(asked))
			s.allocations = math.Floor(float64(mallocs()-allocated) / float64(len(asked))) // rounded down, since other goroutines allocate too
		}
	}
	if s.nanoseconds == 0 {
		return errForgotten
	}
	return nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// warm waits until the cache serves from memory.
func warm(ctx context.Context, view session.CheckLoader) error {
	id := numbered(-1)
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		first, err := view.LoadCached(ctx, id, 2)
		if err != nil {
			return err
		}
		if second, err := view.LoadCached(ctx, id, 2); err == nil && first == second {
			return nil
		}
	}
	return errors.New("the cache remembers nothing")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
