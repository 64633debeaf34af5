package nearcache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// hub is a server that passes messages to all of its listeners, one message after the other. Its clock is that of the test, and
// its costs are those of a PostgreSQL server with NOTIFY. It loses nothing.
type hub struct {
	mu        sync.Mutex
	listeners []chan delivery
	free      time.Time // when the server has passed on all that it has
	passed    int       // messages
	worked    time.Duration
	directly  int // datagrams
	dice      *rand.Rand
	places    map[string]*doorway
}

type delivery struct {
	message string
	at      time.Time
}

// perMessage and perListener are what a message costs the server. PostgreSQL 15 passed on 15,300 messages a second to 3
// listeners, 7,300 to 10 and 4,300 to 30.
const (
	perMessage  = 48 * time.Microsecond
	perListener = 6200 * time.Nanosecond
	// travels is the median time between a node and the server, one way. Half of all drawn times are within 0.7 and 1.5 times that.
	travels = 60 * time.Microsecond
	// reads is what a datagram costs its receiver: the kernel, the check of its sender, and the fence.
	reads = 6 * time.Microsecond
	// lost is which share of datagrams is lost.
	lost = 1e-4
	// writes is the median time of a write.
	writes = 200 * time.Microsecond
)

// draw returns a time with this median. The caller holds mu.
func (h *hub) draw(median time.Duration) time.Duration {
	return time.Duration(float64(median) * math.Exp(0.55*h.dice.NormFloat64()))
}

func (h *hub) pause(median time.Duration) {
	h.mu.Lock()
	d := h.draw(median)
	h.mu.Unlock()
	time.Sleep(d)
}

// station is a node's connection to the hub.
type station struct {
	*hub
	inbox chan delivery
}

func (h *hub) join() *station {
	s := &station{h, make(chan delivery, 100_000)}
	h.listeners = append(h.listeners, s.inbox)
	return s
}

func (s *station) Send(ctx context.Context, message string) error {
	if err := errors.Join(ctx.Err(), feed.Check(message)); err != nil {
		return err
	}
	s.pause(travels)
	s.mu.Lock()
	cost := perMessage + time.Duration(len(s.listeners))*perListener
	now := time.Now()
	if s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(cost)
	s.passed++
	s.worked += cost
	done := s.free
	for _, inbox := range s.listeners {
		inbox <- delivery{message, done.Add(s.draw(travels))}
	}
	s.mu.Unlock()
	time.Sleep(time.Until(done))
	s.pause(travels)
	return nil
}

func (s *station) Listen(ctx context.Context, l feed.Listener) error {
	l.Up()
	defer l.Down(context.Canceled)
	for {
		select {
		case d := <-s.inbox:
			time.Sleep(time.Until(d.at))
			l.Message(d.message)
		case <-ctx.Done():
			return nil
		}
	}
}

// doorway is a node's direct way to others: datagrams that take as long as a way to the server, and some of which are lost.
type doorway struct {
	*hub
	place string
	inbox chan delivery
}

func (h *hub) open() *doorway {
	d := &doorway{h, fmt.Sprint("place", len(h.places)), make(chan delivery, 100_000)}
	h.places[d.place] = d
	return d
}

func (d *doorway) Place() string { return d.place }

func (d *doorway) Send(place, message string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.directly++
	if to := d.places[place]; to != nil && d.dice.Float64() >= lost {
		to.inbox <- delivery{message, time.Now().Add(d.draw(travels))}
	}
}

func (d *doorway) Receive(ctx context.Context, hear func(string)) error {
	for {
		select {
		case m := <-d.inbox:
			time.Sleep(time.Until(m.at))
			time.Sleep(reads)
			hear(m.message)
		case <-ctx.Done():
			return nil
		}
	}
}

// slowWrites is a store whose deletions take as long as those of a database.
type slowWrites struct {
	session.Store
	*hub
}

func (s slowWrites) Delete(ctx context.Context, id session.ID) error {
	s.pause(writes)
	return s.Store.Delete(ctx, id)
}

// simulated is what came of a number of nodes.
type simulated struct {
	nodes    int
	p50, p99 time.Duration // of a sign-out
	messages float64       // a second
	busy     float64       // share of the time that the server works
	directly float64       // datagrams a second
}

// simulate runs nodes, the real code, for a few seconds of the test's clock, with ten sign-outs a second.
func simulate(t *testing.T, nodes int, direct bool) (r simulated) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{dice: rand.New(rand.NewPCG(1, uint64(nodes))), places: map[string]*doorway{}}
		store := slowWrites{memory.New().Sessions, h}
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		var all []session.Store
		for range nodes {
			config := nearcache.Config{Feed: h.join()}
			if direct {
				config.Direct = h.open()
			}
			c := nearcache.New(config)
			all = append(all, c.Sessions(store))
			running.Go(func() {
				time.Sleep(time.Duration(rand.N(max(int64(time.Second/4), int64(nodes)*int64(15*time.Millisecond))))) // beats are spread
				if err := c.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Duration(nodes)*15*time.Millisecond + 4*time.Second)
		h.mu.Lock()
		h.passed, h.worked, h.directly = 0, 0, 0
		h.mu.Unlock()
		const ends = 60
		began := time.Now()
		var mu sync.Mutex
		var took []time.Duration
		var ending sync.WaitGroup
		for i := range ends {
			time.Sleep(time.Duration(rand.ExpFloat64() * float64(time.Second/10)))
			ending.Go(func() {
				began := time.Now()
				if err := all[i%nodes].Delete(ctx, numbered(i)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			})
		}
		ending.Wait()
		passed := time.Since(began)
		slices.Sort(took)
		h.mu.Lock()
		r = simulated{nodes, took[ends/2], took[ends*99/100], float64(h.passed) / passed.Seconds(), h.worked.Seconds() / passed.Seconds(), float64(h.directly) / passed.Seconds()}
		h.mu.Unlock()
		stop()
		running.Wait()
	})
	return r
}

// TestManyNodesInOneProcess says what sign-outs cost with many nodes, with direct ways between them and over the feed alone. With the
// variable CLOAKROOM_PICTURE it draws that into a file.
func TestManyNodesInOneProcess(t *testing.T) {
	sizes, most := []int{3, 8}, 8 // most: over the feed alone
	switch {
	case os.Getenv("CLOAKROOM_PICTURE") != "": // takes some minutes
		sizes, most = []int{3, 8, 16, 32, 64, 128, 256, 512}, 128
	case os.Getenv("CLOAKROOM_LONG") != "":
		sizes, most = []int{3, 8, 16, 32, 64, 128}, 64
	}
	if raceDetector {
		sizes = sizes[:2]
	}
	var alone, direct []simulated
	for _, n := range sizes {
		if n <= most {
			r := simulate(t, n, false)
			alone = append(alone, r)
			t.Log("feed alone:", r)
			if n <= 64 && r.p99 > longest {
				t.Errorf("with %d nodes a sign-out takes %v", n, r.p99)
			}
			if n <= 8 && r.p50 > 10*time.Millisecond {
				t.Errorf("with %d nodes half of the sign-outs take %v or more", n, r.p50)
			}
		}
		r := simulate(t, n, true)
		direct = append(direct, r)
		t.Log("direct ways:", r)
		if r.p50 > 2*alone[1%len(alone)].p50 && n <= 128 {
			t.Errorf("with %d nodes a sign-out takes %v, more than twice of what it takes 8 nodes with the feed alone", n, r.p50)
		}
	}
	if path := os.Getenv("CLOAKROOM_PICTURE"); path != "" {
		if err := os.WriteFile(path, []byte(drawNodes(direct, alone)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (r simulated) String() string {
	return fmt.Sprintf("%3d nodes, p50 %v, p99 %v, %.0f messages/s, server busy %.0f %%, %.0f datagrams/s",
		r.nodes, r.p50.Round(10*time.Microsecond), r.p99.Round(10*time.Microsecond), r.messages, 100*r.busy, r.directly)
}

// drawNodes draws the delays on a logarithmic scale.
func drawNodes(all, alone []simulated) string {
	var s strings.Builder
	s.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 340" font-family="system-ui, sans-serif" font-size="12">
<style>
.paper { fill: #fff } text { fill: #1f2328 } .dim { fill: #59636e } .grid { stroke: #d1d9e0 }
.one { fill: none; stroke: #0969da; stroke-width: 2 } .two { fill: none; stroke: #80b8f5; stroke-width: 2 } .old { fill: none; stroke: #bc4c00; stroke-width: 2; stroke-dasharray: 4 4 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }
.one { stroke: #4493f8 } .two { stroke: #2a5a98 } .old { stroke: #db6d28 }
}
</style>
<rect class="paper" width="640" height="340" rx="8"/><text x="30" y="28" font-size="15" font-weight="600">A sign-out, by the number of nodes</text>
<g class="dim"><path d="M330 24h24" class="one"/><text x="360" y="28">median</text><path d="M416 24h24" class="two"/><text x="446" y="28">p99</text><path d="M482 24h24" class="old"/><text x="512" y="28">the feed alone</text></g>
`)
	y := func(d time.Duration) float64 {
		return 270 - 210*math.Log10(max(d.Seconds(), 0.0005)/0.0005)/math.Log10(2/0.0005)
	}
	for _, d := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		fmt.Fprintf(&s, `<line x1="70" x2="620" y1="%.1f" y2="%.1f" class="grid"/><text class="dim" x="62" y="%.1f" text-anchor="end">%v</text>`+"\n",
			y(d), y(d), y(d)+4, d)
	}
	x := func(i int) float64 { return 100 + float64(i)*500/float64(max(len(all)-1, 1)) }
	line := func(class string, all []simulated, of func(simulated) time.Duration) {
		var points []string
		for i, r := range all {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y(of(r))))
		}
		fmt.Fprintf(&s, `<polyline class="%s" points="%s"/>`+"\n", class, strings.Join(points, " "))
	}
	line("two", all, func(r simulated) time.Duration { return r.p99 })
	line("one", all, func(r simulated) time.Duration { return r.p50 })
	line("old", alone, func(r simulated) time.Duration { return r.p50 })
	for i, r := range all {
		fmt.Fprintf(&s, `<text x="%.1f" y="290" text-anchor="middle" class="dim">%d</text><text x="%.1f" y="308" text-anchor="middle" class="dim">%.0f/s</text>`+
			`<text x="%.1f" y="324" text-anchor="middle" class="dim">%.0f %%</text>`+"\n", x(i), r.nodes, x(i), r.messages, x(i), 100*r.busy)
	}
	s.WriteString(`<text x="8" y="290" class="dim">nodes</text><text x="8" y="308" class="dim">messages</text><text x="8" y="324" class="dim">server busy</text>` + "\n</svg>\n")
	return s.String()
}
