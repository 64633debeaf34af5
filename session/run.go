package session

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// touchEvery is how exactly the last use is known; an idle limit under ten times that is kept more exactly.
	touchEvery = time.Minute
	// flushEvery is how long a use may wait for its batch.
	flushEvery = 5 * time.Second
	// storeTimeout bounds a call that no request waits for, or that must not end with its request.
	storeTimeout = 5 * time.Second

	purgeEvery = time.Minute
	purgeBatch = 200
	purgePause = 20 * time.Millisecond
)

// use is a use of a session that waits to be written.
type use struct {
	seen Seen
	end  int64 // when the session would have expired without it
}

// touch notes a use, if the last one known is long enough ago. The record is brought up to date with it.
func (m *Manager) touch(ctx context.Context, r *Record, now int64) {
	every := min(int64(touchEvery/time.Second), r.Idle/10)
	if now-r.Seen < every || now == r.Seen {
		return
	}
	u := use{seen: Seen{ID: r.ID, At: now, Expires: min(now+r.Idle, r.Deadline)}, end: r.Expires}
	r.Seen, r.Expires = u.seen.At, u.seen.Expires
	if !m.running.Load() {
		m.write(ctx, []Seen{u.seen})
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, waiting := m.pending[r.ID]; waiting {
		return
	}
	if m.pending == nil {
		m.pending = make(map[ID]use)
	}
	m.pending[r.ID] = u
}

// forget drops a waiting use of a session that is over.
func (m *Manager) forget(id ID) {
	m.mu.Lock()
	delete(m.pending, id)
	m.mu.Unlock()
}

// write records uses. A failure only makes the sessions look a little less used, so it is logged and forgotten.
func (m *Manager) write(ctx context.Context, uses []Seen) {
	if len(uses) == 0 {
		return
	}
	if err := m.Store.Touch(ctx, uses); err != nil && m.Log != nil {
		m.Log.LogAttrs(ctx, slog.LevelWarn, "session touch failed", slog.Int("sessions", len(uses)), slog.Any("error", err))
	}
}

// Run writes the noted uses in batches and removes expired sessions from the store, until ctx ends; then it writes what
// is left and returns nil. Run it once per Manager. Without it each use is written at once, and nothing is removed.
func (m *Manager) Run(ctx context.Context) error {
	m.running.Store(true)
	flush, purge := time.NewTicker(flushEvery), time.NewTimer(0)
	defer flush.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			m.running.Store(false)
			m.flush(context.WithoutCancel(ctx))
			return nil
		case <-flush.C:
			m.flush(ctx)
		case <-purge.C:
			if err := m.purge(ctx); err != nil && ctx.Err() == nil && m.Log != nil {
				m.Log.LogAttrs(ctx, slog.LevelWarn, "session purge failed", slog.Any("error", err))
			}
			purge.Reset(purgeEvery)
		}
	}
}

// flush writes the waiting uses. One whose session may expire before the write is through is dropped: a check elsewhere
// may have seen the session expired by then, and what has ended must not come back.
func (m *Manager) flush(ctx context.Context) {
	m.mu.Lock()
	pending := m.pending
	m.pending = nil
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	safe := time.Now().Add(storeTimeout).Unix()
	uses := make([]Seen, 0, len(pending))
	for _, u := range pending {
		if u.end > safe {
			uses = append(uses, u.seen)
		}
	}
	m.write(ctx, uses)
}

// purge removes expired sessions in small batches with pauses, so that it holds nobody up.
func (m *Manager) purge(ctx context.Context) error {
	for {
		n, err := m.Store.DeleteExpired(ctx, time.Now().Unix(), purgeBatch)
		if err != nil {
			return fmt.Errorf("remove expired sessions: %w", err)
		}
		if n < purgeBatch {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(purgePause):
		}
	}
}
