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
	if err := m.needsStore(); err != nil {
		return nil, err
	}
	records, err := m.Store.List(ctx, Query{User: user})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	sessions, err := m.alive(ctx, records, map[string]string{})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(sessions, func(a, b *Session) int { return cmp.Compare(b.record.Created, a.record.Created) })
	return sessions, nil
}

// Page returns at most limit live sessions of all users, in the order of their IDs. It begins after the session with the ID
// after, and returns the ID to continue after; "" if there are no more.
func (m *Manager) Page(ctx context.Context, after string, limit int) (page []*Session, next string, err error) {
	if err := m.needsStore(); err != nil {
		return nil, "", err
	}
	epochs := map[string]string{}
	for len(page) < limit {
		records, err := m.Store.List(ctx, Query{After: after, Limit: limit})
		if err != nil {
			return nil, "", fmt.Errorf("list sessions: %w", err)
		}
		live, err := m.alive(ctx, records, epochs)
		if err != nil {
			return nil, "", err
		}
		if more := len(page) + len(live) - limit; more > 0 {
			page = append(page, live[:len(live)-more]...)
			return page, page[limit-1].ID, nil
		}
		page = append(page, live...)
		if len(records) < limit {
			return page, "", nil
		}
		after = records[len(records)-1].PublicID
	}
	return page, after, nil
}

// Find returns the live session with this ID, of any user. ErrEnded if there is none.
func (m *Manager) Find(ctx context.Context, id string) (*Session, error) {
	if err := m.needsStore(); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, ErrEnded
	}
	records, err := m.Store.List(ctx, Query{PublicID: id, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	live, err := m.alive(ctx, records, map[string]string{})
	if err != nil {
		return nil, err
	}
	if len(live) == 0 {
		return nil, ErrEnded
	}
	return live[0], nil
}

// alive returns the live sessions among the records.
func (m *Manager) alive(ctx context.Context, records []*Record, epochs map[string]string) ([]*Session, error) {
	now := time.Now().Unix()
	sessions := make([]*Session, 0, len(records))
	for _, r := range records {
		live, err := m.listed(ctx, r, now, epochs)
		if err != nil {
			return nil, err
		}
		if !live {
			continue
		}
		s, err := m.newSession(r)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// listed reports whether the session is live. It asks for each user's epoch only once.
func (m *Manager) listed(ctx context.Context, r *Record, now int64, epochs map[string]string) (bool, error) {
	if hasExpired(r, now) {
		return false, nil
	}
	if m.Accounts == nil {
		return true, nil
	}
	epoch, known := epochs[r.User]
	if !known {
		var err error
		if epoch, err = m.Accounts.Epoch(ctx, r.User); err != nil {
			return false, err
		}
		epochs[r.User] = epoch
	}
	return epoch != "" && epoch == r.Epoch, nil
}
