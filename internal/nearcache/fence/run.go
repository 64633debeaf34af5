package fence

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// Run implements [Validator]. When ctx ends, the node stops answering from memory and then sends a leave message, so that
// others needn't wait for its lease to run out.
func (n *Node) Run(ctx context.Context) error {
	n.mu.Lock()
	n.ran, n.running = true, true
	n.mu.Unlock()
	n.endVisit()
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { n.sendAcknowledgements(inner) })
	group.Go(func() { n.sendHeartbeats(inner) })
	group.Go(func() { n.ask(inner) })
	err := n.listen(ctx)
	stop()
	group.Wait()
	n.mu.Lock()
	n.running = false
	n.mu.Unlock()
	if err == nil && !n.strict {
		n.sendLeave()
	}
	return err
}

// listen listens until ctx ends. It reconnects whenever the node hasn't received its own heartbeats for too long, because a
// connection whose other end has vanished looks like an idle one.
func (n *Node) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		turn, stop := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			n.watch(turn, stop)
		}()
		err := n.feed.Listen(turn, feed.Listener{Up: n.onUp, Message: n.handle, Down: n.onDown, Failed: n.onFailed})
		stop()
		<-watched
		if err != nil {
			return err
		}
	}
	return nil
}

// watch calls restart if the node is up and receives nothing.
func (n *Node) watch(ctx context.Context, restart func()) {
	ticker := time.NewTicker(maxSilence / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n.mu.Lock()
		silent := n.up && n.memory.Now()-n.heard > maxSilence
		if silent {
			n.logDown("feed silent: every check asks the store", n.unsent)
		}
		n.mu.Unlock()
		if silent {
			restart()
			return
		}
	}
}

// sendHeartbeats sends one at once when the feed comes up, and then one in each interval.
func (n *Node) sendHeartbeats(ctx context.Context) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for number := uint64(0); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-n.beatNow:
		case <-ticker.C:
		}
		n.sendHeartbeat(ctx, strconv.FormatUint(number, 36))
	}
}

// sendHeartbeat notes the time before it sends, so that the lease counts from when this node can't have missed anything.
func (n *Node) sendHeartbeat(ctx context.Context, nonce string) {
	n.mu.Lock()
	up, caches := n.up, n.running && !n.strict
	if up {
		n.prune()
		n.heartbeats[nonce] = n.memory.Now()
	}
	n.mu.Unlock()
	if !up {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	kind := ping
	if caches {
		kind = heartbeat
	}
	err := n.feed.Send(ctx, kind+" "+n.name+" "+nonce) // a heartbeat that fails doesn't come back, which is what counts
	n.mu.Lock()
	n.unsent = err
	n.mu.Unlock()
}

// prune forgets heartbeats that would give no lease any more, and nodes whose leases have run out.
func (n *Node) prune() {
	now := n.memory.Now()
	for nonce, at := range n.heartbeats {
		if now-at > lease {
			delete(n.heartbeats, nonce)
		}
	}
	for peer, seen := range n.peers {
		if now-seen > lease+margin {
			delete(n.peers, peer)
		}
	}
}

// sendAcknowledgements acknowledges notices; those that arrive while a message is being sent share the next one. If an
// acknowledgement can't be sent, its receiver waits until this node's lease has run out.
func (n *Node) sendAcknowledgements(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.ackReady:
		}
		n.mu.Lock()
		tokens := n.unacked
		n.unacked = nil
		answers := n.answers()
		n.mu.Unlock()
		for _, text := range answers {
			n.sendAcknowledgement(ctx, text)
		}
		for len(tokens) > 0 && ctx.Err() == nil {
			var text string
			text, tokens = acknowledgementText(n.name, tokens)
			n.sendAcknowledgement(ctx, text)
		}
	}
}

func (n *Node) sendAcknowledgement(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	if err := n.feed.Send(ctx, text); err != nil {
		n.log(slog.LevelWarn, "acknowledgement on the feed lost", slog.Any("error", err))
	}
}

// Reach implements [Validator]. It sends the heartbeat of a node that caches nothing, with a nonce that sendHeartbeats
// never uses.
func (n *Node) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxSilence)
	defer cancel()
	return n.feed.Send(ctx, ping+" "+n.name+" -")
}

func (n *Node) sendLeave() {
	ctx, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	_ = n.feed.Send(ctx, leave+" "+n.name) // without it the others wait until the lease has run out
}
