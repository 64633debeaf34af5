package fence

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// Node is the [Validator] of a process that shares its stores with other processes, over a feed.
type Node struct {
	memory Memory
	feed   feed.Feed
	direct Direct // nil: none
	strict bool
	logger *slog.Logger
	name   string       // random for each start of a process
	until  atomic.Int64 // end of this node's lease

	beatNow  chan struct{} // a heartbeat is due now
	ackReady chan struct{} // acknowledgements or answers are waiting to be sent
	askNow   chan struct{} // the feed has come up
	sending  chan struct{} // held while a notice is being sent

	mu         sync.Mutex
	up         bool
	upAt       time.Duration
	heard      time.Duration             // when the last own heartbeat came back
	heartbeats map[string]time.Duration  // own heartbeats that haven't come back, and when they were sent
	peers      map[string]time.Duration  // other nodes, and when they were last heard
	notices    map[string]*pendingNotice // own notices, by token
	gathering  *pendingNotice            // the next notice, if keys wait for it
	asked      string                    // the nonce of the last question; an answer to an earlier one is from another time
	told       bool                      // the question was answered since the feed came up
	questions  []string                  // askers that wait for an answer, each with its nonce
	ran        bool                      // Run was called
	running    bool                      // Run hasn't returned
	closed     bool
	visit      *visit        // nil: it hasn't begun
	upOnce     chan struct{} // closed when the feed has come up for the first time
	unacked    []string      // tokens of notices of others that were carried out and not yet acknowledged

	sent      uint64              // the number of the last notice that was sent
	links     map[string]*link    // other nodes with a place, by name
	positions map[string]position // the last notice of each other node that was carried out
	gathered  map[string]string   // heartbeats of others that wait to be passed on: nonces by node
	placed    bool                // this node's place was told since the feed came up

	older map[string]time.Duration // nodes that can't read gathered heartbeats, and when they were last heard
	left  map[string]time.Duration // nodes that have left, and when

	loggedDown time.Duration // when the log was last told that the feed is down; 0: it is up, as far as the log says
	unsent     error         // why the last heartbeat could not be sent; nil: it was
}

// NewNode returns a Node for a memory. A strict node caches nothing itself, but its revocations are fenced for the sake of
// the others. A nil d means that all messages take the feed; a nil logger is silent.
func NewNode(m Memory, f feed.Feed, d Direct, strict bool, logger *slog.Logger) *Node {
	n := &Node{
		memory: m, feed: f, direct: d, strict: strict, logger: logger, name: rand.Text()[:16],
		beatNow: make(chan struct{}, 1), ackReady: make(chan struct{}, 1), askNow: make(chan struct{}, 1), sending: make(chan struct{}, 1),
		notices: map[string]*pendingNotice{}, upOnce: make(chan struct{}), links: map[string]*link{},
		left: map[string]time.Duration{},
	}
	n.reset()
	return n
}

// Live implements [Validator].
func (n *Node) Live(now time.Duration) bool { return int64(now) < n.until.Load() }

// BeginRead implements [Validator]. The memory's blocks say everything: while the feed is down, all is blocked.
func (n *Node) BeginRead() (point uint64, ok bool) { return 0, true }

// Unchanged implements [Validator].
func (n *Node) Unchanged(uint64) bool { return true }

// AssumeAlone lets the memory be used at once after the feed has come up, without waiting for notices that other nodes may
// have sent before. Only a test or a benchmark knows that there are none.
func (n *Node) AssumeAlone() {
	n.mu.Lock()
	n.upAt = -time.Minute
	n.mu.Unlock()
	n.memory.UnblockAll(0)
}

// onUp is called when the node will receive everything that is sent from now on. Notices that were sent before, and whose
// writes may be outstanding, are covered by a block of everything for BlockFor.
func (n *Node) onUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up, n.upAt = true, n.memory.Now()
	n.heard = n.upAt
	if !n.strict {
		n.memory.UnblockAll(n.upAt + BlockFor)
	}
	select {
	case <-n.upOnce:
	default:
		close(n.upOnce)
	}
	wake(n.beatNow)
	wake(n.askNow)
}

// onDown is called when messages may have been missed.
func (n *Node) onDown(err error) {
	n.reset()
	if !errors.Is(err, context.Canceled) {
		n.log(slog.LevelWarn, "feed down", slog.Any("error", err))
	}
}

// onFailed is called when an attempt to connect to the feed failed.
func (n *Node) onFailed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.logDown("feed out of reach: every check asks the store", err)
}

// logDown logs what is wrong with the feed at once, and then once a minute until a heartbeat comes back. The caller holds mu.
func (n *Node) logDown(what string, err error) {
	now := max(n.memory.Now(), 1)
	if n.loggedDown == 0 || now-n.loggedDown >= time.Minute {
		n.log(slog.LevelWarn, what, slog.Any("error", err))
		n.loggedDown = now
	}
}

// logRecovered ends what logDown began. The caller holds mu.
func (n *Node) logRecovered() {
	if n.loggedDown != 0 {
		n.log(slog.LevelInfo, "feed up")
		n.loggedDown = 0
	}
}

// reset gives up the lease, blocks everything, and forgets the other nodes.
func (n *Node) reset() {
	n.until.Store(0)
	n.memory.BlockAll(Forever)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up, n.unacked, n.questions, n.asked, n.told, n.placed = false, nil, nil, "", false, false
	n.positions, n.gathered, n.older = map[string]position{}, map[string]string{}, map[string]time.Duration{}
	n.heartbeats, n.peers = map[string]time.Duration{}, map[string]time.Duration{}
	for _, p := range n.notices {
		p.broken = true
		n.update(p)
	}
}

func (n *Node) log(level slog.Level, what string, attrs ...slog.Attr) {
	if n.logger != nil {
		n.logger.LogAttrs(context.Background(), level, what, attrs...)
	}
}

// handle carries out one message. One that it can't read may have been a notice.
func (n *Node) handle(text string) {
	m, ok := parse(text)
	if !ok {
		n.handleUnknown(text)
		return
	}
	switch m.kind {
	case heartbeat, ping:
		n.handleHeartbeat(m)
	case gathered:
		n.handleGathered(m)
	case notice:
		n.handleNotice(m, text)
	case acknowledgement:
		n.handleAcknowledgement(m.node, m.rest)
	case reminder:
		n.handleReminder(m)
	case leave:
		n.handleLeave(m.node)
	case question:
		n.handleQuestion(m)
	case answer:
		n.handleAnswer(m)
	}
}

func (n *Node) handleUnknown(text string) {
	n.log(slog.LevelWarn, "feed message not understood", slog.Int("bytes", len(text)))
	n.memory.BlockAll(n.memory.Now() + BlockFor)
}

// handleHeartbeat handles a heartbeat that its node has sent on the feed itself.
func (n *Node) handleHeartbeat(m message) {
	nonce, place, _ := strings.Cut(m.rest[0], readsGathered)
	n.mu.Lock()
	n.noteBuild(m)
	n.heardHeartbeat(m.kind, m.node, nonce)
	n.mu.Unlock()
	if m.node != n.name && place != "" {
		n.greet(m.node, place)
	}
}

// heardHeartbeat renews the lease by the time at which an own heartbeat was sent, or notes that another node is alive. The caller
// holds mu.
func (n *Node) heardHeartbeat(kind, node, nonce string) {
	if node != n.name {
		if kind == heartbeat && !n.hasLeft(node) {
			n.peers[node] = n.memory.Now()
		}
		return
	}
	at, ok := n.heartbeats[nonce]
	if !ok {
		return
	}
	for earlier, sent := range n.heartbeats { // one that was gathered together with a later one doesn't come back
		if sent <= at {
			delete(n.heartbeats, earlier)
		}
	}
	n.heard = n.memory.Now()
	n.logRecovered()
	if n.up && kind == heartbeat {
		n.extendLease(at + lease)
	}
}

// extendLease never shortens the lease.
func (n *Node) extendLease(until time.Duration) {
	for {
		before := n.until.Load()
		if int64(until) <= before || n.until.CompareAndSwap(before, int64(until)) {
			return
		}
	}
}

// handleNotice drops the entries first, and only then queues the acknowledgement.
func (n *Node) handleNotice(m message, text string) {
	keys, ok := m.keys()
	if !ok {
		n.handleUnknown(text)
		return
	}
	token := m.rest[0]
	if m.node == n.name {
		n.handleOwnNotice(token)
		return
	}
	now := n.memory.Now()
	n.memory.Block(now, now+BlockFor, keys)
	n.acknowledge(m.node, token)
}

// hasLeft reports whether a node has left. It answers nothing from memory ever again, whatever was sent before and comes late. The
// caller holds mu.
func (n *Node) hasLeft(node string) bool {
	_, left := n.left[node]
	return left
}

func (n *Node) handleLeave(from string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left[from] = n.memory.Now()
	delete(n.peers, from)
	delete(n.older, from)
	delete(n.links, from)
	delete(n.gathered, from)
	for _, p := range n.notices {
		n.settle(p, from)
	}
}

// wake makes the receiver of c run once more. It never blocks.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
