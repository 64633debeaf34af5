package session

import (
	"context"
	"errors"
	"fmt"
)

// Update changes the values of a session. change may be called more than once; if it returns an error, Update returns that
// and writes nothing. s itself doesn't change; the session returned has the new values. ErrEnded, ErrTooLarge.
func (m *Manager) Update(ctx context.Context, s *Session, change func(Values) error) (*Session, error) {
	if err := m.needsStore(); err != nil {
		return nil, err
	}
	if s == nil || s.record == nil {
		return nil, errors.New("session: Update needs a session that this package has returned")
	}
	old := s.record
	for {
		next, err := changed(old, change)
		if err != nil {
			return nil, err
		}
		err = m.Store.Replace(ctx, old, next)
		switch {
		case err == nil:
			return updated(ctx, s, next)
		case errors.Is(err, ErrNotFound):
			return nil, ErrEnded
		case !errors.Is(err, ErrConflict):
			return nil, fmt.Errorf("change session: %w", err)
		}
		if old, err = m.Store.Load(ctx, s.record.ID); errors.Is(err, ErrNotFound) {
			return nil, ErrEnded
		} else if err != nil {
			return nil, fmt.Errorf("change session: %w", err)
		}
	}
}

// changed returns the record with its values changed.
func changed(old *Record, change func(Values) error) (*Record, error) {
	values, err := decodeValues(old.Values)
	if err != nil {
		return nil, err
	}
	if err := change(values); err != nil {
		return nil, err
	}
	next := *old
	next.Values, err = values.encode()
	return &next, err
}

// updated returns the session s with the values of r. If s is the request's session, the result becomes that.
func updated(ctx context.Context, s *Session, r *Record) (*Session, error) {
	next, err := newSession(r)
	if err != nil {
		return nil, err
	}
	next.LastSeenAt, next.ExpiresAt = s.LastSeenAt, s.ExpiresAt
	next.needsProof, next.provenUntil = s.needsProof, s.provenUntil
	if q := RequestFrom(ctx); q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.session != nil && q.session.record.ID == r.ID {
			q.session = next
		}
	}
	return next, nil
}
