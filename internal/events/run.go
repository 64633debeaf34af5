package events

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Run looks at the sessions of the open pages until ctx ends; then it closes the pages and returns nil. Run it once.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.prepare()
	signal := h.signal
	h.mu.Unlock()
	defer h.Stop()
	l := looker{h: h, due: time.Now()}
	pause := time.NewTimer(lookEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signal:
			l.wake(ctx)
		case <-pause.C:
			began := time.Now()
			l.look(ctx)
			// Where looking takes long, because the stores are slow or can't say what changed, most of the time is left to others.
			pause.Reset(max(lookEvery, 4*time.Since(began)))
		}
	}
}

// looker is what Run remembers.
type looker struct {
	h       *Hub
	due     time.Time // of the next look at all pages
	version int64
	failed  bool // the last look, which is logged once
}

// wake looks at the users who were woken: nobody, where the turn before took the names and left the signal.
func (l *looker) wake(ctx context.Context) {
	l.h.mu.Lock()
	woken := l.h.woken
	l.h.woken = map[string]bool{}
	l.h.mu.Unlock()
	if woken[""] {
		l.everybody(ctx)
		return
	}
	l.pages(ctx, slices.Collect(maps.Keys(woken)))
}

// everybody looks at all pages.
func (l *looker) everybody(ctx context.Context) {
	if l.pages(ctx, []string{""}) {
		l.due = time.Now().Add(sweepEvery)
	}
}

// look looks at all pages, if something may have changed.
func (l *looker) look(ctx context.Context) {
	if l.h.Len() == 0 {
		return
	}
	due := !time.Now().Before(l.due)
	if l.h.Version == nil {
		due = true
	} else if version, err := l.ask(ctx); err == nil && version != l.version {
		l.version, due = version, true
	}
	if due {
		l.everybody(ctx)
	}
}

func (l *looker) ask(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	version, err := l.h.Version(ctx)
	if err != nil {
		l.report(ctx, err)
	}
	return version, err
}

// pages looks at every page of the users. After a failure the rest is left to the next turn: an outage is none for pages.
func (l *looker) pages(ctx context.Context, users []string) (all bool) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var workers sync.WaitGroup
	queue := make(chan *Watch)
	for range lookers {
		workers.Go(func() {
			for w := range queue {
				if ctx.Err() != nil {
					continue
				}
				if err := w.look(ctx); err != nil {
					giveUp(err)
				}
			}
		})
	}
	for _, user := range users {
		for _, w := range l.h.of(user) {
			queue <- w
		}
	}
	close(queue)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		l.due = time.Now()
		l.report(ctx, err)
		return false
	}
	l.failed = false
	return true
}

// report logs the first of several failures in a row.
func (l *looker) report(ctx context.Context, err error) {
	if l.h.Log != nil && !l.failed {
		l.h.Log.LogAttrs(ctx, slog.LevelWarn, "open pages not looked at", slog.Any("error", err))
	}
	l.failed = true
}
