package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// SignOut ends the request's session and deletes its cookie. It is no error if the session has ended already, or there is no
// cookie. [ErrNotATicket] if no session cookie of the request holds a ticket; a session may then live on: answer 400. On any
// other error the session may be live: answer 503. The cookie is deleted only if there is no error, and
// if nothing of the answer has been written yet.
func (m *Manager) SignOut(w http.ResponseWriter, r *http.Request) error {
	if err := m.needsStore(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), resilience.BackgroundTimeout)
	defer cancel()
	// Two session cookies sign no one in, but they do end both sessions.
	q := m.request(r)
	ids, err := q.toSignOut()
	if err != nil {
		return err
	}
	if s, _ := q.Known(); s != nil {
		ids = slices.DeleteFunc(ids, func(id ID) bool { return id == s.record.ID })
		if err := m.signOut(ctx, s.record); err != nil {
			return err
		}
	}
	for _, id := range ids {
		records, err := m.named(ctx, id)
		if err != nil {
			return fmt.Errorf("find session: %w", err)
		}
		for _, record := range records {
			if err := m.signOut(ctx, record); err != nil {
				return err
			}
		}
	}
	if !q.app {
		m.notifyCookieChange(r)
		m.deleteCookie(w)
	}
	q.set(nil)
	return nil
}

// named returns the session with this ID; or if there is none, the one that had it before a rotation to a ticket that the browser hasn't
// received yet, and which ends nevertheless.
func (m *Manager) named(ctx context.Context, id ID) ([]*Record, error) {
	r, _, err := view(ctx, m.Store, nil, id)
	switch {
	case err == nil:
		return []*Record{r}, nil
	case isAnonymous(err):
		return nil, nil
	case errors.Is(err, ErrNotFound):
		return m.Store.List(ctx, Query{FormerID: id})
	}
	return nil, err
}

func (m *Manager) signOut(ctx context.Context, r *Record) error {
	if err := m.delete(ctx, r); err != nil {
		return err
	}
	m.logEnd(ctx, "logout", sessionAttrs(r)...)
	m.notify(EndEvent{User: r.User, ID: r.PublicID, Reason: endreason.SignedOut})
	return nil
}

// Revoke ends the session with this ID; user must be its user, or empty. ErrEnded if there is none. On any other error the
// session may be live. The reason is that of [WithReason], or else [endreason.EndedElsewhere].
func (m *Manager) Revoke(ctx context.Context, user, id string) error {
	if err := m.needsStore(); err != nil {
		return err
	}
	if id == "" {
		return ErrEnded
	}
	r, err := m.find(ctx, user, id)
	if err != nil {
		return err
	}
	if r == nil {
		return ErrEnded
	}
	if err := m.delete(ctx, r); err != nil {
		return err
	}
	m.logEnd(ctx, "revoked", sessionAttrs(r)...)
	m.notify(EndEvent{User: r.User, ID: r.PublicID, Reason: reason(ctx, endreason.EndedElsewhere)})
	return nil
}

// delete removes the session of r under its present ticket. A rotation may change the ticket between the read and the
// delete, so delete repeats both until it has removed the session, or the session is gone.
func (m *Manager) delete(ctx context.Context, r *Record) error {
	for r != nil {
		m.dropPendingUse(r.ID)
		removed, err := removal.Remove(ctx, m.Store, r.ID)
		if err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		if removed {
			return nil
		}
		if r, err = m.find(ctx, r.User, r.PublicID); err != nil {
			return err
		}
	}
	return nil
}

// find returns the session with this public ID; nil if there is none, or it isn't the user's.
func (m *Manager) find(ctx context.Context, user, id string) (*Record, error) {
	records, err := m.Store.List(ctx, Query{User: user, PublicID: id, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	return records[0], nil
}

// RevokeAll ends all sessions of a user, except one if that isn't nil, and returns how many. On an error the sessions may be
// live. The reason is as for Revoke.
func (m *Manager) RevokeAll(ctx context.Context, user string, except *Session) (int, error) {
	if err := m.needsStore(); err != nil {
		return 0, err
	}
	if user == "" {
		return 0, errors.New("session: RevokeAll needs a user")
	}
	var spared ID
	event := EndEvent{User: user, Reason: reason(ctx, endreason.EndedElsewhere)}
	if except != nil {
		spared, event.Except = except.record.ID, except.ID
	}
	n, err := m.Store.DeleteUser(ctx, user, spared)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	m.notify(event) // also if there were none: the account's epoch may have changed, which pages must learn
	if n > 0 {
		m.logEnd(ctx, "revoked", slog.String("user", user), slog.Int("sessions", n))
	}
	return n, nil
}

// together is how many users' sessions are ended in one step of the store.
const together = 200

// RevokeAllOf is RevokeAll for each of the users. On an error some of the sessions may be live.
func (m *Manager) RevokeAllOf(ctx context.Context, users []string) error {
	if err := m.needsStore(); err != nil {
		return err
	}
	if slices.Contains(users, "") {
		return errors.New("session: RevokeAllOf needs the names of users")
	}
	for some := range slices.Chunk(users, together) {
		ended, err := removal.Sessions(ctx, m.Store, some)
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		for _, user := range some {
			m.notify(EndEvent{User: user, Reason: reason(ctx, endreason.EndedElsewhere)})
			if n := ended[user]; n > 0 {
				m.logEnd(ctx, "revoked", slog.String("user", user), slog.Int("sessions", n))
			}
		}
	}
	return nil
}

// trim ends the oldest sessions of the user of s beyond MaxSessions. If it fails, the sign-in still succeeds, and the next
// sign-in tries again.
func (m *Manager) trim(ctx context.Context, s *Session) {
	if m.MaxSessions <= 0 {
		return
	}
	sessions, err := m.List(ctx, s.User)
	others := slices.DeleteFunc(sessions, func(o *Session) bool { return o.ID == s.ID })
	for i := m.MaxSessions - 1; i < len(others) && err == nil; i++ {
		if err = m.Revoke(WithReason(ctx, endreason.Replaced), s.User, others[i].ID); errors.Is(err, ErrEnded) {
			err = nil
		}
	}
	if err != nil {
		m.log(ctx, slog.LevelWarn, "session limit not enforced", slog.String("user", s.User), slog.Any("error", err))
	}
}

func (m *Manager) logEnd(ctx context.Context, reason string, about ...slog.Attr) {
	m.Audit.Record(ctx, audit.SessionKinds.Expired, append(about, slog.String("reason", reason))...)
}
