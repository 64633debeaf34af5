package nearcache

import (
	"context"
	"fmt"
	"time"
)

// wait is a notice of this node's that others have yet to answer. It is guarded by the node's mutex.
type wait struct {
	heard   bool                     // this node has heard its own notice, so it knows whom to wait for
	broken  bool                     // the feed went down since the notice was given
	pending map[string]time.Duration // who has not answered, and when it can't answer from memory any more
	young   time.Duration            // until then there may be others, not heard of since this node began to listen
	changed chan struct{}
}

// fence is the order of things: every memory drops the keys and bars them for T, or its lease runs out; then the store is
// written, which is given up when the bars might be lifted; and if that has happened, since a write that was given up may
// have been done all the same, every memory drops the keys once more.
func (n *node) fence(ctx context.Context, keys []key, write func(context.Context) error) error {
	began, err := n.announce(ctx, keys)
	for err == nil && n.left(began) <= 0 {
		began, err = n.announce(ctx, keys)
	}
	if err != nil {
		return fmt.Errorf("announce what ends: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, n.left(began))
	defer cancel()
	err = write(bounded)
	if n.left(began) > 0 {
		return err
	}
	if _, err := n.announce(ctx, keys); err != nil {
		return fmt.Errorf("announce once more what ends: %w", err)
	}
	return err
}

// left returns how long others, whose clocks may go a little faster, will keep the bars that were asked for at began.
func (n *node) left(began time.Duration) time.Duration { return began + hold - hold/50 - n.cache.now() }

// announce gives notice of the keys, and returns when no node remembers anything of them or may remember it anew, and
// when it began to: the bars count from then.
func (n *node) announce(ctx context.Context, keys []key) (began time.Duration, err error) {
	began = n.cache.now()
	n.cache.bar(began, began+hold, keys)
	token := n.nextToken()
	w := &wait{changed: make(chan struct{}, 1)}
	n.mu.Lock()
	w.broken = !n.up
	n.waits[token] = w
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.waits, token)
		n.mu.Unlock()
	}()
	if err := n.feed.Send(ctx, noticeText(n.name, token, keys)); err != nil {
		return 0, err
	}
	return began, n.await(ctx, w, n.cache.now()+lease+margin)
}

// await waits until everybody has answered or has no lease any more. Beats that nobody here has heard were sent before
// the notice was, so no wait is longer than until limit.
func (n *node) await(ctx context.Context, w *wait, limit time.Duration) error {
	for {
		pause := n.open(w, limit) - n.cache.now()
		if pause <= 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-w.changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// open returns until when some memory may hold what the notice is about, as far as is known.
func (n *node) open(w *wait, limit time.Duration) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !w.heard || w.broken {
		return limit
	}
	until := w.young
	for _, end := range w.pending {
		until = max(until, end)
	}
	return min(until, limit)
}

// hearOwn settles whom a notice waits for: whoever was heard shortly before it. Who is heard only behind it hears it
// before it may answer from memory.
func (n *node) hearOwn(token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.waits[token]
	if w == nil || w.broken {
		return
	}
	now := n.cache.now()
	w.heard, w.young, w.pending = true, n.upAt+lease+margin, map[string]time.Duration{}
	for peer, seen := range n.peers {
		if end := seen + lease + margin; end > now {
			w.pending[peer] = end
		} else {
			delete(n.peers, peer)
		}
	}
	wake(w.changed)
}

func (n *node) hearAcks(from string, tokens []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, token := range tokens {
		if w := n.waits[token]; w != nil {
			w.settle(from)
		}
	}
}

// settle waits no longer for a node.
func (w *wait) settle(from string) {
	if _, ok := w.pending[from]; ok {
		delete(w.pending, from)
		wake(w.changed)
	}
}
