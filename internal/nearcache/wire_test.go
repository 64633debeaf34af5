package nearcache_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// network is a feed that the test controls: what each node receives, and when.
type network struct {
	mu       sync.Mutex
	messages []string
	wires    []*wire
	lanes    map[string]*lane // by their places
	direct   bool             // nodes have lanes
}

// wire is one node's connection to the network.
type wire struct {
	net     *network
	changed chan struct{}

	// Guarded by net.mu.
	frozen bool          // receives nothing, and doesn't notice
	cut    bool          // goes down, and can't come up
	mute   error         // what Send returns
	delay  time.Duration // before Send does anything
	old    bool          // stays with a former primary, which it has for itself
	alone  []string      // the messages there, not yet delivered
	heard  int           // how many of the messages were delivered or missed
	ups    int
}

func (n *network) join() *wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := &wire{net: n, changed: make(chan struct{}, 1)}
	n.wires = append(n.wires, w)
	return w
}

// set changes the state of a wire, and has the wire notice it.
func (w *wire) set(change func()) {
	w.net.mu.Lock()
	change()
	w.net.mu.Unlock()
	w.wake()
}

func (w *wire) freeze() { w.set(func() { w.frozen = true }) }
func (w *wire) thaw()   { w.set(func() { w.frozen = false }) }
func (w *wire) cutOff() { w.set(func() { w.cut = true }) }
func (w *wire) mend()   { w.set(func() { w.cut = false }) }

func (w *wire) silence(err error) { w.set(func() { w.mute = err }) }

func (w *wire) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *wire) Send(ctx context.Context, message string) error {
	if err := errors.Join(ctx.Err(), feed.Check(message)); err != nil {
		return err
	}
	w.net.mu.Lock()
	delay := w.delay
	w.net.mu.Unlock()
	time.Sleep(delay)
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.mute != nil {
		return w.mute
	}
	if w.old {
		w.alone = append(w.alone, message)
		w.wake()
		return nil
	}
	w.net.messages = append(w.net.messages, message)
	for _, other := range w.net.wires {
		other.wake()
	}
	return nil
}

var errCut = errors.New("cut")

func (w *wire) Listen(ctx context.Context, l feed.Listener) error {
	up, told := false, false
	for {
		message, now := w.next(up)
		switch {
		case !up && !now && !told && ctx.Err() == nil:
			told = true
			l.Failed(errCut)
		case ctx.Err() != nil || up && !now:
			if up {
				up = false
				l.Down(cmp.Or(ctx.Err(), errCut))
			}
			if ctx.Err() != nil {
				return nil
			}
		case !up && now:
			up, told = true, false
			l.Up()
		case message != "":
			l.Message(message)
		default:
			select {
			case <-ctx.Done():
			case <-w.changed:
			case <-time.After(time.Second):
				told = false // it connects again
			}
		}
	}
}

// next returns the next message, if it may be delivered, and whether the wire is up.
func (w *wire) next(up bool) (message string, now bool) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	switch {
	case w.cut:
		return "", false
	case !up:
		w.heard = len(w.net.messages)
		w.ups++
		return "", true
	case w.old && len(w.alone) > 0:
		message, w.alone = w.alone[0], w.alone[1:]
		return message, true
	case w.old:
		return "", true
	case w.frozen || w.heard == len(w.net.messages):
		return "", true
	}
	message = w.net.messages[w.heard]
	w.heard++
	return message, true
}

// said returns the messages of a kind so far.
func (n *network) said(kind string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, m := range n.messages {
		if strings.HasPrefix(m, kind+" ") {
			all = append(all, m)
		}
	}
	return all
}

// lane is one node's direct way to others, which the test controls too.
type lane struct {
	net   *network
	place string
	inbox chan delivery

	// Guarded by net.mu.
	lost  bool          // what is sent to it is lost
	moody bool          // loses some messages, passes some on twice, and some late
	delay time.Duration // before it hears
	heard []string
}

func (n *network) open() *lane {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lanes == nil {
		n.lanes = map[string]*lane{}
	}
	l := &lane{net: n, place: "place-" + strconv.Itoa(len(n.lanes)), inbox: make(chan delivery, 10_000)}
	n.lanes[l.place] = l
	return l
}

func (l *lane) set(change func()) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	change()
}

func (l *lane) Place() string { return l.place }

func (l *lane) Send(place, message string) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	to := l.net.lanes[place]
	if to == nil || to.lost || l.moody && rand.IntN(4) == 0 {
		return
	}
	sent := delivery{message, time.Now().Add(to.delay)}
	to.inbox <- sent
	if l.moody && rand.IntN(4) == 0 {
		time.AfterFunc(rand.N(2*time.Second), func() { to.inbox <- sent })
	}
}

func (l *lane) Receive(ctx context.Context, hear func(string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case sent := <-l.inbox:
			time.Sleep(time.Until(sent.at))
			l.set(func() { l.heard = append(l.heard, sent.message) })
			hear(sent.message)
		}
	}
}

// told returns the messages of a kind that the lane has heard.
func (l *lane) told(kind string) (all []string) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for _, m := range l.heard {
		if strings.HasPrefix(m, kind+" ") {
			all = append(all, m)
		}
	}
	return all
}
