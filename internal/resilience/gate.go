package resilience

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// firstPause and LongestProbePause bound the pause between two probes of an unreachable server.
	firstPause        = 10 * time.Millisecond
	LongestProbePause = 250 * time.Millisecond
	// unasked is how long probes continue while no caller wants a connection.
	unasked = time.Second
)

// Gate limits connecting to a server. While the server is reachable, callers connect freely. From the first attempt that fails
// until the next one that succeeds, callers get its error at once, and one probe at a time tries to connect. So an outage costs
// the server a few attempts a second, however many callers there are, and no caller waits; after the first success all callers
// connect again.
//
// A Gate is safe for concurrent use. It runs nothing while the server is reachable, nor after a second in which no caller wanted
// a connection: the next caller then connects by itself.
type Gate struct {
	// Probe connects to the server and disconnects, or returns an error. It must have a timeout of its own.
	Probe func(ctx context.Context) error

	mu      sync.Mutex
	away    error     // why the server is unreachable; nil: it is reachable
	asked   time.Time // when a caller last got the error
	era     int       // incremented at each success
	probing bool
}

// Do calls an attempt to connect, or returns the error of an earlier one if the server is unreachable.
func (g *Gate) Do(attempt func() error) error {
	g.mu.Lock()
	err, era := g.turnAway(), g.era
	g.mu.Unlock()
	if err != nil {
		return err
	}
	err = attempt()
	g.note(err, era)
	return err
}

// Away returns the error that callers get at once, or nil if they may connect.
func (g *Gate) Away() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turnAway()
}

func (g *Gate) turnAway() error {
	if g.away != nil {
		g.asked = time.Now()
	}
	return g.away
}

// note records the result of an attempt that began in an era. A failure is ignored if another attempt has succeeded since.
func (g *Gate) note(err error, era int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil:
		g.away = nil
		g.era++
	case era == g.era:
		g.away, g.asked = err, time.Now()
		if !g.probing {
			g.probing = true
			go g.probe()
		}
	}
}

// probe tries until the server is reachable or no caller wants a connection.
func (g *Gate) probe() {
	for pause := firstPause; ; pause = min(2*pause, LongestProbePause) {
		time.Sleep(pause)
		if !g.wanted() {
			return
		}
		if g.learn(g.Probe(context.Background())) {
			return
		}
	}
}

// learn records the result of a probe, and reports whether it was the last one.
func (g *Gate) learn(err error) (last bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.away != nil {
		g.away = err
		return false
	}
	if err == nil {
		g.era++
	}
	g.away, g.probing = nil, false
	return true
}

// wanted reports whether probes should continue, and ends them if not.
func (g *Gate) wanted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.away != nil && time.Since(g.asked) < unasked {
		return true
	}
	g.away, g.probing = nil, false
	return false
}

// Connect makes a connection through a Gate. The attempt goes on after its caller's context ends, because later callers use its
// result. It must have a timeout of its own.
func Connect[C io.Closer](ctx context.Context, g *Gate, dial func(ctx context.Context) (C, error)) (none C, err error) {
	if err := ctx.Err(); err != nil {
		return none, err
	}
	made, failed := make(chan C, 1), make(chan error, 1)
	go func() {
		err := g.Do(func() error {
			c, err := dial(context.WithoutCancel(ctx))
			if err == nil {
				made <- c
			}
			return err
		})
		if err != nil {
			failed <- err
		}
	}()
	select {
	case c := <-made:
		return c, nil
	case err := <-failed:
		return none, err
	case <-ctx.Done():
		go func() {
			select {
			case c := <-made:
				c.Close()
			case <-failed:
			}
		}()
		return none, ctx.Err()
	}
}
