package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// List returns the live sessions of a user, the newest first; of all users if user is empty.
func (m *Manager) List(ctx context.Context, user string) ([]*Session, error) {
	records, err := m.Store.List(ctx, Query{User: user})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now := time.Now().Unix()
	epochs := map[string]string{}
	sessions := make([]*Session, 0, len(records))
	for _, r := range records {
		live, err := m.listed(ctx, r, now, epochs)
		if err != nil {
			return nil, err
		}
		if !live {
			continue
		}
		s, err := newSession(r)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, s)
	}
	slices.SortStableFunc(sessions, func(a, b *Session) int { return cmp.Compare(b.record.Created, a.record.Created) })
	return sessions, nil
}

// listed reports whether the session is alive, asking for each user's epoch once.
func (m *Manager) listed(ctx context.Context, r *Record, now int64, epochs map[string]string) (bool, error) {
	if over(r, now) {
		return false, nil
	}
	if m.Accounts == nil {
		return true, nil
	}
	epoch, known := epochs[r.User]
	if !known {
		var err error
		if epoch, err = m.epoch(ctx, r.User); err != nil {
			return false, err
		}
		epochs[r.User] = epoch
	}
	return epoch != "" && epoch == r.Epoch, nil
}
