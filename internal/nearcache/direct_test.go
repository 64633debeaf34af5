package nearcache_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
)

// TestAcknowledgementsTakeTheDirectWay: the feed carries the notice alone.
func TestAcknowledgementsTakeTheDirectWay(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		for number := range 20 {
			id := c.signIn("ann", byte(number))
			if took := c.nodes[number%3].end(id); took > time.Millisecond {
				t.Errorf("an end took %v", took)
			}
		}
		if n := len(c.net.said("A")); n > 0 {
			t.Errorf("%d acknowledgements took the feed", n)
		}
	})
}

// TestAnAcknowledgementThatIsLostIsAskedFor: a lost message costs milliseconds, and a way that doesn't work any more leads back to the
// feed.
func TestAnAcknowledgementThatIsLostIsAskedFor(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		revoker := c.nodes[0]
		ids := []byte{1, 2, 3, 4}
		id := c.signIn("ann", ids[0])
		revoker.lane.set(func() { revoker.lane.lost = true })
		time.AfterFunc(6*time.Millisecond, func() { revoker.lane.set(func() { revoker.lane.lost = false }) })
		if took := revoker.end(id); took < 4*time.Millisecond || took > 20*time.Millisecond {
			t.Errorf("with one loss an end took %v", took)
		}
		if n := len(c.net.said("A")); n > 0 {
			t.Errorf("%d acknowledgements took the feed", n)
		}
		id = c.signIn("ann", ids[1])
		revoker.lane.set(func() { revoker.lane.lost = true })
		if took := revoker.end(id); took < 4*time.Millisecond || took > 100*time.Millisecond {
			t.Errorf("without a direct way an end took %v", took)
		}
		id = c.signIn("ann", ids[2])
		if took := revoker.end(id); took > time.Millisecond {
			t.Errorf("after that an end took %v", took)
		}
		revoker.lane.set(func() { revoker.lane.lost = false })
		time.Sleep(20 * time.Second)
		before := len(c.net.said("A"))
		if took := revoker.end(c.signIn("ann", ids[3])); took > time.Millisecond || len(c.net.said("A")) > before {
			t.Errorf("the direct way works again; an end took %v, with %d acknowledgements on the feed", took, len(c.net.said("A"))-before)
		}
	})
}

// TestASlowFeedIsNotRemindedOf: what the feed holds back comes without reminders, and the direct ways stay open.
func TestASlowFeedIsNotRemindedOf(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		first, second := c.signIn("bob", 2), c.signIn("ann", 1)
		for _, m := range c.nodes {
			m.wire.freeze()
		}
		time.AfterFunc(lease/5, func() {
			for _, m := range c.nodes {
				m.wire.thaw()
			}
		})
		if took := c.nodes[0].end(first); took > lease/4 {
			t.Errorf("an end took %v", took)
		}
		for i, m := range c.nodes {
			if all := m.lane.told("M"); len(all) > 0 {
				t.Errorf("node %d was reminded: %q", i, all)
			}
		}
		if all := c.net.said("M"); len(all) > 0 {
			t.Errorf("the feed was asked for %q", all)
		}
		before := len(c.net.said("A"))
		if c.nodes[0].end(second); len(c.net.said("A")) > before {
			t.Error("acknowledgements take the feed")
		}
	})
}

// TestWhatIsLostBesideASlowFeedIsAskedFor: reminders begin when the notice has come back.
func TestWhatIsLostBesideASlowFeedIsAskedFor(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		revoker := c.nodes[0]
		revoker.wire.freeze()
		revoker.lane.set(func() { revoker.lane.lost = true })
		time.AfterFunc(lease/5, func() {
			revoker.lane.set(func() { revoker.lane.lost = false })
			revoker.wire.thaw()
		})
		if took := revoker.end(id); took > lease/4 {
			t.Errorf("an end took %v", took)
		}
	})
}

// TestADirectWayStaysOpenWhereTheFeedIsSlow: the notice and the reminder on the feed arrive together.
func TestADirectWayStaysOpenWhereTheFeedIsSlow(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		first, second := c.signIn("bob", 2), c.signIn("ann", 1)
		slow := c.nodes[1]
		slow.wire.freeze()
		time.AfterFunc(lease/5, slow.wire.thaw)
		if took := c.nodes[0].end(first); took > lease/4 {
			t.Errorf("an end took %v", took)
		}
		if len(c.net.said("M")) != 1 {
			t.Errorf("the feed was asked for %q", c.net.said("M"))
		}
		synctest.Wait()
		before := len(c.net.said("A"))
		if c.nodes[0].end(second); len(c.net.said("A")) > before {
			t.Error("acknowledgements take the feed")
		}
	})
}

// TestAReminderOfWhatWasNotHeardIsNotAnswered: the direct way overtakes a notice that the feed holds back.
func TestAReminderOfWhatWasNotHeardIsNotAnswered(t *testing.T) {
	t.Attr("threat", "X01")
	inClusterWith(t, true, 2, func(t *testing.T, c *cluster) {
		c.nodes[0].end(c.signIn("bob", 2))
		id := c.signIn("ann", 1)
		deaf := c.nodes[1]
		deaf.wire.freeze()
		if took := c.nodes[0].end(id); took < lease/2 || took > longest {
			t.Errorf("an end took %v", took)
		}
		if deaf.valid(id) {
			t.Error("the deaf node honours what has ended")
		}
		if len(deaf.lane.told("M")) == 0 {
			t.Error("it was not reminded")
		}
	})
}

// TestAnAcknowledgementCoversNothingLater repeats a message to a node that waits for a later one.
func TestAnAcknowledgementCoversNothingLater(t *testing.T) {
	t.Attr("threat", "X01")
	inClusterWith(t, true, 2, func(t *testing.T, c *cluster) {
		c.nodes[0].end(c.signIn("bob", 2))
		synctest.Wait()
		acknowledged := c.nodes[0].lane.told("A")
		id := c.signIn("ann", 1)
		deaf := c.nodes[1]
		deaf.wire.freeze()
		done := make(chan time.Duration, 1)
		go func() { done <- c.nodes[0].end(id) }()
		synctest.Wait()
		for _, m := range acknowledged {
			deaf.lane.Send(c.nodes[0].lane.place, m)
		}
		if took := <-done; took < lease/2 {
			t.Errorf("an end took %v", took)
		}
		if len(acknowledged) == 0 || deaf.valid(id) {
			t.Errorf("after %q the deaf node honours what has ended", acknowledged)
		}
	})
}

// TestNumbersAreInTheOrderOfTheFeed has several notices wait for their turn, which are full.
func TestNumbersAreInTheOrderOfTheFeed(t *testing.T) {
	t.Attr("threat", "X01")
	inClusterWith(t, true, 2, func(t *testing.T, c *cluster) {
		var group sync.WaitGroup
		for i := range 2000 {
			group.Go(func() { c.nodes[0].end(numbered(i)) })
		}
		group.Wait()
		last := uint64(0)
		for _, m := range c.net.said("I") {
			_, text, _ := strings.Cut(strings.Fields(m)[2], "-")
			number, err := strconv.ParseUint(text, 36, 64)
			if err != nil || number <= last {
				t.Errorf("%q comes after %d", text, last)
			}
			last = number
		}
		if last < 10 {
			t.Errorf("only %d notices", last)
		}
	})
}

// TestAnAcknowledgementMayComeBeforeTheNotice: the revoker hears its own notice late.
func TestAnAcknowledgementMayComeBeforeTheNotice(t *testing.T) {
	inClusterWith(t, true, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		revoker := c.nodes[0]
		revoker.wire.freeze()
		done := make(chan time.Duration, 1)
		go func() { done <- revoker.end(id) }()
		time.Sleep(time.Millisecond)
		if len(revoker.lane.told("A")) != 1 {
			t.Error("no acknowledgement has come")
		}
		revoker.wire.thaw()
		if took := <-done; took > 2*time.Millisecond {
			t.Errorf("an end took %v", took)
		}
	})
}

const crowdOfNodes = 10

// TestHeartbeatsOfManyNodesAreGathered: a second has the messages of one node, and a few with places.
func TestHeartbeatsOfManyNodesAreGathered(t *testing.T) {
	inClusterWith(t, true, crowdOfNodes, func(t *testing.T, c *cluster) {
		time.Sleep(20 * time.Second)
		alone, together := len(c.net.said("B")), len(c.net.said("G"))
		time.Sleep(20 * time.Second)
		alone, together = len(c.net.said("B"))-alone, len(c.net.said("G"))-together
		if alone > 40 || together < 40 || together > 90 { // 80 of the first node, fewer if others came just after them, and each 10 seconds one of the others
			t.Errorf("%d heartbeats on the feed, %d messages with several", alone, together)
		}
		id := c.signIn("ann", 1)
		for i, m := range c.nodes {
			if !m.remembers(id) {
				t.Errorf("node %d has no lease", i)
			}
		}
		if took := c.nodes[1].end(id); took > time.Millisecond {
			t.Errorf("an end took %v", took)
		}
	})
}

// TestANodeWhoseHeartbeatsAreGatheredIsWaitedFor has one node after the other hear nothing: it may answer from memory until its lease
// is over.
func TestANodeWhoseHeartbeatsAreGatheredIsWaitedFor(t *testing.T) {
	t.Attr("threat", "X01")
	for silent := range crowdOfNodes - 1 {
		inClusterWith(t, true, crowdOfNodes, func(t *testing.T, c *cluster) {
			time.Sleep(3*time.Second + 100*time.Millisecond)
			id := c.signIn("ann", 1)
			c.nodes[silent].wire.freeze()
			took := c.nodes[crowdOfNodes-1].end(id)
			for i, m := range c.nodes {
				if m.valid(id) {
					t.Errorf("with node %d silent, node %d honours what has ended, after %v", silent, i, took)
				}
			}
		})
	}
}

// TestAGatheredHeartbeatCountsFromItsBeginning: it is long under way between two nodes.
func TestAGatheredHeartbeatCountsFromItsBeginning(t *testing.T) {
	t.Attr("threat", "X01")
	inClusterWith(t, true, crowdOfNodes, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		for _, m := range c.nodes {
			m.lane.set(func() { m.lane.delay = lease / 5 })
		}
		time.Sleep(lease)
		for said := len(c.net.said("G")); len(c.net.said("G")) == said; {
			time.Sleep(time.Millisecond)
		}
		for _, m := range c.nodes {
			m.wire.silence(errors.New("no more beats"))
		}
		time.Sleep(lease - 10*time.Millisecond)
		answering := 0
		for _, m := range c.nodes {
			if m.remembers(id) {
				answering++
			}
		}
		if answering > 3 { // one has gathered, and one or two may have sent their own meanwhile
			t.Errorf("%d nodes answer from memory, although the last beats of all but a few were sent over a second ago", answering)
		}
	})
}

// TestNoLeaseIsLostWithTheGatherer: the nodes whose heartbeats it has sent notice that in time.
func TestNoLeaseIsLostWithTheGatherer(t *testing.T) {
	for gone := range crowdOfNodes {
		inClusterWith(t, true, crowdOfNodes, func(t *testing.T, c *cluster) {
			id := c.signIn("ann", 1)
			m := c.nodes[gone]
			m.lane.set(func() { m.lane.lost = true })
			m.wire.silence(errors.New("gone"))
			for range 30 {
				time.Sleep(100 * time.Millisecond)
				for i, other := range c.nodes {
					if i != gone && !other.remembers(id) {
						t.Fatalf("without node %d, node %d has lost its lease", gone, i)
					}
				}
			}
		})
	}
}

// TestACommandIsAnsweredDirectlyToo: it greets the nodes when it begins to listen.
func TestACommandIsAnsweredDirectlyToo(t *testing.T) {
	inClusterWith(t, true, 3, func(t *testing.T, c *cluster) {
		first, second := c.signIn("bob", 2), c.signIn("ann", 1)
		command := c.idle(nearcache.Config{})
		command.end(first)
		time.Sleep(lease)
		before := len(c.net.said("A"))
		if took := command.end(second); took > time.Millisecond || len(c.net.said("A")) > before {
			t.Errorf("an end took %v, with %d acknowledgements on the feed", took, len(c.net.said("A"))-before)
		}
		if all := strings.Join(c.net.said("I"), " "); strings.Contains(all, "place") {
			t.Error("a notice names a place")
		}
	})
}
