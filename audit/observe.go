package audit

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"time"
)

const (
	// maxUnseen is how many events wait for an observer that is slower than they come.
	maxUnseen = 10_000
	// observeTimeout is how long Run waits at its end for an observer to see the last events.
	observeTimeout = 5 * time.Second
)

// observer is a function that sees events.
type observer struct {
	see    func(Event)
	events chan *Event // in the order in which they were stored
	done   chan struct{}
}

// Observe registers a function that is called with each event that the Store has, in their order and one at a time, on a goroutine
// of Run. It can neither delay nor fail what an event is about. While it is slower than events come, 10,000 wait for it; those
// that come on top are lost for it, and Stats counts them. So are the last ones if the process is killed: the Store has them all.
// Call Observe before the first event, and any number of times.
func (l *Log) Observe(see func(Event)) {
	l.observers = append(l.observers, &observer{see: see, events: make(chan *Event, maxUnseen), done: make(chan struct{})})
}

// show queues events for the observers. It never waits.
func (l *Log) show(events []*Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.observers {
		for _, e := range events {
			if !l.blind && o.queue(e) {
				continue
			}
			l.unseen++
		}
	}
}

// queue reports whether there was room for the event.
func (o *observer) queue(e *Event) bool {
	select {
	case o.events <- e:
		return true
	default:
		return false
	}
}

// observe starts a goroutine for each observer, and returns a function that waits until they have seen what is queued, or for
// observeTimeout at most.
func (l *Log) observe() (finish func()) {
	for _, o := range l.observers {
		go func() {
			defer close(o.done)
			for e := range o.events {
				l.call(o, e)
			}
		}()
	}
	return func() {
		l.mu.Lock()
		l.blind = true
		l.mu.Unlock()
		for _, o := range l.observers {
			close(o.events)
		}
		timeout := time.After(observeTimeout)
		for _, o := range l.observers {
			select {
			case <-o.done:
			case <-timeout:
				return
			}
		}
	}
}

// call shows one event to an observer. A panic is logged, and ends nothing.
func (l *Log) call(o *observer, e *Event) {
	defer func() {
		if p := recover(); p != nil && l.Text != nil {
			l.Text.LogAttrs(context.Background(), slog.LevelError, "observer of audit events panicked",
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
	}()
	shown := *e
	shown.Detail = maps.Clone(e.Detail)
	o.see(shown)
}
