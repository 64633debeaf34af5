package fence

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// A node that has begun to listen doesn't know which nodes have leases: the heartbeats that gave them may have been sent before.
// It knows all of them once it has listened for as long as a lease lasts. To know them at once it asks, and one node that does
// know all answers with the list. A node with a lease is then either in the list, or has sent its heartbeat after the question,
// where the asker has heard it.

// knowsAll reports whether a node with a lease that this one doesn't know is impossible. The caller holds mu.
func (n *Node) knowsAll(now time.Duration) bool { return n.up && (n.told || now >= n.youngUntil()) }

// youngUntil returns when the leases have run out whose heartbeats were sent before this node began to listen. The caller holds
// mu.
func (n *Node) youngUntil() time.Duration { return n.upAt + lease + margin }

// ask asks once whenever the feed comes up.
func (n *Node) ask(ctx context.Context) {
	for number := uint64(1); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-n.askNow:
		}
		nonce := strconv.FormatUint(number, 36) + readsGathered
		n.mu.Lock()
		up := n.up
		if up {
			n.asked = nonce
		}
		n.mu.Unlock()
		if !up {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, lease)
		if err := n.feed.Send(bounded, question+" "+n.name+" "+nonce); err != nil {
			n.log(slog.LevelDebug, "no list of nodes asked for", slog.Any("error", err)) // the node waits until it knows
		}
		cancel()
	}
}

// handleQuestion has the question answered if it is for this node to do: the first by name of those that have leases. If that
// one can't, the asker waits for as long as its lease may last anyway.
func (n *Node) handleQuestion(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noteBuild(m)
	if m.node == n.name || !n.running || n.strict {
		return
	}
	n.prune()
	now := n.memory.Now()
	for peer := range n.peers {
		if peer < n.name && peer != m.node {
			return
		}
	}
	if n.knowsAll(now) {
		n.questions = append(n.questions, m.node+" "+m.rest[0])
		wake(n.ackReady)
	}
}

// answers returns the answers to the questions that wait. The caller holds mu. A node that has heard nothing since a question
// has no list to give: reset has removed the question.
func (n *Node) answers() (texts []string) {
	n.prune()
	for _, asker := range n.questions {
		var b strings.Builder
		b.WriteString(answer + " " + n.name + " " + asker + " " + n.name)
		for peer := range n.peers {
			b.WriteByte(' ')
			b.WriteString(peer)
		}
		if b.Len() <= feed.MaxMessage {
			texts = append(texts, b.String())
		}
	}
	n.questions = nil
	return texts
}

// handleAnswer notes the nodes of a list. Each may have a lease from a heartbeat that was sent before the question. A notice that
// this node has heard already needs their acknowledgements too.
func (n *Node) handleAnswer(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m.rest[0] != n.name || m.rest[1] != n.asked || !n.up || n.told {
		return
	}
	now := n.memory.Now()
	n.told = true
	for _, peer := range m.rest[2:] {
		if peer != n.name && !n.hasLeft(peer) {
			n.peers[peer] = now
		}
	}
	for _, p := range n.notices {
		if !p.received || p.broken {
			continue
		}
		for _, peer := range m.rest[2:] {
			if peer != n.name && !n.hasLeft(peer) && !p.answered[peer] {
				p.missing[peer] = now + lease + margin
			}
		}
		p.young = 0
		n.update(p)
	}
}

// visit is the listening of a process that writes and doesn't run as a node, such as a command: it begins with the first
// revocation.
type visit struct {
	stop context.CancelFunc
	done chan struct{} // closed when it has stopped
}

// visitFor is how long a revocation of such a process waits at most for the feed to come up. Without it every revocation takes
// as long as a lease.
const visitFor = time.Second

// listenOnWrite begins to listen unless the node runs, and waits until it does.
func (n *Node) listenOnWrite(ctx context.Context) {
	n.mu.Lock()
	if n.ran || n.closed {
		n.mu.Unlock()
		return
	}
	if n.visit == nil {
		visiting, stop := context.WithCancel(context.WithoutCancel(ctx))
		n.visit = &visit{stop: stop, done: make(chan struct{})}
		go n.listenFor(visiting, n.visit)
	}
	v, up := n.visit, n.upOnce
	n.mu.Unlock()
	timer := time.NewTimer(visitFor)
	defer timer.Stop()
	select {
	case <-up:
	case <-v.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (n *Node) listenFor(ctx context.Context, v *visit) {
	defer close(v.done)
	var group sync.WaitGroup
	asking, stop := context.WithCancel(ctx)
	group.Go(func() { n.ask(asking) })
	group.Go(func() { n.sendHeartbeats(asking) })
	group.Go(func() { n.receive(asking) })
	if err := n.listen(ctx); err != nil {
		n.log(slog.LevelDebug, "not listening to the feed", slog.Any("error", err))
	}
	stop()
	group.Wait()
}

// endVisit stops listening, if the node did so without running.
func (n *Node) endVisit() {
	n.mu.Lock()
	v := n.visit
	n.mu.Unlock()
	if v != nil {
		v.stop()
		<-v.done
	}
}

// Close implements [Validator].
func (n *Node) Close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.endVisit()
}
