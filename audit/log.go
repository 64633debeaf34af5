package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

const (
	// flushEvery is how long an event may be queued, so that events are written together.
	flushEvery = 250 * time.Millisecond
	// storeTimeout bounds one write.
	storeTimeout = 5 * time.Second
	// batch is how many events are written in one step.
	batch = 500
	// maxQueued is how many events are queued while the store fails or is slow. Events of administrators are queued
	// even if there are more.
	maxQueued = 10_000

	// How many events of one name are kept a minute: of those that name a user, and of those that anyone can cause.
	maxPerMinuteOfUsers     = 6000
	maxPerMinuteOfStrangers = 1000

	// purgeBatch is how many old events are deleted in one step.
	purgeBatch = 500

	// DefaultRetention is how long events are kept if the Log doesn't say.
	DefaultRetention = 365 * 24 * time.Hour
)

// Log records events. Set the fields before first use; after that it is safe for concurrent use.
//
// It writes events to the Store in batches: an event is queued for at most a quarter of a second, or until Flush is called.
// While the Store fails, events stay queued, up to a limit. Of a flood, a limited number of events of each name is kept a
// minute; an event says how many were left out, and Text has them all.
type Log struct {
	Store     Store         // nil: events are only written to Text
	Text      *slog.Logger  // gets a line for each event, and errors of the Log itself; nil: no text log
	Retention time.Duration // how long Run keeps events; 0: DefaultRetention

	// OnRecord sees each event when it is recorded, before it is stored, and also those that are left out of the Store. It must
	// not block, and not change the attributes. nil: none.
	OnRecord func(Kind, []slog.Attr)

	// UserID returns the ID of the user with a name as it was typed, or "" if there is none. The Log calls it for events that
	// have only a name. If there is no such user, only the first two letters of the name are stored, since it may be a
	// password that was typed into the wrong field. nil: names are stored as they are.
	UserID func(ctx context.Context, login string) string

	// Kept reports which events are never left out, and are in the Store before a request that causes them is answered: see
	// FlushBeforeAnswer. It must not block. nil: none.
	Kept func(*Event) bool

	begin sync.Once
	turn  chan struct{} // holds one value while a batch is written; a channel, so that waiting for it can time out

	mu      sync.Mutex
	queue   []*Event
	minute  int64          // the minute that counts is about
	counts  map[string]int // events of this minute, by budget
	left    int            // events left out since the last event that says how many
	leftOut int            // events left out since the process began

	observers []*observer
	blind     bool // the observers see nothing more
	unseen    int  // events that were lost for an observer
}

// Stats is the state of a Log.
type Stats struct {
	Waiting int // events that are not in the store yet
	LeftOut int // events that were not kept, since the process began
	Unseen  int // events that were lost for an observer which was slower, since the process began
}

// Stats returns the current state of the Log.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{len(l.queue), l.leftOut, l.unseen}
}

// add queues an event. Kept ones and those of administrators are never left out.
func (l *Log) add(e *Event, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !kept && !byAdministrator(e) && (!l.withinBudget(e) || len(l.queue) >= maxQueued) {
		l.left++
		l.leftOut++
		return
	}
	l.queue = append(l.queue, e)
}

// byAdministrator reports whether only an administrator can have caused the event: it is an act, or it is about another
// user's account or a group.
func byAdministrator(e *Event) bool {
	return e.Name == AuthzKinds.Admin.name || e.Actor != "" && e.Actor != e.Subject
}

// withinBudget counts an event, and reports whether it is within the budget of its minute.
func (l *Log) withinBudget(e *Event) bool {
	if minute := e.At / 60_000; minute != l.minute || l.counts == nil {
		l.minute, l.counts = minute, map[string]int{}
	}
	budget, most := e.Name, maxPerMinuteOfStrangers
	if e.Subject != "" {
		budget, most = e.Name+" ", maxPerMinuteOfUsers
	}
	l.counts[budget]++
	return l.counts[budget] <= most
}

// take removes the next batch from the queue; nil if it is empty.
func (l *Log) take() []*Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.queue = append(l.queue, &Event{
			At: time.Now().UnixMilli(), Name: leftOut.name, Outcome: leftOut.outcome, Detail: map[string]string{"events": strconv.Itoa(l.left)},
		})
		l.left = 0
	}
	n := min(len(l.queue), batch)
	if n == 0 {
		return nil
	}
	taken := l.queue[:n:n]
	l.queue = l.queue[n:]
	return taken
}

// putBack puts a batch that could not be written at the front of the queue.
func (l *Log) putBack(taken []*Event) {
	l.mu.Lock()
	l.queue = append(taken, l.queue...)
	l.mu.Unlock()
}

// Flush writes all queued events. After it has returned nil, every event that was recorded before the call is in the Store.
// After an error the events stay queued.
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
		l.show(events)
	}
}

// FlushBeforeAnswer is for the end of a request, before its answer: if the request has caused an event that is Kept, FlushBeforeAnswer writes the queued
// events, or gives up after five seconds, when they stay queued and Run reports the error. A nil *Log has nothing to write.
func (l *Log) FlushBeforeAnswer(ctx context.Context) {
	if l != nil && reqinfo.TakeKept(ctx) {
		_ = l.flushAct(ctx)
	}
}

func (l *Log) write(ctx context.Context, events []*Event) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, e := range events {
		l.resolveLogin(ctx, e)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.Store.Append(ctx, events)
}

// resolveLogin sets the Subject of an event that has only a name, or masks a name that is no user's.
func (l *Log) resolveLogin(ctx context.Context, e *Event) {
	if l.UserID == nil || e.Subject != "" || e.Login == Mask(e.Login) {
		return // the user is known, or the name has been resolved before
	}
	e.Subject = l.UserID(ctx, e.Login)
	if e.Subject == "" {
		e.Login = Mask(e.Login)
	} else if e.Actor == "" && e.Outcome == Success {
		e.Actor = e.Subject
	}
}

// ellipsis ends a masked name.
const ellipsis = "…"

// Mask returns the first two letters of a name and an ellipsis: enough to see whether one name was tried often or many names
// were tried once. Masking a masked name doesn't change it.
func Mask(login string) string {
	if login == "" {
		return ""
	}
	first := []rune(strings.TrimSuffix(login, ellipsis))
	return string(first[:min(2, len(first))]) + ellipsis
}

// Run writes queued events and deletes old ones until ctx ends; then it writes what is queued and returns nil. Run it once
// for each Log that has a Store. Without it, events are written when Flush is called.
func (l *Log) Run(ctx context.Context) error {
	finish := l.observe()
	failing := false
	resilience.Background{
		Flush: func(ctx context.Context) {
			err := l.Flush(ctx)
			if !failing && ctx.Err() == nil {
				l.report(err, "audit events wait for the store")
			}
			failing = err != nil
		},
		Every: flushEvery, Purge: l.purge, Batch: purgeBatch, Most: purgeBatch,
		Failed: func(_ context.Context, err error) { l.report(err, "audit purge failed") },
	}.Run(ctx)
	l.report(l.Flush(context.WithoutCancel(ctx)), "audit events not written")
	finish()
	return nil
}

// purge deletes a batch of old events.
func (l *Log) purge(ctx context.Context, limit int) (int, error) {
	keep := cmp.Or(l.Retention, DefaultRetention)
	if keep < 0 {
		return 0, fmt.Errorf("audit: Log.Retention is %v, which would delete every event; none is deleted", keep)
	}
	return l.Store.DeleteOlder(ctx, time.Now().Add(-keep).UnixMilli(), limit)
}

func (l *Log) report(err error, what string) {
	if err == nil || l.Text == nil {
		return
	}
	l.Text.LogAttrs(context.Background(), slog.LevelError, what, slog.Int("events", l.Stats().Waiting), slog.Any("error", err))
}

// Page returns at most limit of the selected events, the latest first, and the ID to set as Query.Before for the next page;
// "" if this is the last one.
func (l *Log) Page(ctx context.Context, q Query, limit int) (events []*Event, next string, err error) {
	if limit < 1 {
		return nil, "", errors.New("audit: the limit of a page must be at least 1")
	}
	q.Limit = limit + 1
	if events, err = l.Store.List(ctx, q); err != nil || len(events) <= limit {
		return events, "", err
	}
	return events[:limit], events[limit-1].ID, nil
}
