package nearcache

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// run listens, beats and answers until ctx ends. Then it says goodbye, so that nobody waits for this node: after it has
// stopped answering from memory.
func (n *node) run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { n.sendAcks(inner) })
	group.Go(func() { n.sendBeats(inner) })
	err := n.listen(ctx)
	stop()
	group.Wait()
	if err == nil && !n.strict {
		n.sayGoodbye()
	}
	return err
}

// listen listens until ctx ends, and begins anew whenever it hasn't heard its own beats for too long: a connection whose
// other end has vanished looks like one on which nobody speaks.
func (n *node) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		turn, stop := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			n.watch(turn, stop)
		}()
		err := n.feed.Listen(turn, feed.Listener{Up: n.goUp, Message: n.hear, Down: n.goDown, Failed: n.failed})
		stop()
		<-watched
		if err != nil {
			return err
		}
	}
	return nil
}

// watch calls restart when the node is up and deaf.
func (n *node) watch(ctx context.Context, restart func()) {
	ticker := time.NewTicker(deaf / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n.mu.Lock()
		silent := n.up && n.cache.now()-n.heard > deaf
		if silent {
			n.complain("feed silent: every check asks the store", n.unsent)
		}
		n.mu.Unlock()
		if silent {
			restart()
			return
		}
	}
}

// sendBeats sends one at once when the feed comes up, and then one after the other.
func (n *node) sendBeats(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for number := uint64(0); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-n.beats:
		case <-ticker.C:
		}
		n.sendBeat(ctx, strconv.FormatUint(number, 36))
	}
}

// sendBeat notes the time before it sends, so that the lease is counted from when this node can't have missed anything.
func (n *node) sendBeat(ctx context.Context, nonce string) {
	n.mu.Lock()
	up := n.up
	if up {
		n.prune()
		n.sent[nonce] = n.cache.now()
	}
	n.mu.Unlock()
	if !up {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	kind := beat
	if n.strict {
		kind = ping
	}
	err := n.feed.Send(ctx, kind+" "+n.name+" "+nonce) // one that fails isn't heard, and that is what counts
	n.mu.Lock()
	n.unsent = err
	n.mu.Unlock()
}

// prune forgets beats that came to nothing, and would give no lease any more.
func (n *node) prune() {
	now := n.cache.now()
	for nonce, at := range n.sent {
		if now-at > lease {
			delete(n.sent, nonce)
		}
	}
	for peer, seen := range n.peers {
		if now-seen > lease+margin {
			delete(n.peers, peer)
		}
	}
}

// sendAcks answers notices. While one message is under way, what is owed gathers for the next. An answer that can't be
// sent is lost: whoever waits for it waits for the end of this node's lease.
func (n *node) sendAcks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.acks:
		}
		n.mu.Lock()
		tokens := n.owed
		n.owed = nil
		n.mu.Unlock()
		for len(tokens) > 0 && ctx.Err() == nil {
			var text string
			text, tokens = ackText(n.name, tokens)
			n.sendAck(ctx, text)
		}
	}
}

func (n *node) sendAck(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	if err := n.feed.Send(ctx, text); err != nil {
		n.log(slog.LevelWarn, "answer on the feed lost", slog.Any("error", err))
	}
}

// reach sends a beat of a node that remembers nothing, and that nobody need wait for. Its nonce is none of sendBeats'.
func (n *node) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deaf)
	defer cancel()
	return n.feed.Send(ctx, ping+" "+n.name+" -")
}

func (n *node) sayGoodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	_ = n.feed.Send(ctx, leave+" "+n.name) // without it the others wait for the end of the lease
}
