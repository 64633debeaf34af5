package fence

import (
	"context"
	"errors"
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
	group.Go(func() { n.receive(inner) })
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
	for number := uint64(1); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-n.beatNow:
		case <-ticker.C:
		}
		n.sendHeartbeat(ctx, number)
	}
}

// sendHeartbeat notes the time before it sends, so that the lease counts from when this node can't have missed anything. That holds
// for a heartbeat that another node gathers too, which sends it later still.
func (n *Node) sendHeartbeat(ctx context.Context, number uint64) {
	nonce := strconv.FormatUint(number, 36)
	n.mu.Lock()
	if !n.up {
		n.mu.Unlock()
		return
	}
	n.prune()
	caches := n.running && !n.strict
	gatherer := ""
	if caches {
		gatherer = n.gatherer(number)
	}
	n.heartbeats[nonce] = n.memory.Now()
	var texts []string
	if gatherer == "" {
		texts = n.heartbeatTexts(caches, number)
	}
	n.mu.Unlock()
	if gatherer != "" {
		n.direct.Send(gatherer, heartbeat+" "+n.name+" "+nonce)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	var failed error
	for _, text := range texts {
		failed = errors.Join(failed, n.feed.Send(ctx, text)) // a heartbeat that fails doesn't come back, which is what counts
	}
	n.mu.Lock()
	n.unsent = failed
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
	for node, at := range n.left {
		if now-at > lease+margin {
			delete(n.left, node)
		}
	}
	n.pruneLinks(now)
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
	return n.feed.Send(ctx, ping+" "+n.name+" -"+readsGathered)
}

func (n *Node) sendLeave() {
	ctx, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	_ = n.feed.Send(ctx, leave+" "+n.name) // without it the others wait until the lease has run out
}
