package audit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/background"
)

const (
	// flushEvery is how long an event may wait for others to be written with.
	flushEvery = 250 * time.Millisecond
	// storeTimeout bounds one write.
	storeTimeout = 5 * time.Second
	// batch is how many events are written in one step.
	batch = 500
	// room is how many events may wait while the store is out or slow. Those of administrators wait beside them.
	room = 10_000

	// ofUsers and ofStrangers are how many events of one name are kept a minute: of those that name a user, and of those
	// that anybody can cause.
	ofUsers     = 6000
	ofStrangers = 1000

	// purgeBatch is how many events that are too old are removed in one step.
	purgeBatch = 500

	// StandardKeep is how long events are kept.
	StandardKeep = 365 * 24 * time.Hour
)

// LeftOut is the name of the event that says how many others were not kept.
const LeftOut = "audit_events_left_out"

// Log writes events to a Store, many in one step. Set the fields before first use; after that it is safe for concurrent use.
//
// Events wait in memory for at most a quarter of a second, or until somebody calls Flush. While the store is out they wait
// on, as many as there is room for. Of a flood, so many of one name are kept a minute; how many were left out is an event
// too, and all are in the text log.
type Log struct {
	Store Store
	Keep  time.Duration // 0: StandardKeep

	// Who returns the ID of the user with a name as typed, or "", for events that have only the name. Of a name that is
	// nobody's the store gets the first two letters: it may be a password, typed into the wrong field. nil: names are kept.
	Who func(ctx context.Context, login string) string

	// Report tells the operator what the Log can't keep. nil: nobody is told.
	Report *slog.Logger

	begin sync.Once
	turn  chan struct{} // has room for whoever writes a batch; others wait no longer than their contexts allow

	mu      sync.Mutex
	waiting []*Event
	minute  int64          // the one that counts is for
	counts  map[string]int // events of this minute, by budget
	left    int            // events that were left out since the last one that says so
	leftOut int            // since the process began
}

// Load is what a Log has to do.
type Load struct {
	Waiting int // events that are not in the store yet
	LeftOut int // events that had no room, since the process began
}

// Load returns what the Log has to do now.
func (l *Log) Load() Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Load{len(l.waiting), l.leftOut}
}

// add puts an event in line. Those of administrators always find a place.
func (l *Log) add(e *Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !act(e) && (!l.affords(e) || len(l.waiting) >= room) {
		l.left++
		l.leftOut++
		return
	}
	l.waiting = append(l.waiting, e)
}

// act reports whether it is something that only administrators do, or that somebody did to another's account or a group.
func act(e *Event) bool { return e.Name == actName || e.Actor != "" && e.Actor != e.Subject }

// affords counts an event, and reports whether it is within the budget of its minute.
func (l *Log) affords(e *Event) bool {
	if minute := e.At / 60_000; minute != l.minute || l.counts == nil {
		l.minute, l.counts = minute, map[string]int{}
	}
	budget, most := e.Name, ofStrangers
	if e.Subject != "" {
		budget, most = e.Name+" ", ofUsers
	}
	l.counts[budget]++
	return l.counts[budget] <= most
}

// take takes the next batch out of the line; nil if there is none.
func (l *Log) take() []*Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.waiting = append(l.waiting, &Event{
			At: time.Now().UnixMilli(), Name: LeftOut, Outcome: Failure, Detail: map[string]string{"events": strconv.Itoa(l.left)},
		})
		l.left = 0
	}
	n := min(len(l.waiting), batch)
	if n == 0 {
		return nil
	}
	taken := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return taken
}

// putBack puts a batch that could not be written at the head of the line.
func (l *Log) putBack(taken []*Event) {
	l.mu.Lock()
	l.waiting = append(taken, l.waiting...)
	l.mu.Unlock()
}

// Flush writes all that waits. After it has returned nil, every event that was logged before the call is in the store. On an
// error the events wait on.
func (l *Log) Flush(ctx context.Context) error {
	l.begin.Do(func() { l.turn = make(chan struct{}, 1) })
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		events := l.take()
		if events == nil {
			return nil
		}
		if err := l.write(ctx, events); err != nil {
			l.putBack(events)
			return err
		}
	}
}

func (l *Log) write(ctx context.Context, events []*Event) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, e := range events {
		l.name(ctx, e)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Store.Append(ctx, events)
}

// name finds out whose account an event is about that has only a name.
func (l *Log) name(ctx context.Context, e *Event) {
	if l.Who == nil || e.Subject != "" || e.Login == Mask(e.Login) {
		return // known, or looked for already
	}
	e.Subject = l.Who(ctx, e.Login)
	if e.Subject == "" {
		e.Login = Mask(e.Login)
	} else if e.Actor == "" && e.Outcome == Success {
		e.Actor = e.Subject
	}
}

// masked ends a name of which the rest is left out.
const masked = "…"

// Mask leaves enough of a name to see whether one name was tried many times, or many were: its first two letters. Masking
// twice is masking once.
func Mask(login string) string {
	if login == "" {
		return ""
	}
	first := []rune(strings.TrimSuffix(login, masked))
	return string(first[:min(2, len(first))]) + masked
}

// Run writes what waits, and removes what is too old, until ctx ends; then it writes what is left and returns nil. Run it
// once per Log. Without it, events are written when Flush is called.
func (l *Log) Run(ctx context.Context) error {
	out := false
	background.Work{
		Flush: func(ctx context.Context) {
			err := l.Flush(ctx)
			if !out && ctx.Err() == nil {
				l.report(err, "audit events wait for the store")
			}
			out = err != nil
		},
		Every: flushEvery, Purge: l.purge, Batch: purgeBatch,
		Failed: func(_ context.Context, err error) { l.report(err, "audit purge failed") },
	}.Run(ctx)
	l.report(l.Flush(context.WithoutCancel(ctx)), "audit events not written")
	return nil
}

// purge removes a batch of what is too old.
func (l *Log) purge(ctx context.Context, limit int) (int, error) {
	return l.Store.DeleteOlder(ctx, time.Now().Add(-cmp.Or(l.Keep, StandardKeep)).UnixMilli(), limit)
}

func (l *Log) report(err error, what string) {
	if err == nil || l.Report == nil {
		return
	}
	l.mu.Lock()
	n := len(l.waiting)
	l.mu.Unlock()
	l.Report.LogAttrs(context.Background(), slog.LevelError, what, slog.Int("events", n), slog.Any("error", err))
}

// Page returns the selected events, the latest first and at most limit of them, and the ID to go on before; "" if there are no
// more.
func (l *Log) Page(ctx context.Context, q Query, limit int) (events []*Event, next string, err error) {
	if limit < 1 {
		return nil, "", errors.New("audit: a page of nothing")
	}
	q.Limit = limit + 1
	if events, err = l.Store.List(ctx, q); err != nil || len(events) <= limit {
		return events, "", err
	}
	return events[:limit], events[limit-1].ID, nil
}
