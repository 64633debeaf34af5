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
	changed  chan struct{}            // closed, and replaced, when more is known

	returned chan struct{} // closed when this node has received its own notice

	acknowledged bool          // by every node
	settled      chan struct{} // closed then

	sent  chan struct{} // closed when the notice was sent, with limit, or couldn't be, with err
	err   error
	limit time.Duration // when every lease has run out that was given before the notice
}

// mostKeys is how many keys share a notice, which has room for 300.
const mostKeys = 200

// gatherFor is how long a notice gathers keys at most, after the one before it was sent, while that one is being acknowledged.
const gatherFor = 10 * time.Millisecond

// tell wakes all who wait. The caller holds the node's mutex.
func (p *pendingNotice) tell() {
	if p.received && len(p.missing) == 0 && !p.broken && !p.acknowledged {
		p.acknowledged = true
		close(p.settled)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Write implements [Validator]. Every node drops the keys and blocks them for BlockFor, or its lease runs out. Then the
// store is written; the write is abandoned shortly before the blocks end. If that happens, every node drops the keys once
// more, because the store may have carried out the write nevertheless.
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
		p := n.join(some)
		defer n.leave(p)
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
		if err := n.await(ctx, p); err != nil {
			return 0, err
		}
	}
	return began, nil
}

// join adds keys to the next notice. The first to do so has it sent.
func (n *Node) join(keys []Key) *pendingNotice {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.gathering
	if p == nil || len(p.keys)+len(keys) > mostKeys {
		p = &pendingNotice{
			answered: map[string]bool{}, sent: make(chan struct{}), settled: make(chan struct{}), changed: make(chan struct{}),
			returned: make(chan struct{}),
		}
		n.gathering = p
		go n.send(p)
	}
	p.keys = append(p.keys, keys...)
	p.waiting++
	return p
}

// leave forgets a notice for which nothing waits any more.
func (n *Node) leave(p *pendingNotice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		delete(n.notices, p.token)
	}
}

// send sends a notice once the one before it has been sent and acknowledged, or not within gatherFor. It numbers the notice only now,
// so that the numbers are in the order of the feed: an acknowledgement covers all lower ones.
func (n *Node) send(p *pendingNotice) {
	n.sending <- struct{}{}
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
	p.err = n.feed.Send(ctx, text)
	p.limit = n.memory.Now() + lease + margin
	close(p.sent)
	if p.err == nil {
		if n.direct != nil {
			go n.remind(p)
		}
		n.gather(p)
	}
	<-n.sending
}

// gather waits until a notice is acknowledged, so that the next one has more keys. Every message costs each node, however many
// keys it has. A node that doesn't answer must not hold up others than those that wait for it anyway.
func (n *Node) gather(p *pendingNotice) {
	pause := time.NewTimer(gatherFor)
	defer pause.Stop()
	select {
	case <-p.settled:
	case <-pause.C:
	}
}

// await waits until every node has acknowledged or has no lease any more. A heartbeat that this node hasn't received was
// sent before the notice, so waiting until the limit is always enough.
func (n *Node) await(ctx context.Context, p *pendingNotice) error {
	for {
		until, changed := n.pendingUntil(p)
		pause := until - n.memory.Now()
		if pause <= 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// pendingUntil returns the time until which some memory may still hold an entry of the notice, as far as is known, and a
// channel that is closed when more is known.
func (n *Node) pendingUntil(p *pendingNotice) (time.Duration, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !p.received || p.broken {
		return p.limit, p.changed
	}
	until := p.young
	for _, end := range p.missing {
		until = max(until, end)
	}
	return min(until, p.limit), p.changed
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
	close(p.returned)
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
	p.tell()
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
				p.settle(from)
			}
		}
	}
}

// settle stops waiting for a node.
func (p *pendingNotice) settle(from string) {
	if _, ok := p.missing[from]; ok {
		delete(p.missing, from)
		p.tell()
	}
}
