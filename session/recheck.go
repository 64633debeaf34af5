package session

import (
	"context"
	"errors"
	"fmt"
)

// Recheck returns a session as it is now, under whatever ticket; ErrEnded if it is over. Looking is no use of it.
// Any other error means that nothing is known. Like every check it may be answered from memory, where the store keeps that true.
func (m *Manager) Recheck(ctx context.Context, s *Session) (*Session, error) {
	r, now, err := view(ctx, m.Store, s.record.ID)
	if errors.Is(err, ErrNotFound) {
		r, err = m.find(ctx, s.User, s.ID) // perhaps rotated
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	if r == nil || hasExpired(r, now) {
		return nil, ErrEnded
	}
	live, err := m.current(ctx, r)
	if err != nil {
		return nil, err
	}
	if !live {
		return nil, ErrEnded
	}
	again, err := newSession(r)
	if err != nil {
		return nil, err
	}
	m.applyPendingUse(again)
	return again, nil
}

// applyPendingUse counts a use that waits for its batch.
func (m *Manager) applyPendingUse(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.pending[s.record.ID]; ok {
		s.LastSeenAt, s.ExpiresAt = at(u.seen.At), at(u.seen.Expires)
	}
}
