// Package reconnect paces the attempts to connect to a server that is away.
package reconnect

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// firstPause and LongestPause bound the pause between two probes of a server that is away.
	firstPause   = 10 * time.Millisecond
	LongestPause = 250 * time.Millisecond
	// unasked is how long probes go on although no caller wants a connection.
	unasked = time.Second
)

// Gate stands before a server. While the server is there, callers connect as they like. From the first attempt that fails
// until the next one that succeeds, callers get its error at once, and one probe at a time tries whether the server is
// back. So an outage costs the server a few attempts a second, however many callers there are, and costs no caller any
// time; and all callers are served again from the first success on.
//
// A Gate is safe for concurrent use. It runs nothing while the server is there, and nothing after a second in which no
// caller wanted a connection: the next caller then tries by itself.
type Gate struct {
	// Probe connects to the server, leaves it again, and returns an error if that is impossible. It must end by itself.
	Probe func(ctx context.Context) error

	mu      sync.Mutex
	away    error     // why the server can't be reached; nil: it can
	asked   time.Time // when a caller was turned away last
	era     int       // grows with each success
	probing bool
}

// Do runs an attempt to connect, or returns the error of an earlier one if the server is away.
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

// Away returns the error that callers get at once; nil: they may connect.
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

// note learns from an attempt that began in an era. A failure says nothing if others have succeeded since it began.
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

// probe tries until the server is back or no caller wants it any more.
func (g *Gate) probe() {
	for pause := firstPause; ; pause = min(2*pause, LongestPause) {
		time.Sleep(pause)
		if !g.wanted() {
			return
		}
		if g.learn(g.Probe(context.Background())) {
			return
		}
	}
}

// learn notes what a probe has found, and reports whether that was the last one.
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

// wanted reports whether there is something to probe for, and ends the probes if there isn't.
func (g *Gate) wanted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.away != nil && time.Since(g.asked) < unasked {
		return true
	}
	g.away, g.probing = nil, false
	return false
}

// Connect makes a connection behind a Gate. The attempt doesn't end with its caller: what it learns is of use to the next
// one. It must end by itself.
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
