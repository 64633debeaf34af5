package fence

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Direct passes short messages from one node to another without the feed, so that what concerns two nodes doesn't cost all of them.
// A message may be lost, repeated, late or out of order, but only a process that hears the feed can make one. Nothing depends on its
// arriving: what doesn't arrive is sent on the feed. Implementations are safe for concurrent use.
type Direct interface {
	// Place returns a word of printable ASCII with which others send to this process. It is told on the feed alone.
	Place() string

	// Send sends a message of up to [MaxDirect] bytes to a place. It doesn't wait until it has arrived.
	Send(place, message string)

	// Receive calls hear with each message until ctx ends, one at a time. An error means that there will be none.
	Receive(ctx context.Context, hear func(message string)) error
}

// MaxDirect is the length of the longest message that takes the direct way, in bytes.
const MaxDirect = 200

const (
	// gatherFrom is from how many other nodes on heartbeats are gathered. Fewer cost little, and each is safer by itself.
	gatherFrom = 8
	// placeEvery is after how many heartbeats a node sends one on the feed itself, with its place; with many nodes it is less often.
	placeEvery = 40
	// olderFor is how long after the last message of a node that can't read gathered heartbeats none are gathered. Such a node hears the
	// feed for no longer: it has connected again by then, and asked who answers from memory.
	olderFor = 2 * maxSilence
	// linkFor is how long an answered greeting lets a node send directly.
	linkFor = 3 * time.Minute
	// greetEvery is how often the same node is greeted at most while it answers, and greetSoon while it doesn't.
	greetEvery, greetSoon = 10 * time.Second, heartbeatEvery
	// remindAfter is how long after a notice has come back the first reminder is sent to a node whose acknowledgement is missing. The
	// pause doubles, and after remindDirectly reminders the last one takes the feed.
	remindAfter, remindDirectly = 4 * time.Millisecond, 3
	// positionFor is how long a node can be reminded of a notice.
	positionFor = 2 * lease
)

// link is what a node knows of the direct way to another.
type link struct {
	place   string
	told    time.Duration // when the place was last heard
	greeted time.Duration // when a greeting was last sent
	open    bool          // the last greeting has been answered
	opened  time.Duration // when
	beat    uint64        // the number of the last heartbeat that was received
}

func (l *link) usable(now time.Duration) bool { return l != nil && l.open && now-l.opened < linkFor }

// position is the last notice of a node that was carried out.
type position struct {
	number uint64
	at     time.Duration
}

// receive handles messages that come directly until ctx ends.
func (n *Node) receive(ctx context.Context) {
	if n.direct == nil {
		return
	}
	if err := n.direct.Receive(ctx, n.handleDirect); err != nil {
		n.log(slog.LevelWarn, "nothing received from other nodes directly", slog.Any("error", err))
	}
}

// handleDirect handles one message. One that it can't read changes nothing, since no notice comes this way.
func (n *Node) handleDirect(text string) {
	m, ok := parseDirect(text)
	if !ok || m.node == n.name {
		return
	}
	switch m.kind {
	case greeting:
		n.direct.Send(m.rest[0], welcome+" "+n.name)
		n.greet(m.node, m.rest[0])
	case welcome:
		n.mu.Lock()
		if l := n.links[m.node]; l != nil {
			l.open, l.opened = true, n.memory.Now()
		}
		n.mu.Unlock()
	case heartbeat:
		n.gatherHeartbeat(m.node, m.rest[0])
	case acknowledgement:
		n.handleAcknowledgement(m.node, m.rest)
	case reminder:
		n.answerReminder(m)
	}
}

// greet notes the place of another node, and asks it to answer.
func (n *Node) greet(node, place string) {
	if n.direct == nil {
		return
	}
	n.mu.Lock()
	now := n.memory.Now()
	l := n.links[node]
	if l == nil || l.place != place {
		l = &link{place: place, greeted: now - greetEvery}
		n.links[node] = l
	}
	l.told = now
	due := now-l.greeted >= greetEvery || !l.open && now-l.greeted >= greetSoon
	if due {
		l.greeted = now
	}
	n.mu.Unlock()
	if due {
		n.direct.Send(place, greeting+" "+n.name+" "+n.direct.Place())
	}
}

// pruneLinks forgets places that weren't heard for long, and notices that nothing waits for any more. The caller holds mu.
func (n *Node) pruneLinks(now time.Duration) {
	for node, l := range n.links {
		if now-l.told > linkFor {
			delete(n.links, node)
		}
	}
	for node, p := range n.positions {
		if now-p.at > positionFor {
			delete(n.positions, node)
		}
	}
}

// acknowledge tells a node that its notice was carried out: directly, if it answers there. A node that caches nothing isn't waited
// for.
func (n *Node) acknowledge(node, token string) {
	n.mu.Lock()
	if !n.running || n.strict {
		n.mu.Unlock()
		return
	}
	now := n.memory.Now()
	if _, number, ok := parseToken(token); ok {
		n.positions[node] = position{number, now}
	}
	l := n.links[node]
	if !l.usable(now) {
		n.unacked = append(n.unacked, token)
		wake(n.ackReady)
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	n.direct.Send(l.place, acknowledgement+" "+n.name+" "+token)
}

// remind asks for the acknowledgements of a notice that are missing, and does so again until all are there or nothing waits for it. The first
// reminder follows remindAfter after the notice has come back: before, the feed may not have brought it to others either, and reminders would
// burden a slow feed.
func (n *Node) remind(p *pendingNotice, try int) {
	nodes, places := n.late(p)
	switch {
	case len(nodes) == 0:
		return
	case try < remindDirectly:
		for _, place := range places {
			n.direct.Send(place, reminder+" "+n.name+" "+p.token)
		}
		n.mu.Lock()
		p.reminder = time.AfterFunc(remindAfter<<(try+1), func() { n.remind(p, try+1) })
		n.mu.Unlock()
	default:
		ctx, cancel := context.WithTimeout(context.Background(), lease)
		defer cancel()
		for _, text := range listText(reminder+" "+n.name+" "+p.token, nodes, 1) {
			_ = n.feed.Send(ctx, text) // without it the revocation waits until the leases have run out
		}
	}
}

// late returns the nodes that may have acknowledged a notice directly, and haven't been heard, with their places. There are none once
// nothing waits for the notice.
func (n *Node) late(p *pendingNotice) (nodes, places []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.waiting == 0 || p.broken {
		return nil, nil
	}
	for node := range p.missing {
		if l := n.links[node]; l != nil {
			nodes, places = append(nodes, node), append(places, l.place)
		}
	}
	return nodes, places
}

// carriedOut reports whether the notice of a reminder was carried out. The caller holds mu.
func (n *Node) carriedOut(m message) bool {
	node, number, ok := parseToken(m.rest[0])
	return ok && node == m.node && n.running && !n.strict && n.positions[node].number >= number
}

// answerReminder acknowledges a notice directly once more, if it was carried out. If it wasn't, its acknowledgement is still to come.
func (n *Node) answerReminder(m message) {
	n.mu.Lock()
	done, l := n.carriedOut(m), n.links[m.node]
	n.mu.Unlock()
	if done && l != nil {
		n.direct.Send(l.place, acknowledgement+" "+n.name+" "+m.rest[0])
	}
}

// handleReminder acknowledges a notice on the feed. The direct way to its node doesn't work if the acknowledgement had the time to arrive
// there; otherwise the feed was slow, and brought the notice and the reminder together.
func (n *Node) handleReminder(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(m.rest[1:], n.name) {
		return
	}
	if !n.carriedOut(m) {
		return
	}
	if l := n.links[m.node]; l != nil && n.memory.Now()-n.positions[m.node].at > remindAfter {
		l.open = false
	}
	n.unacked = append(n.unacked, m.rest[0])
	wake(n.ackReady)
}

// gatherer returns the place of the node that sends this node's heartbeat with others', or "" if this node sends it. That is the first by
// name to which the direct way works, unless a heartbeat that took it hasn't come back. The caller holds mu.
func (n *Node) gatherer(number uint64) (place string) {
	if n.direct == nil || len(n.peers) < gatherFrom || len(n.gathered) > 0 || n.placeDue(number) || n.besideOlder() {
		return ""
	}
	now := n.memory.Now()
	first := n.name
	for peer := range n.peers {
		if peer < first && n.links[peer].usable(now) {
			first, place = peer, n.links[peer].place
		}
	}
	for _, at := range n.heartbeats {
		if l := n.links[first]; now-at > heartbeatEvery*3/2 && l != nil {
			l.open = false
			return ""
		}
	}
	return place
}

// placeDue reports whether a heartbeat is to tell this node's place to all, so that others can greet it. The caller holds mu.
func (n *Node) placeDue(number uint64) bool {
	return !n.placed || number%max(placeEvery, uint64(len(n.peers)/2)) == 0
}

// gatherHeartbeat keeps a heartbeat of another node until this node sends its own. One that comes twice counts once.
func (n *Node) gatherHeartbeat(node, nonce string) {
	number, err := strconv.ParseUint(nonce, 36, 64)
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[node]
	if err != nil || l == nil || number <= l.beat || !n.up || !n.running || n.strict {
		return
	}
	l.beat = number
	n.gathered[node] = strconv.FormatUint(number, 36)
}

// heartbeatTexts returns the messages with this node's heartbeat and those that it has gathered. The caller holds mu.
func (n *Node) heartbeatTexts(caches bool, number uint64) (texts []string) {
	nonce := strconv.FormatUint(number, 36)
	var words []string
	if !n.besideOlder() {
		for node, nonce := range n.gathered {
			words = append(words, node, nonce)
		}
	}
	n.gathered = map[string]string{}
	switch {
	case len(words) > 0 && !n.placeDue(number):
		words = append(words, n.name, nonce)
	case caches:
		texts = append(texts, heartbeat+" "+n.name+" "+nonce+readsGathered)
	default:
		texts = append(texts, ping+" "+n.name+" "+nonce+readsGathered)
	}
	if n.direct != nil && len(texts) > 0 {
		texts[0] += n.direct.Place()
		n.placed = true
	}
	return append(texts, listText(gathered+" "+n.name, words, 2)...)
}

// handleGathered handles the heartbeats of several nodes. Each counts from when its own node began to send it. It gives no lease if a
// node hears the feed that can't read it, and so doesn't know of that lease.
func (n *Node) handleGathered(m message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	older := n.besideOlder()
	for i := 0; i < len(m.rest); i += 2 {
		if m.rest[i] != n.name || !older {
			n.heardHeartbeat(heartbeat, m.rest[i], m.rest[i+1])
		}
	}
}

// noteBuild notes whether the node of a heartbeat or a question can't read gathered heartbeats. The caller holds mu.
func (n *Node) noteBuild(m message) {
	if !strings.Contains(m.rest[0], readsGathered) {
		n.older[m.node] = n.memory.Now()
	}
}

// besideOlder reports whether a node hears the feed that can't read gathered heartbeats. The caller holds mu.
func (n *Node) besideOlder() bool {
	now := n.memory.Now()
	maps.DeleteFunc(n.older, func(_ string, at time.Duration) bool { return now-at > olderFor })
	return len(n.older) > 0
}
