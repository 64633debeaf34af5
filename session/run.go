package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// touchEvery is how exactly the last use is recorded. An idle limit under ten times that is recorded more exactly.
const touchEvery = time.Minute

// pendingUse is a use of a session that hasn't been written yet.
type pendingUse struct {
	seen LastUse
	end  int64 // when the session would have expired without it
}

// touch records a use, if the last recorded one is old enough.
//
// s shows the use at once, but its record stays as the store knows it: an Update must not write an expiry time that the
// store never got because a batch was lost.
func (m *Manager) touch(ctx context.Context, s *Session, now int64) {
	r := s.record
	every := max(1, min(int64(touchEvery/time.Second), r.Idle/10))
	if now-r.Seen < every {
		return
	}
	u := pendingUse{seen: LastUse{ID: r.ID, At: now, Expires: min(now+r.Idle, r.Deadline)}, end: r.Expires}
	s.LastSeenAt, s.ExpiresAt = at(u.seen.At), at(u.seen.Expires)
	if m.enqueue(u, now) {
		return
	}
	// The write happens before the session would have expired, or not at all: a session that another check has found
	// expired must not come back.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), at(min(u.end, now+int64(resilience.BackgroundTimeout/time.Second))))
	defer cancel()
	m.write(ctx, []LastUse{u.seen})
}

// enqueue adds a use to the next batch. It reports false if Run isn't running or the batch might be written too late.
func (m *Manager) enqueue(u pendingUse, now int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running || u.end-now <= int64((resilience.FlushEvery+resilience.BackgroundTimeout)/time.Second) {
		return false
	}
	if m.pending == nil {
		m.pending = make(map[ID]pendingUse)
	}
	m.pending[u.seen.ID] = u
	return true
}

// dropPendingUse removes the unwritten use of a session that has ended.
func (m *Manager) dropPendingUse(id ID) {
	m.mu.Lock()
	delete(m.pending, id)
	m.mu.Unlock()
}

// write writes uses. If it fails, the sessions only look less used than they were, so the error is logged and not returned.
func (m *Manager) write(ctx context.Context, uses []LastUse) {
	if len(uses) == 0 {
		return
	}
	if err := m.Store.Touch(ctx, uses); err != nil {
		m.log(ctx, slog.LevelWarn, "session touch failed", slog.Int("sessions", len(uses)), slog.Any("error", err))
	}
}

// Run writes recorded uses in batches and removes expired sessions from the store, until ctx ends. Then it writes the
// remaining uses and returns nil. Run it once per Manager. Without it each use is written at once, and expired sessions are
// not removed.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.needsStore(); err != nil {
		return err
	}
	m.setBatching(true)
	resilience.Background{Flush: m.flush, Purge: m.purge, Failed: m.purgeFailed}.Run(ctx)
	m.setBatching(false)
	m.flush(context.WithoutCancel(ctx))
	return nil
}

// setBatching says whether uses are written in batches from now on.
func (m *Manager) setBatching(running bool) {
	m.mu.Lock()
	m.running = running
	m.mu.Unlock()
}

// flush writes the batch. It drops a use whose session may expire before the write has happened: a check on another node may
// have found the session expired by then, and an expired session must not come back.
func (m *Manager) flush(ctx context.Context) {
	m.mu.Lock()
	pending := m.pending
	m.pending = nil
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, resilience.BackgroundTimeout)
	defer cancel()
	safe := time.Now().Add(resilience.BackgroundTimeout).Unix()
	uses := make([]LastUse, 0, len(pending))
	for _, u := range pending {
		if u.end > safe {
			uses = append(uses, u.seen)
		}
	}
	m.write(ctx, uses)
}

func (m *Manager) purge(ctx context.Context, limit int) (int, error) {
	return m.Store.DeleteExpired(ctx, time.Now().Unix(), limit)
}

func (m *Manager) purgeFailed(ctx context.Context, err error) {
	m.log(ctx, slog.LevelWarn, "session purge failed", slog.Any("error", err))
}
