package nearcache

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

const (
	// lease is L: for how long a beat that was heard lets a node answer from memory, counted from before it was sent.
	lease = time.Second
	// beatEvery is how often a node with nothing else to do says that it hears.
	beatEvery = lease / 4
	// margin is what is added to the lease of another node, since its clock may go a little slower than ours: by 2 %.
	margin = lease / 50
	// deaf is how long a node goes on listening without hearing itself, before it begins anew.
	deaf = 3 * time.Second
)

// node is the truth that a feed tells: this process among the others.
type node struct {
	cache  *Cache
	feed   feed.Feed
	strict bool
	name   string // random for each start: who has the name of another answers in its place
	until  atomic.Int64

	notices atomic.Uint64 // how many were given, for their tokens
	beats   chan struct{} // it is time for one, now
	acks    chan struct{} // some are waiting

	mu    sync.Mutex
	up    bool
	upAt  time.Duration
	heard time.Duration            // when the last beat of its own came back
	sent  map[string]time.Duration // beats of its own that haven't come back, and when they were sent
	peers map[string]time.Duration // other nodes, and when they were last heard
	waits map[string]*wait         // notices of its own, by their tokens
	owed  []string                 // tokens of notices of others, carried out and not answered yet

	complained time.Duration // when the log was last told that nothing is heard; 0: all is well, as far as the log knows
	unsent     error         // why the last beat could not be sent; nil: it was
}

func newNode(c *Cache, f feed.Feed, strict bool) *node {
	n := &node{
		cache: c, feed: f, strict: strict, name: rand.Text()[:16],
		beats: make(chan struct{}, 1), acks: make(chan struct{}, 1), waits: map[string]*wait{},
	}
	n.forget()
	return n
}

func (n *node) live(now time.Duration) bool { return int64(now) < n.until.Load() }

// begin and same have nothing to add to the marks, which say all: everything is marked while the node doesn't hear.
func (n *node) begin() (point uint64, ok bool) { return 0, true }
func (n *node) same(uint64) bool               { return true }

// goUp is called when everything that is sent from now on will be heard. What was given notice of before, and may not be
// written yet, is barred by time.
func (n *node) goUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up, n.upAt = true, n.cache.now()
	n.heard = n.upAt
	if !n.strict {
		n.cache.marks.resume(n.upAt + hold)
	}
	wake(n.beats)
}

// goDown is called when something may not have been heard.
func (n *node) goDown(err error) {
	n.forget()
	if !errors.Is(err, context.Canceled) {
		n.log(slog.LevelWarn, "feed down", slog.Any("error", err))
	}
}

// failed is called when an attempt to go up failed.
func (n *node) failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.complain("feed out of reach: every check asks the store", err)
}

// complain tells the log at once what is wrong with the feed, and then once a minute, until a beat is heard again. The
// caller has locked.
func (n *node) complain(what string, err error) {
	now := max(n.cache.now(), 1)
	if n.complained == 0 || now-n.complained >= time.Minute {
		n.log(slog.LevelWarn, what, slog.Any("error", err))
		n.complained = now
	}
}

// content is the end of a complaint. The caller has locked.
func (n *node) content() {
	if n.complained != 0 {
		n.log(slog.LevelInfo, "feed up")
		n.complained = 0
	}
}

// forget forgets everything, and whom it knows.
func (n *node) forget() {
	n.until.Store(0)
	n.cache.marks.void(forever)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up, n.owed = false, nil
	n.sent, n.peers = map[string]time.Duration{}, map[string]time.Duration{}
	for _, w := range n.waits {
		w.broken = true
		wake(w.changed)
	}
}

func (n *node) log(level slog.Level, what string, about ...slog.Attr) {
	if n.cache.log != nil {
		n.cache.log.LogAttrs(context.Background(), level, what, about...)
	}
}

// hear carries out one message. What it can't read may have been a notice.
func (n *node) hear(text string) {
	m, ok := parse(text)
	if !ok {
		n.confused(text)
		return
	}
	switch m.kind {
	case beat, ping:
		n.hearBeat(m, m.rest[0])
	case notice:
		n.hearNotice(m, text)
	case ack:
		n.hearAcks(m.node, m.rest)
	case leave:
		n.hearLeave(m.node)
	}
}

func (n *node) confused(text string) {
	n.log(slog.LevelWarn, "feed message not understood", slog.Int("bytes", len(text)))
	n.cache.marks.void(n.cache.now() + hold)
}

// hearBeat renews the lease by the time at which a beat of its own was sent, or takes note of another node.
func (n *node) hearBeat(m message, nonce string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m.node != n.name {
		if m.kind == beat {
			n.peers[m.node] = n.cache.now()
		}
		return
	}
	at, ok := n.sent[nonce]
	if !ok {
		return
	}
	delete(n.sent, nonce)
	n.heard = n.cache.now()
	n.content()
	if n.up && !n.strict {
		raise(&n.until, at+lease)
	}
}

// hearNotice drops, and only then owes an answer.
func (n *node) hearNotice(m message, text string) {
	keys, ok := m.keys()
	if !ok {
		n.confused(text)
		return
	}
	token := m.rest[0]
	if m.node == n.name {
		n.hearOwn(token)
		return
	}
	now := n.cache.now()
	n.cache.bar(now, now+hold, keys)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.owed = append(n.owed, token)
	wake(n.acks)
}

func (n *node) hearLeave(from string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.peers, from)
	for _, w := range n.waits {
		w.settle(from)
	}
}

// wake lets whoever waits for c look again.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *node) nextToken() string {
	return n.name + "-" + strconv.FormatUint(n.notices.Add(1), 36)
}
