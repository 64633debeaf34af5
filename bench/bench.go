package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
)

// result is one figure, and its comparison with another's.
type result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Versus string  `json:"versus"` // what it is compared with; "": nothing
	Ratio  float64 `json:"ratio"`  // this one's value divided by the other's; 0: not compared

	// Spread is the range of the middle half of the rounds' ratios; none if the ratio isn't one of rounds.
	Spread []float64 `json:"spread,omitempty"`
}

// bench is one run: the servers that it started, and its results.
type bench struct {
	plan    plan
	end     time.Time // of a quick run; zero: none
	until   time.Time // when a quick run should begin the next measurement; zero: never
	say     func(format string, args ...any)
	dir     string
	postgre *pgserver.Server
	redis   *redisserver.Server
	peers   []*child
	header  http.Header // that every contender writes, as body
	body    []byte
	results []result
	missing []string // what wasn't measured, and why
	wide    int      // number of servers that beginWide has started

	frontRounds   int // rounds of the gateways
	againstRounds int // rounds of both commands, of the measurement with the fewest
	againstRedis  int // the database of Redis that was used last

	early    []*cluster // for the sign-outs of a quick run, started before /api/me is measured
	earlyErr error

	samples map[string][]sample // of /api/me, one per round
	delays  []delay             // of sign-outs
	sizes   []size              // the cost of a check by number of live sessions
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
	both.Go(func() { b.postgre, noPostgres = pgserver.New(ctx, "max_connections=500") })
	both.Wait()
	if noRedis != nil {
		b.miss("everything on Redis", noRedis)
	}
	if noPostgres != nil {
		b.miss("everything on PostgreSQL", noPostgres)
	}
	return b, nil
}

// sub creates a directory within that of the run.
func (b *bench) sub(name string) string {
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		panic(err) // the parent was created by newBench
	}
	return path
}

// miss notes that something has no figure, and why. After the end of a quick run every error means the same: there was no time.
func (b *bench) miss(what string, why error) {
	if b.late() {
		why = errNoTime
	}
	b.missing = append(b.missing, fmt.Sprintf("%s: %v", what, why))
	b.say("not measured: %s: %v", what, why)
}

// late reports whether the time of a quick run is over. What still runs then is killed, and fails with any error.
func (b *bench) late() bool { return !b.end.IsZero() && time.Now().After(b.end) }

// more reports whether to repeat a measurement that was made n times and is planned max times. The first repetition is
// always made; the others only within the share of time that a quick run has for this measurement.
func (b *bench) more(n, max int) bool {
	return n < max && (n == 0 || b.until.IsZero() || time.Now().Before(b.until))
}

// within shortens d to a part of the time that is left for this measurement in a quick run, but not below least.
func (b *bench) within(d, least time.Duration) time.Duration {
	if b.until.IsZero() {
		return d
	}
	return min(d, max(least, time.Until(b.until)/3))
}

func (b *bench) close() {
	for _, c := range b.early {
		c.stop()
	}
	for _, c := range b.peers {
		c.stop()
	}
	if b.redis != nil {
		b.redis.Kill()
	}
	if b.postgre != nil {
		_ = b.postgre.Close() // it ends with this process anyway
	}
	os.RemoveAll(b.dir)
}

func (b *bench) measure(ctx context.Context) error {
	side := b.wanted("/api/me of all")
	if side {
		if err := b.sideBySide(ctx); err != nil {
			return err
		}
	}
	sections := b.sections()
	for i, section := range sections {
		if b.late() {
			b.miss(section.name, errNoTime)
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if b.plan.quick {
			b.until = time.Now().Add(time.Until(b.end) / time.Duration(len(sections)-i))
		}
		b.say("measuring %s", section.name)
		if err := section.do(ctx); err != nil {
			b.miss(section.name, err)
		}
	}
	if side {
		return b.finish(ctx)
	}
	return nil
}

// section is one measurement of several rows.
type section struct {
	name string
	do   func(context.Context) error
}

// sections returns what is measured after /api/me. The costliest stand last, so that a quick run on a busy machine leaves
// out the fewest.
func (b *bench) sections() (all []section) {
	for _, s := range []section{
		{"sign-outs", b.signOuts}, {"start-up", b.startUp}, {"gateways", b.gateway}, {"sign-ins", b.signIns},
		{"/api/me under a flood of sign-ins", b.flood}, {"live sessions", b.liveSessions}, {"mail", b.mailing}, {"events", b.events},
		{"provider tokens", b.providerTokens}, {"crowds", b.crowds}, {"purge", b.purge},
	} {
		switch {
		case !b.wanted(s.name):
		case b.plan.quick && slices.Contains([]string{"purge", "crowds", "mail", "events", "provider tokens"}, s.name):
			b.miss(s.name, errQuick)
		default:
			all = append(all, s)
		}
	}
	return all
}

func (b *bench) wanted(name string) bool { return strings.Contains(name, b.plan.only) }

// sideBySide starts all contenders and measures /api/me of each. A quick run makes its first rounds here, and the rest in
// finish, in the time that the other measurements leave.
func (b *bench) sideBySide(ctx context.Context) error {
	began := time.Now()
	if err := b.startAll(ctx); err != nil {
		return err
	}
	d := b.plan.rounds
	if b.plan.quick {
		d = quickRounds
		if b.wanted("sign-outs") {
			b.early, b.earlyErr = b.clusters(ctx, quickNodes, quickSignOuts)
		}
	}
	b.say("%d servers are ready after %.1f s; measuring /api/me for %.0f s", len(b.peers), time.Since(began).Seconds(), d.Seconds())
	for _, c := range b.peers {
		if _, err := c.burst(ctx, warmUp(b.plan)); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return b.rounds(ctx, d)
}

// finish makes the other rounds of a quick run, and compares the contenders.
func (b *bench) finish(ctx context.Context) error {
	if d := min(time.Until(b.end), b.plan.rounds-quickRounds); b.plan.quick && d > 0 {
		b.say("measuring /api/me for %.0f s more", d.Seconds())
		if err := b.rounds(ctx, d); err != nil && !b.late() {
			return err
		}
	}
	b.compare()
	return nil
}

const (
	// quickEnd is how long a quick run measures. Then it kills what still runs, and prints what it has.
	quickEnd = 46 * time.Second
	// quickRounds is how long the first rounds of a quick run take.
	quickRounds = 2 * time.Second
)

// warmUp is how long a contender is asked before it is measured.
func warmUp(p plan) time.Duration {
	if p.quick {
		return p.burst / 2
	}
	return 2 * p.burst
}

var errNoTime = errors.New("no time was left of the 50 seconds, since this machine is busy or slow")

var errQuick = errors.New("left out with --quick")

// startAll starts the contenders for /api/me. The first determines what all others write.
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

// rounds measures every contender in each round, in changing order, for about d. A round that fails, or that the end of a
// quick run interrupts, doesn't count.
func (b *bench) rounds(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		round := map[string]sample{}
		for _, i := range rand.Perm(len(b.peers)) {
			c := b.peers[i]
			s, err := c.burst(ctx, b.plan.burst)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			round[c.name] = s
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for name, s := range round {
			b.samples[name] = append(b.samples[name], s)
		}
	}
	return nil
}
