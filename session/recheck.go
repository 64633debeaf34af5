package session

import (
	"context"
	"errors"
	"fmt"
)

// Recheck loads a session as it is now, even if its ticket has been rotated, and reports whether it is within its limits. It
// doesn't ask Manager.Accounts: the caller loads the account and calls [Unconfirmed.Session]. It doesn't count as a use of the
// session. An error means that nothing is known. Like every check it may be answered from a cache that the store keeps
// valid.
func (m *Manager) Recheck(ctx context.Context, s *Session) (c Unconfirmed, ok bool, err error) {
	r, now, err := view(ctx, m.Store, nil, s.record.ID)
	if errors.Is(err, ErrNotFound) {
		r, err = m.find(ctx, s.User, s.ID) // perhaps rotated
	}
	if err != nil {
		return Unconfirmed{}, false, fmt.Errorf("load session: %w", err)
	}
	if r == nil || hasExpired(r, now) {
		return Unconfirmed{}, false, nil
	}
	current, err := m.newSession(r)
	if err != nil {
		return Unconfirmed{}, false, err
	}
	m.applyPendingUse(current)
	return Unconfirmed{User: r.User, session: current, now: now, again: true}, true, nil
}

// applyPendingUse sets the times of a use that hasn't been written yet.
func (m *Manager) applyPendingUse(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.pending[s.record.ID]; ok {
		s.LastSeenAt, s.ExpiresAt = at(u.seen.At), at(u.seen.Expires)
	}
}
