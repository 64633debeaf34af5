package events

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Run checks the sessions of the open pages until ctx ends; then it closes the pages and returns nil. Call it once.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.prepare()
	signal := h.signal
	h.mu.Unlock()
	defer h.Stop()
	p := poller{hub: h, due: time.Now()}
	pause := time.NewTimer(pollEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signal:
			p.checkWoken(ctx)
		case <-pause.C:
			began := time.Now()
			p.poll(ctx)
			// If a poll takes long, because the stores are slow or report no version, leave them four fifths of the time.
			pause.Reset(max(pollEvery, 4*time.Since(began)))
		}
	}
}

// poller is the state of Run.
type poller struct {
	hub     *Hub
	due     time.Time // when all pages are to be checked next
	version int64
	failed  bool // whether the last check failed; only the first failure in a row is logged
}

// checkWoken checks the pages of the users that Wake named. There are none if the previous call took the names after Wake
// had sent the signal for this one.
func (p *poller) checkWoken(ctx context.Context) {
	p.hub.mu.Lock()
	woken := p.hub.woken
	p.hub.woken = map[string]bool{}
	p.hub.mu.Unlock()
	if woken[""] {
		p.checkAll(ctx)
		return
	}
	p.check(ctx, slices.Collect(maps.Keys(woken)))
}

// checkAll checks all pages.
func (p *poller) checkAll(ctx context.Context) {
	if p.check(ctx, []string{""}) {
		p.due = time.Now().Add(checkAllEvery)
	}
}

// poll checks all pages if another process may have changed something.
func (p *poller) poll(ctx context.Context) {
	if p.hub.Len() == 0 {
		return
	}
	due := !time.Now().Before(p.due)
	if p.hub.Version == nil {
		due = true
	} else if version, err := p.loadVersion(ctx); err == nil && version != p.version {
		p.version, due = version, true
	}
	if due {
		p.checkAll(ctx)
	}
}

func (p *poller) loadVersion(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	version, err := p.hub.Version(ctx)
	if err != nil {
		p.logFailure(ctx, err)
	}
	return version, err
}

// check checks every page of the users, and reports whether it could. After a failure it stops, and the next poll checks all
// pages. The pages stay open, since an outage ends no session.
func (p *poller) check(ctx context.Context, users []string) (ok bool) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var workers sync.WaitGroup
	queue := make(chan *Watch)
	for range checkers {
		workers.Go(func() {
			for w := range queue {
				if ctx.Err() != nil {
					continue
				}
				if err := w.check(ctx); err != nil {
					giveUp(err)
				}
			}
		})
	}
	for _, user := range users {
		for _, w := range p.hub.watches(user) {
			queue <- w
		}
	}
	close(queue)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		p.due = time.Now()
		p.logFailure(ctx, err)
		return false
	}
	p.failed = false
	return true
}

// logFailure logs err unless the check before failed too.
func (p *poller) logFailure(ctx context.Context, err error) {
	if p.hub.Log != nil && !p.failed {
		p.hub.Log.LogAttrs(ctx, slog.LevelWarn, "open pages not checked", slog.Any("error", err))
	}
	p.failed = true
}
