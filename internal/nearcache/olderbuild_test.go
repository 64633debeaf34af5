package nearcache_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// older is a process of a build that knows no direct ways, on the feed of a cluster. It waits for the nodes that it has heard.
type older struct {
	wire *wire
	stop func()

	mu     sync.Mutex
	heard  map[string]time.Time // when the last heartbeat of each node came
	listed map[string]time.Time // when a list has named a node
	unread []string
}

// olderReads is the grammar of that build: kinds, and how many words follow the node.
func olderReads(message string) (kind, node string, rest []string, ok bool) {
	words := strings.Split(message, " ")
	for _, word := range words {
		if word == "" {
			return "", "", nil, false
		}
	}
	if len(words) < 2 {
		return "", "", nil, false
	}
	kind, node, rest = words[0], words[1], words[2:]
	switch kind {
	case "B", "P", "Q":
		return kind, node, rest, len(rest) == 1
	case "R":
		return kind, node, rest, len(rest) >= 3
	case "I":
		return kind, node, rest, len(rest) >= 2
	case "A":
		return kind, node, rest, len(rest) >= 1
	case "L":
		return kind, node, rest, len(rest) == 0
	}
	return "", "", nil, false
}

// joinOlder begins to listen, asks who answers from memory, and sends heartbeats of a kind.
func (c *cluster) joinOlder(kind string) *older {
	o := &older{wire: c.net.join(), heard: map[string]time.Time{}, listed: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		_ = o.wire.Listen(ctx, feed.Listener{Up: func() {}, Message: o.hear, Down: func(error) {}, Failed: func(error) {}})
	})
	synctest.Wait()
	running.Go(func() {
		_ = o.wire.Send(ctx, "Q OLDER 1")
		for number := 1; ctx.Err() == nil; number++ {
			_ = o.wire.Send(ctx, kind+" OLDER "+strconv.Itoa(number))
			select {
			case <-ctx.Done():
			case <-time.After(lease / 4):
			}
		}
	})
	o.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	c.t.Cleanup(o.stop)
	return o
}

func (o *older) hear(message string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kind, node, rest, ok := olderReads(message)
	switch {
	case !ok:
		o.unread = append(o.unread, message)
	case kind == "B" && node != "OLDER":
		o.heard[node] = time.Now()
	case kind == "R" && rest[0] == "OLDER" && rest[1] == "1":
		for _, node := range rest[2:] {
			o.listed[node] = time.Now()
		}
	}
}

// waitsFor returns the nodes whose leases may not have run out, as far as this process can know.
func (o *older) waitsFor() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := map[string]bool{}
	for _, times := range []map[string]time.Time{o.heard, o.listed} {
		for node, at := range times {
			all[node] = all[node] || time.Since(at) < longest
		}
	}
	maps.DeleteFunc(all, func(node string, waits bool) bool { return !waits || node == "OLDER" })
	return all
}

// TestAnOlderBuildWaitsForEveryNode has a node of the build before, one that caches nothing, and a command of that build join nodes that
// talk directly. Each understands all that is said, and knows of each node that may have a lease.
func TestAnOlderBuildWaitsForEveryNode(t *testing.T) {
	t.Attr("threat", "X01")
	for _, kind := range []string{"B", "P"} {
		for _, nodes := range []int{3, crowdOfNodes} {
			inClusterWith(t, true, nodes, func(t *testing.T, c *cluster) {
				time.Sleep(20 * time.Second)
				if gathered := len(c.net.said("G")); gathered > 0 != (nodes == crowdOfNodes) {
					t.Fatalf("%d nodes have gathered heartbeats %d times", nodes, gathered)
				}
				id := c.signIn("ann", 1)
				o := c.joinOlder(kind)
				for range 2000 {
					time.Sleep(10 * time.Millisecond)
					if n := len(o.waitsFor()); n != nodes {
						t.Fatalf("of %d nodes the older build waits for %d", nodes, n)
					}
				}
				if len(o.unread) > 0 {
					t.Errorf("the older build can't read %q", o.unread)
				}
				for i, m := range c.nodes {
					if m.valid(id); !m.remembers(id) {
						t.Errorf("beside the older build, node %d has no lease", i)
					}
				}
				o.stop()
				time.Sleep(10 * time.Second)
				before := len(c.net.said("G"))
				time.Sleep(10 * time.Second)
				if gathers := len(c.net.said("G")) > before; gathers != (nodes == crowdOfNodes) {
					t.Errorf("without the older build, %d nodes gather heartbeats: %v", nodes, gathers)
				}
			})
		}
	}
}

// TestABeatThatAnOlderBuildCannotReadGivesNoLease: a node that doesn't hear the older one may go on gathering.
func TestABeatThatAnOlderBuildCannotReadGivesNoLease(t *testing.T) {
	t.Attr("threat", "X01")
	for _, beside := range []bool{false, true} {
		inClusterWith(t, true, 2, func(t *testing.T, c *cluster) {
			id := c.signIn("ann", 1)
			if beside {
				c.joinOlder("P")
				time.Sleep(lease)
			}
			m := c.nodes[0]
			name, number := "", uint64(0)
			for _, b := range c.net.said("B") {
				fields := strings.Fields(b)
				nonce, place, _ := strings.Cut(fields[2], "@")
				if place == m.lane.place {
					name = fields[1]
				}
				if n, err := strconv.ParseUint(nonce, 36, 64); err == nil && fields[1] == name {
					number = n
				}
			}
			m.wire.silence(errors.New("not sent"))
			other := c.net.join()
			for range 20 {
				time.Sleep(lease / 10)
				gathered := "G OTHER"
				for n := number; n < number+20; n++ {
					gathered += " " + name + " " + strconv.FormatUint(n, 36)
				}
				if err := other.Send(t.Context(), gathered); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			if m.remembers(id) == beside {
				t.Errorf("beside an older build: %v; the node answers from memory: %v", beside, beside)
			}
		})
	}
}
