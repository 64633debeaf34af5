package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// listed is current and not over, asking for each user's epoch once.
func (m *Manager) listed(ctx context.Context, r *Record, now int64, epochs map[string]string) (bool, error) {
	if over(r, now) {
		return false, nil
	}
	if epoch, known := epochs[r.User]; known {
		return epoch == r.Epoch, nil
	}
	live, err := m.current(ctx, r)
	if live && m.Accounts != nil {
		epochs[r.User] = r.Epoch
	}
	return live, err
}

// Revoke ends the session with this ID; user must be its user unless empty. ErrEnded if there is none.
// On any other error nothing is known to have ended.
func (m *Manager) Revoke(ctx context.Context, user, id string) error {
	if id == "" {
		return ErrEnded
	}
	for found := false; ; found = true {
		// A rotation may carry the session to another ticket between the look and the deed: look until it is gone.
		records, err := m.Store.List(ctx, Query{User: user, PublicID: id, Limit: 1})
		if err != nil {
			return fmt.Errorf("find session: %w", err)
		}
		if len(records) == 0 && !found {
			return ErrEnded
		}
		if len(records) == 0 {
			return nil
		}
		m.forget(records[0].ID)
		if err := m.Store.Delete(ctx, records[0].ID); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		m.ended(ctx, "revoked", slog.String("user", records[0].User), slog.String("session", records[0].PublicID))
	}
}

// RevokeAll ends all sessions of a user, except one if that isn't nil, and returns how many.
// On an error nothing is known to have ended.
func (m *Manager) RevokeAll(ctx context.Context, user string, except *Session) (int, error) {
	if user == "" {
		return 0, errors.New("session: RevokeAll needs a user")
	}
	var spared ID
	if except != nil {
		spared = except.record.ID
	}
	n, err := m.Store.DeleteUser(ctx, user, spared)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	if n > 0 {
		m.ended(ctx, "revoked", slog.String("user", user), slog.Int("sessions", n))
	}
	return n, nil
}

// trim ends the oldest sessions of the user of s beyond MaxSessions. A failure leaves the sign-in as it is: the next one
// tries again.
func (m *Manager) trim(ctx context.Context, s *Session) {
	if m.MaxSessions <= 0 {
		return
	}
	sessions, err := m.List(ctx, s.User)
	others := slices.DeleteFunc(sessions, func(o *Session) bool { return o.ID == s.ID })
	for i := m.MaxSessions - 1; i < len(others) && err == nil; i++ {
		if err = m.Revoke(ctx, s.User, others[i].ID); errors.Is(err, ErrEnded) {
			err = nil
		}
	}
	if err != nil && m.Log != nil {
		m.Log.LogAttrs(ctx, slog.LevelWarn, "session limit not enforced", slog.String("user", s.User), slog.Any("error", err))
	}
}

// ended logs the end of sessions under the name that OWASP's logging vocabulary has for it.
func (m *Manager) ended(ctx context.Context, reason string, about ...slog.Attr) {
	if m.Log != nil {
		m.Log.LogAttrs(ctx, slog.LevelInfo, "session_expired", append(about, slog.String("reason", reason))...)
	}
}
