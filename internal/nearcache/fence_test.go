package nearcache_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestARevocationIsKnownEverywhereAtOnce(t *testing.T) {
	t.Attr("threat", "X01")
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		if took := c.nodes[1].end(id); took > 10*time.Millisecond {
			t.Errorf("it took %v although all nodes answer", took)
		}
		for i, m := range c.nodes {
			if m.valid(id) {
				t.Errorf("node %d honours what has ended", i)
			}
		}
	})
}

func TestNothingIsCachedSoonAfterTheFeedComesUp(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		m := c.join(nearcache.Config{})
		for began := time.Now(); time.Since(began) < hold; time.Sleep(100 * time.Millisecond) {
			if m.remembers(id) {
				t.Fatalf("remembered %v after the start", time.Since(began))
			}
		}
		time.Sleep(100 * time.Millisecond)
		if m.valid(id); !m.remembers(id) {
			t.Error("not remembered after that")
		}
	})
}

// TestANewNodeCachesNothingThatIsAboutToEnd has a node start between the notice and the write.
func TestANewNodeCachesNothingThatIsAboutToEnd(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		commit := c.nodes[0].gate.stopBefore("Delete")
		done := make(chan time.Duration)
		go func() { done <- c.nodes[0].end(id) }()
		synctest.Wait()
		young := c.join(nearcache.Config{})
		time.Sleep(lease)
		if !young.valid(id) {
			t.Error("ended before it is written")
		}
		commit()
		<-done
		if young.valid(id) {
			t.Error("the young node honours what has ended")
		}
	})
}

// TestANewNodeWaitsForNodesItHasNotHeardOf has a node end a session soon after it has begun to listen, while a node that it
// hasn't heard of receives no messages any more.
func TestANewNodeWaitsForNodesItHasNotHeardOf(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		other := c.nodes[0]
		time.Sleep(lease / 4) // a heartbeat has just arrived
		other.wire.freeze()
		other.wire.silence(errors.New("frozen"))
		young := c.join(nearcache.Config{})
		synctest.Wait()
		young.end(id)
		if other.valid(id) {
			t.Error("a node that the revoker has not heard of honours what has ended")
		}
	})
}

func TestANodeWithoutMessagesStopsCaching(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		deaf := c.nodes[2]
		deaf.wire.freeze()
		if took := c.nodes[0].end(id); took < lease/2 || took > longest {
			t.Errorf("it took %v, want until the end of the lease", took)
		}
		if deaf.valid(id) {
			t.Error("the deaf node honours what has ended")
		}
	})
}

// TestAPausedNodeChecksTheClockBeforeItAnswers: a paused node runs no timers, and the first thing that it does afterwards may be an
// answer.
func TestAPausedNodeChecksTheClockBeforeItAnswers(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		for number, pause := range []time.Duration{100 * time.Millisecond, lease - time.Millisecond, lease, 5 * time.Second} {
			id := c.signIn("ann", byte(number))
			paused := c.nodes[1]
			paused.wire.freeze()
			paused.wire.silence(errors.New("paused"))
			done := make(chan time.Duration, 1)
			go func() { done <- c.nodes[0].end(id) }()
			time.Sleep(pause)
			select {
			case <-done:
				if paused.valid(id) {
					t.Errorf("after a pause of %v it honours what has ended", pause)
				}
			default:
			}
			paused.wire.silence(nil)
			paused.wire.thaw()
			time.Sleep(2 * hold)
			if paused.valid(id) {
				t.Errorf("after a pause of %v it remembers what has ended", pause)
			}
		}
	})
}

func TestANodeThatWasCutOffDropsItsCache(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		away := c.nodes[1]
		away.wire.cutOff()
		synctest.Wait()
		if away.remembers(id) {
			t.Error("it remembers while it is cut off")
		}
		if took := c.nodes[0].end(id); took > longest {
			t.Errorf("the others waited %v", took)
		}
		away.wire.mend()
		time.Sleep(lease / 2)
		if away.valid(id) {
			t.Error("what it remembered is back")
		}
	})
}

// TestARevokerThatIsCutOffWaitsForAllNodes: it can't know which nodes there are.
func TestARevokerThatIsCutOffWaitsForAllNodes(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[0].wire.cutOff()
		c.nodes[1].wire.freeze()
		synctest.Wait()
		if took := c.nodes[0].end(id); took > longest {
			t.Errorf("it waited %v", took)
		}
		if c.nodes[1].valid(id) {
			t.Error("the other honours what has ended")
		}
	})
}

func TestARevokerThatIsCutOffWhileItWaits(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[1].wire.freeze()
		done := make(chan time.Duration)
		go func() { done <- c.nodes[0].end(id) }()
		synctest.Wait()
		c.nodes[0].wire.cutOff()
		synctest.Wait()
		c.nodes[0].wire.mend()
		if took := <-done; took > longest {
			t.Errorf("it waited %v", took)
		}
		if c.nodes[1].valid(id) {
			t.Error("the other honours what has ended")
		}
	})
}

// TestACommandWithoutACacheFencesToo: the command line listens from its first revocation on, and waits for a node that can't answer.
func TestACommandWithoutACacheFencesToo(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[1].wire.freeze()
		command := c.idle(nearcache.Config{})
		if took := command.end(id); took < lease || took > longest {
			t.Errorf("it took %v", took)
		}
		for i, m := range c.nodes {
			if m.valid(id) {
				t.Errorf("node %d honours what has ended", i)
			}
		}
	})
}

// TestALoadInProgressIsNotCached tests a race: the row was read before the session ended, and arrives after it.
func TestALoadInProgressIsNotCached(t *testing.T) {
	t.Attr("threat", "X07")
	t.Attr("threat", "B1")
	for name, pause := range map[string]time.Duration{"for a moment": time.Millisecond, "for longer than the bar": hold + lease} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				r := record("ann", 1)
				if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				slow := c.nodes[1]
				arrive := slow.gate.stopAfter("Load")
				done := make(chan bool)
				go func() { done <- slow.valid(r.ID) }()
				synctest.Wait()
				c.nodes[0].end(r.ID)
				time.Sleep(pause)
				arrive()
				<-done // either answer is right: the check began before
				if slow.valid(r.ID) {
					t.Error("what was read before the end is honoured after it")
				}
			})
		})
	}
}

// TestALoadUnderABlockIsNotCachedHoweverLongItTakes begins a load between the notice and the write, and ends it after the
// block.
func TestALoadUnderABlockIsNotCachedHoweverLongItTakes(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		commit := c.nodes[0].gate.stopBefore("Delete")
		ended := make(chan time.Duration)
		go func() { ended <- c.nodes[0].end(id) }()
		time.Sleep(time.Millisecond)
		slow := c.nodes[1]
		arrive := slow.gate.stopAfter("Load")
		loaded := make(chan bool)
		go func() { loaded <- slow.valid(id) }()
		synctest.Wait()
		commit()
		<-ended
		time.Sleep(hold)
		arrive()
		<-loaded
		if slow.valid(id) {
			t.Error("what was read before the end is honoured after it")
		}
	})
}

// TestACheckDoesNotJoinALoadFromBeforeTheEnd has one check wait for the load of another check, which began too early.
func TestACheckDoesNotJoinALoadFromBeforeTheEnd(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		r := record("ann", 1)
		if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		slow := c.nodes[1]
		arrive := slow.gate.stopAfter("Load")
		first, second := make(chan bool), make(chan bool)
		go func() { first <- slow.valid(r.ID) }()
		synctest.Wait()
		c.nodes[0].end(r.ID)
		go func() { second <- slow.valid(r.ID) }()
		synctest.Wait()
		arrive()
		<-first
		if <-second {
			t.Error("a check that began after the end got the answer to one from before it")
		}
	})
}

// TestASignOutThatFindsNothingWaitsToo: the write of another sign-out was late, and a node may have cached what it read
// between the end of the block and that write. A sign-out that finds no row must not acknowledge the end earlier.
func TestASignOutThatFindsNothingWaitsToo(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		commit := c.nodes[0].gate.stopBefore("Delete")
		first := make(chan time.Duration)
		go func() { first <- c.nodes[0].end(id) }()
		time.Sleep(hold + 100*time.Millisecond)
		keeps := c.nodes[2]
		if keeps.valid(id); !keeps.remembers(id) {
			t.Fatal("it is still barred")
		}
		time.Sleep(lease / 4)
		keeps.wire.freeze()
		commit()
		synctest.Wait()
		c.nodes[1].end(id)
		if keeps.valid(id) {
			t.Error("acknowledged by the second, and honoured")
		}
		<-first
		if keeps.valid(id) {
			t.Error("acknowledged by the first, and honoured")
		}
	})
}

// TestALateWriteIsAnnouncedOnceMore: the blocks have ended when the write is done.
func TestALateWriteIsAnnouncedOnceMore(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		commit := c.nodes[0].gate.stopBefore("Delete")
		done := make(chan time.Duration)
		go func() { done <- c.nodes[0].end(id) }()
		time.Sleep(hold + 100*time.Millisecond)
		for _, m := range c.nodes {
			if m.valid(id); !m.remembers(id) {
				t.Fatal("it is still barred")
			}
		}
		commit()
		<-done
		for i, m := range c.nodes {
			if m.valid(id) {
				t.Errorf("node %d honours what has ended", i)
			}
		}
		if n := len(c.net.said("I")); n != 2 {
			t.Errorf("%d notices", n)
		}
	})
}

func cacheOn(t *testing.T, f feed.Feed) *nearcache.Cache {
	c := nearcache.New(nearcache.Config{Feed: f})
	t.Cleanup(c.Close)
	return c
}

// TestAnAnnouncementThatTookLongIsRepeated: the blocks must outlast the write, so the write must not begin shortly before
// they end.
func TestAnAnnouncementThatTookLongIsRepeated(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		revoker := c.idle(nearcache.Config{})
		write := revoker.gate.stopBefore("Delete")
		slow := &slowFeed{wire: revoker.wire, delay: hold}
		store := cacheOn(t, slow).Sessions(gatedSessions{c.db.Sessions, revoker.gate})
		done := make(chan error)
		go func() { done <- store.Delete(t.Context(), id) }()
		time.Sleep(3 * hold) // the call waits just before the write
		if n := len(c.net.said("I")); n != 2 {
			t.Errorf("%d notices before the write, want a second after the first took too long", n)
		}
		write()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// slowFeed delays the first message.
type slowFeed struct {
	*wire
	delay time.Duration
}

func (f *slowFeed) Send(ctx context.Context, message string) error {
	err := f.wire.Send(ctx, message)
	time.Sleep(f.delay)
	f.delay = 0
	return err
}

func TestWithoutAFeedNothingIsWritten(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		down := errors.New("down")
		c.nodes[0].wire.silence(down)
		if err := c.nodes[0].sessions.Delete(t.Context(), id); !errors.Is(err, down) {
			t.Fatalf("the error is %v", err)
		}
		if !c.nodes[1].valid(id) {
			t.Error("the session has ended although the notice could not be sent")
		}
	})
}

func TestAContextThatEndsEndsTheWait(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[1].wire.freeze()
		ctx, cancel := context.WithTimeout(t.Context(), lease/10)
		defer cancel()
		if err := c.nodes[0].sessions.Delete(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if _, err := c.db.Sessions.Load(t.Context(), id); err != nil {
			t.Errorf("the session is gone: %v", err)
		}
	})
}

func TestANoticeStopsOnlyTheLoadsOfItsUser(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		ann, bob := record("ann", 1), record("bob", 2)
		for _, r := range []*session.Record{ann, bob} {
			if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		slow := c.nodes[1]
		arrive := slow.gate.stopAfter("Load")
		done := make(chan bool, 2)
		for _, r := range []*session.Record{ann, bob} {
			go func() { done <- slow.valid(r.ID) }()
		}
		synctest.Wait()
		if _, err := c.nodes[0].sessions.DeleteUser(t.Context(), "ann", session.ID{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(hold + lease)
		arrive()
		<-done
		<-done
		if slow.valid(ann.ID) {
			t.Error("a session of a user whose sessions have all ended is honoured")
		}
		if !slow.remembers(bob.ID) {
			t.Error("another user's session isn't remembered")
		}
	})
}

func TestTheEndOfAllSessionsOfAUser(t *testing.T) {
	t.Attr("threat", "X04")
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		first, second, bobs := c.signIn("ann", 1), c.signIn("ann", 2), c.signIn("bob", 3)
		if n, err := c.nodes[0].sessions.DeleteUser(t.Context(), "ann", second); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for i, m := range c.nodes {
			if m.valid(first) || !m.valid(second) || !m.remembers(bobs) {
				t.Errorf("node %d: ended %v, spared %v, bob's remembered %v", i, !m.valid(first), m.valid(second), m.remembers(bobs))
			}
		}
		time.Sleep(hold + lease)
		if m := c.nodes[1]; !m.valid(second) || !m.remembers(second) {
			t.Error("what was spared is not remembered again")
		}
	})
}

// TestALeaseCountsFromBeforeItsBeatWasSent delays a heartbeat: the node has missed the messages of that time.
func TestALeaseCountsFromBeforeItsBeatWasSent(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		m := c.nodes[0]
		m.wire.freeze()
		time.Sleep(9 * lease / 10)
		m.wire.silence(errors.New("no more beats"))
		m.wire.thaw() // the node's own heartbeats of that time arrive at once
		synctest.Wait()
		time.Sleep(lease - time.Millisecond)
		if m.remembers(id) {
			t.Error("it answers from memory, although its last beat was sent over a second ago")
		}
	})
}

// TestAnAnswerComesAfterTheDrop checks at the other node as soon as the call has returned.
func TestAnAnswerComesAfterTheDrop(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		for number := range 50 {
			id := c.signIn("ann", byte(number))
			c.nodes[0].end(id)
			if c.nodes[1].valid(id) {
				t.Fatal("it has answered, and honours what has ended")
			}
			time.Sleep(hold)
		}
	})
}

// TestARestoredDatabaseIsReadAnew replaces the rows without the knowledge of any node, as a restored backup does. One of the nodes
// doesn't answer, and another is reading meanwhile.
func TestARestoredDatabaseIsReadAnew(t *testing.T) {
	t.Attr("threat", "S16")
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		slow := record("ann", 2)
		if err := c.nodes[2].sessions.Create(t.Context(), slow); err != nil {
			t.Fatal(err)
		}
		arrive := c.nodes[2].gate.stopAfter("Load")
		done := make(chan bool)
		go func() { done <- c.nodes[2].valid(slow.ID) }()
		synctest.Wait()
		if _, err := c.db.Sessions.DeleteUser(t.Context(), "ann", session.ID{}); err != nil {
			t.Fatal(err)
		}
		if !c.nodes[0].valid(id) {
			t.Error("a node knew of the restore by itself, so this test shows nothing")
		}
		c.nodes[1].wire.freeze()
		began := time.Now()
		if err := c.idle(nearcache.Config{}).cache.DropEverything(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > longest {
			t.Errorf("it took %v", took)
		}
		arrive()
		<-done // it was asked before
		for i, m := range c.nodes {
			if m.valid(id) || m.valid(slow.ID) {
				t.Errorf("node %d honours a session that the restored database doesn't have", i)
			}
		}
	})
}

// TestANewcomerWaitsForNodesThatItHasNotHeard: a node that has listened since long ago names them, so the first revocation of a
// command takes no longer than that of a node, unless a node can't answer, whether or not that one was to give the list.
func TestANewcomerWaitsForNodesThatItHasNotHeard(t *testing.T) {
	t.Attr("threat", "X01")
	for story := range 8 {
		inCluster(t, 3, func(t *testing.T, c *cluster) {
			id := c.signIn("ann", 1)
			command := c.idle(nearcache.Config{})
			frozen, told := story%4, story > 3
			if told { // it has the list before the node falls silent, and has heard no heartbeat
				command.end(numbered(7))
			}
			if frozen < len(c.nodes)-1 {
				c.nodes[frozen].wire.freeze()
			}
			took := command.end(id)
			switch silent := frozen < len(c.nodes)-1; {
			case silent && (took < lease*3/4 || took > longest), !silent && took != 0:
				t.Errorf("with node %d silent the end took %v", frozen, took)
			}
			for i, m := range c.nodes {
				if m.valid(id) {
					t.Errorf("with node %d silent, node %d honours what has ended", frozen, i)
				}
			}
		})
	}
}

// TestAYoungNodeGivesNoList: it doesn't know the nodes itself.
func TestAYoungNodeGivesNoList(t *testing.T) {
	t.Attr("threat", "X01")
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[0].wire.freeze()
		for range 5 { // at least one has a name before that of the silent node
			c.join(nearcache.Config{})
		}
		synctest.Wait()
		c.idle(nearcache.Config{}).end(id)
		if c.nodes[0].valid(id) {
			t.Error("the silent node honours what has ended")
		}
	})
}

// TestAListFromBeforeTheFeedWasLostDoesNotCount: a node may have begun to cache since.
func TestAListFromBeforeTheFeedWasLostDoesNotCount(t *testing.T) {
	t.Attr("threat", "X01")
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[0].wire.freeze()
		command := c.idle(nearcache.Config{})
		command.end(numbered(7)) // from now on it listens
		asked := c.net.said("Q")
		first := strings.Fields(asked[len(asked)-1])
		command.wire.cutOff()
		c.nodes[0].wire.thaw()
		time.Sleep(2 * hold)
		if !c.nodes[0].valid(id) || !c.nodes[0].remembers(id) {
			t.Fatal("not cached")
		}
		c.nodes[0].wire.freeze()
		command.wire.mend()
		synctest.Wait()
		if err := command.wire.Send(t.Context(), "R other "+first[1]+" "+first[2]+" "+first[1]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		command.end(id)
		if c.nodes[0].valid(id) {
			t.Error("the silent node honours what has ended")
		}
	})
}

// TestAnAnswerNamesNodesForANoticeThatWaits: the notice was heard before the list, and needs the answers of the nodes on it.
func TestAnAnswerNamesNodesForANoticeThatWaits(t *testing.T) {
	t.Attr("threat", "X01")
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		for _, m := range c.nodes {
			m.wire.set(func() { m.wire.delay = 5 * time.Millisecond }) // so that the list comes after the notice
		}
		newcomer := c.join(nearcache.Config{})
		synctest.Wait()
		c.nodes[1].wire.freeze()
		took := newcomer.end(id)
		for i, m := range c.nodes {
			if m.valid(id) {
				t.Errorf("node %d honours what has ended, after %v", i, took)
			}
		}
		c.nodes[1].wire.thaw()
		time.Sleep(2 * hold)
		again := c.join(nearcache.Config{})
		synctest.Wait()
		if took := again.end(id); took > lease/2 {
			t.Errorf("with nodes that all answer, the end took %v", took)
		}
	})
}
