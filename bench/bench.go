package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
)

// result is one figure, and what it is beside another's.
type result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Versus string  `json:"versus"` // whom it is compared with; "": nobody
	Ratio  float64 `json:"ratio"`  // this one's value divided by the other's; 0: not compared
}

// bench is one run: the servers that it started, and what it found.
type bench struct {
	plan    plan
	say     func(format string, args ...any)
	dir     string
	postgre *pgserver.Server
	redis   *redisserver.Server
	peers   []*child
	header  http.Header // what everybody writes
	body    []byte
	results []result
	missing []string // what wasn't measured, and why
	wide    int      // servers of their own so far

	frontRounds int // of the servers in front of an application

	samples map[string][]sample // of /api/me, a round each
	delays  []delay             // of sign-outs
	sizes   []size              // costs at numbers of live sessions
}

func newBench(ctx context.Context, p plan, say func(string, ...any)) (*bench, error) {
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{plan: p, say: say, dir: dir, samples: map[string][]sample{}}
	path := b.sub("redis")
	var noRedis, noPostgres error
	var both sync.WaitGroup
	both.Go(func() { b.redis, noRedis = redisserver.New(ctx, path) })
	both.Go(func() { b.postgre, noPostgres = pgserver.New(ctx) })
	both.Wait()
	if noRedis != nil {
		b.miss("everything on Redis", noRedis)
	}
	if noPostgres != nil {
		b.miss("everything on PostgreSQL", noPostgres)
	}
	return b, nil
}

// sub makes a directory of the run's.
func (b *bench) sub(name string) string {
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		panic(err) // in a directory that we have just made
	}
	return path
}

func (b *bench) miss(what string, why error) {
	b.missing = append(b.missing, fmt.Sprintf("%s: %v", what, why))
	b.say("not measured: %s: %v", what, why)
}

func (b *bench) close() {
	for _, c := range b.peers {
		c.stop()
	}
	if b.redis != nil {
		b.redis.Kill()
	}
	if b.postgre != nil {
		_ = b.postgre.Close() // it goes with this process anyway
	}
	os.RemoveAll(b.dir)
}

func (b *bench) measure(ctx context.Context) error {
	began := time.Now()
	if b.wanted("/api/me of all") {
		if err := b.sideBySide(ctx); err != nil {
			return err
		}
	}
	for _, more := range []struct {
		name  string
		do    func(context.Context) error
		takes time.Duration // with --quick, on a busy machine
	}{
		{"sign-outs", b.signOuts, 10 * time.Second}, {"live sessions", b.liveSessions, 6 * time.Second}, {"sign-ins", b.signIns, 4 * time.Second},
		{"/api/me under a flood of sign-ins", b.flood, 5 * time.Second}, {"start-up", b.startUp, 3 * time.Second}, {"gateways", b.gateway, 8 * time.Second},
		{"purge", b.purge, 0},
	} {
		if !b.wanted(more.name) {
			continue
		}
		if b.plan.quick && time.Since(began)+more.takes > quickEnd || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			b.miss(more.name, errNoTime)
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.say("measuring %s", more.name)
		if err := more.do(ctx); err != nil {
			b.miss(more.name, err)
		}
	}
	return nil
}

func (b *bench) wanted(name string) bool { return strings.Contains(name, b.plan.only) }

// sideBySide measures /api/me of all contenders.
func (b *bench) sideBySide(ctx context.Context) error {
	began := time.Now()
	if err := b.startAll(ctx); err != nil {
		return err
	}
	if b.plan.quick {
		b.plan.rounds = min(b.plan.rounds, max(6*time.Second, quickEnd-time.Since(began)-quickRest))
	}
	b.say("%d servers are ready after %.1f s; measuring /api/me for %.0f s", len(b.peers), time.Since(began).Seconds(), b.plan.rounds.Seconds())
	if err := b.rounds(ctx); err != nil {
		return err
	}
	b.compare()
	return nil
}

const (
	// quickEnd is when a quick run stops measuring, and quickRest what it keeps of that for what comes behind /api/me.
	quickEnd  = 47 * time.Second
	quickRest = 34 * time.Second
	// quickCut is when whatever still runs is broken off, on a machine that is too busy.
	quickCut = 48500 * time.Millisecond
)

var errNoTime = errors.New("no time was left of the 50 seconds")

var errQuick = errors.New("not with --quick")

// startAll starts the contenders for /api/me. The first tells what all others write.
func (b *bench) startAll(ctx context.Context) error {
	first, err := b.begin(ctx, contenders[0])
	if err == nil {
		b.peers = append(b.peers, first)
		err = b.bytes(first)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", contenders[0], err)
	}
	others := contenders[1:]
	started, failed := make([]*child, len(others)), make([]error, len(others))
	var all errgroup.Group
	all.SetLimit(4)
	for i, name := range others {
		all.Go(func() error {
			started[i], failed[i] = b.begin(ctx, name)
			return nil
		})
	}
	_ = all.Wait() // none fails
	for i, name := range others {
		if failed[i] != nil {
			b.miss(name, failed[i])
		} else {
			b.peers = append(b.peers, started[i])
		}
	}
	return nil
}

// begin starts a contender.
func (b *bench) begin(ctx context.Context, name string) (*child, error) {
	s, err := b.spec(ctx, name)
	if err != nil {
		return nil, err
	}
	return b.start(ctx, s)
}

// rounds measures everybody again and again, in changing order.
func (b *bench) rounds(ctx context.Context) error {
	for _, c := range b.peers {
		if _, err := c.burst(ctx, 2*b.plan.burst); err != nil { // everybody is warm
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for end := time.Now().Add(b.plan.rounds); time.Now().Before(end); {
		for _, i := range rand.Perm(len(b.peers)) {
			c := b.peers[i]
			s, err := c.burst(ctx, b.plan.burst)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			b.samples[c.name] = append(b.samples[c.name], s)
		}
	}
	return nil
}
