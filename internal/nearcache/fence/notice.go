package fence

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pendingNotice is a notice of this node that others have yet to acknowledge. The node's mutex guards it.
type pendingNotice struct {
	number   uint64 // 0: it isn't being sent yet
	token    string
	keys     []Key
	waiting  int                      // how many wait for it
	received bool                     // this node has received its own notice, so it knows whose acknowledgements it needs
	broken   bool                     // the feed went down since the notice was sent
	missing  map[string]time.Duration // nodes that haven't acknowledged, and when their leases have run out
	answered map[string]bool          // nodes that have acknowledged
	young    time.Duration            // until then there may be nodes that this one hasn't heard of since it began to listen

	acknowledged bool          // by every node
	turn         chan struct{} // held until it is acknowledged, so that the next one gathers keys; nil: not held
	turnEnds     *time.Timer   // gives the turn up; nil: turn wasn't held
	reminder     *time.Timer   // asks for acknowledgements that are missing; nil: it hasn't begun

	sent  chan struct{} // closed when the notice was sent, with limit, or couldn't be, with err
	err   error
	limit time.Duration // when every lease has run out that was given before the notice; 0: it wasn't sent yet

	over   bool
	ended  chan struct{} // closed when it is over: no memory holds an entry of the keys any more, or may cache one
	review *time.Timer   // looks again whether it is over; nil: nothing has looked yet
}

// mostKeys is how many keys share a notice, which has room for 300.
const mostKeys = 200

// gatherFor is how long a notice gathers keys at most, after the one before it was sent, while that one is being acknowledged.
const gatherFor = 10 * time.Millisecond

// update is called when more is known of a notice. The caller holds mu.
func (n *Node) update(p *pendingNotice) {
	if p.received && len(p.missing) == 0 && !p.broken && !p.acknowledged {
		p.acknowledged = true
		p.endTurn()
		if p.reminder != nil {
			p.reminder.Stop()
		}
	}
	if p.over || p.limit == 0 {
		return
	}
	pause := n.pendingUntil(p) - n.memory.Now()
	switch {
	case pause <= 0:
		p.over = true
		close(p.ended)
	case p.review == nil:
		p.review = n.after(pause, func() { n.update(p) })
	default:
		p.review.Reset(pause)
	}
}

// after calls do with mu held.
func (n *Node) after(pause time.Duration, do func()) *time.Timer {
	return time.AfterFunc(pause, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		do()
	})
}

// endTurn lets the next notice be sent. The caller holds the node's mutex.
func (p *pendingNotice) endTurn() {
	if p.turn != nil {
		p.turnEnds.Stop()
		<-p.turn
		p.turn = nil
	}
}

// Write implements [Validator]. Every node drops the keys and blocks them for BlockFor, or its lease runs out. Then the
// store is written; the write is abandoned shortly before the blocks end. If that happens, every node drops the keys once
// more, because the store may have carried out the write nevertheless. While a notice is handed to the feed, which takes at most 3 seconds,
// the end of ctx isn't noticed.
func (n *Node) Write(ctx context.Context, keys []Key, write func(context.Context) error) error {
	n.listenOnWrite(ctx)
	began, err := n.announce(ctx, keys)
	for err == nil && n.blockedFor(began) <= 0 {
		began, err = n.announce(ctx, keys)
	}
	if err != nil {
		return fmt.Errorf("publish revocation: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, n.blockedFor(began))
	defer cancel()
	err = write(bounded)
	if n.blockedFor(began) > 0 {
		return err
	}
	if _, err := n.announce(ctx, keys); err != nil {
		return fmt.Errorf("republish revocation: %w", err)
	}
	return err
}

// blockedFor returns how much longer other nodes keep the blocks that were requested at began. Their clocks may run a
// little faster.
func (n *Node) blockedFor(began time.Duration) time.Duration {
	return began + BlockFor - BlockFor/50 - n.memory.Now()
}

// announce sends a notice of the keys, or several if they don't fit into one. It returns once no node holds an entry of them or may
// cache one, with the time from which the blocks count. Keys that arrive meanwhile share the next one.
func (n *Node) announce(ctx context.Context, keys []Key) (began time.Duration, err error) {
	began = n.memory.Now()
	n.memory.Block(began, began+BlockFor, keys)
	var notices []*pendingNotice
	for some := range slices.Chunk(keys, mostKeys) {
		p, first := n.join(some)
		defer n.leave(p)
		if first {
			n.sendInTurn(p)
		}
		notices = append(notices, p)
	}
	for _, p := range notices {
		select {
		case <-p.sent:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if p.err != nil {
			return 0, p.err
		}
		if err := p.await(ctx); err != nil {
			return 0, err
		}
	}
	return began, nil
}

// await waits until a notice that was sent is over.
func (p *pendingNotice) await(ctx context.Context) error {
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds keys to the next notice. The first to do so has it sent.
func (n *Node) join(keys []Key) (p *pendingNotice, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p = n.gathering
	if p == nil || len(p.keys)+len(keys) > mostKeys {
		p = &pendingNotice{answered: map[string]bool{}, sent: make(chan struct{}), ended: make(chan struct{})}
		n.gathering, first = p, true
	}
	p.keys = append(p.keys, keys...)
	p.waiting++
	return p, first
}

// sendInTurn sends a notice at once if it is its turn, without the cost of another goroutine, or else later.
func (n *Node) sendInTurn(p *pendingNotice) {
	select {
	case n.sending <- struct{}{}:
		n.send(p)
	default:
		go func() {
			n.sending <- struct{}{}
			n.send(p)
		}()
	}
}

// leave forgets a notice for which nothing waits any more.
func (n *Node) leave(p *pendingNotice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		delete(n.notices, p.token)
		if p.review != nil {
			p.review.Stop()
		}
	}
}

// send sends a notice whose turn it is. It numbers the notice only now, so that the numbers are in the order of the feed: an acknowledgement
// covers all lower ones. The next notice's turn is when this one is acknowledged, or not within gatherFor.
func (n *Node) send(p *pendingNotice) {
	n.mu.Lock()
	if n.gathering == p {
		n.gathering = nil
	}
	n.sent++
	p.number, p.token = n.sent, tokenOf(n.name, n.sent)
	p.broken = !n.up
	if p.waiting > 0 {
		n.notices[p.token] = p
	}
	text := noticeText(n.name, p.token, p.keys)
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), maxSilence)
	defer cancel()
	err := n.feed.Send(ctx, text)
	n.mu.Lock()
	defer n.mu.Unlock()
	p.err, p.limit = err, n.memory.Now()+lease+margin
	close(p.sent)
	if err != nil || p.acknowledged {
		<-n.sending
	} else {
		n.gather(p)
	}
	n.update(p)
}

// gather keeps the turn of a notice until it is acknowledged, so that the next one has more keys. Every message costs each node, however
// many keys it has. A node that doesn't answer must not hold up others than those that wait for it anyway. The caller holds mu.
func (n *Node) gather(p *pendingNotice) {
	p.turn = n.sending
	p.turnEnds = n.after(gatherFor, p.endTurn)
}

// pendingUntil returns the time until which some memory may still hold an entry of the notice, as far as is known. A heartbeat that this
// node hasn't received was sent before the notice, so waiting until the limit is always enough. The caller holds mu.
func (n *Node) pendingUntil(p *pendingNotice) time.Duration {
	if !p.received || p.broken {
		return p.limit
	}
	until := p.young
	for _, end := range p.missing {
		until = max(until, end)
	}
	return min(until, p.limit)
}

// handleOwnNotice decides whose acknowledgements a notice needs: those of the nodes heard shortly before it. A node that is
// first heard after the notice has received the notice before it may answer from memory.
func (n *Node) handleOwnNotice(token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.notices[token]
	if p == nil || p.broken || p.received {
		return
	}
	now := n.memory.Now()
	p.received, p.missing = true, map[string]time.Duration{}
	if !n.told {
		p.young = n.youngUntil()
	}
	for peer, seen := range n.peers {
		switch end := seen + lease + margin; {
		case end <= now:
			delete(n.peers, peer)
		case !p.answered[peer]:
			p.missing[peer] = end
		}
	}
	if n.direct != nil && len(p.missing) > 0 {
		p.reminder = time.AfterFunc(remindAfter, func() { n.remind(p, 0) })
	}
	n.update(p)
}

// handleAcknowledgement notes that a node has carried out these notices of this node, and all that were sent before them. One that came
// directly may precede the notice on the feed.
func (n *Node) handleAcknowledgement(from string, tokens []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, token := range tokens {
		node, number, ok := parseToken(token)
		if !ok || node != n.name {
			continue
		}
		for _, p := range n.notices {
			if p.number <= number {
				p.answered[from] = true
				n.settle(p, from)
			}
		}
	}
}

// settle stops waiting for a node. The caller holds mu.
func (n *Node) settle(p *pendingNotice, from string) {
	if _, ok := p.missing[from]; ok {
		delete(p.missing, from)
		n.update(p)
	}
}
