package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// errUnproven says that the request has no proof that it comes from the browser that its session is bound to, and that the browser
// says it couldn't get one because of the server. The session lives: answer 503.
var errUnproven = errors.New("the browser could not prove that the session is bound to it")

// DeviceBinder binds sessions to browsers. Its methods must not block, and are called by several requests at the same time.
type DeviceBinder interface {
	// Offer adds to the headers of an answer that sets the session cookie what makes a browser bind the session to a key of its
	// own. It isn't called for a bound session.
	Offer(h http.Header, r *Record)

	// Prove returns until when the headers of a request prove that it comes from the browser with the key in r.Binding, which
	// isn't empty; 0: they don't. Times are in Unix seconds.
	Prove(r *Record, h http.Header, now int64) (until int64)
}

// proof is what a request has shown of the browser that its session is bound to.
type proof struct {
	sent  http.Header // of the request; nil unless sessions can be bound
	of    string      // the public ID of the session of which the request has shown it; "": of none
	until int64

	unproven *Session // live but for the proof; nil: none was missing
}

// prove reports whether c counts in this request: it isn't bound, or the request comes from its browser. What a request has proven
// counts until it is answered. The first proof puts the binding in force.
func (q *Request) prove(ctx context.Context, c *Unconfirmed) bool {
	r := c.session.record
	if q.proof.sent == nil || r.Binding == "" {
		return true
	}
	if q.proof.of != r.PublicID {
		if until := q.m.Device.Prove(r, q.proof.sent, c.now); until != 0 {
			q.proof.of, q.proof.until = r.PublicID, until
		}
	}
	switch {
	case q.proof.of == r.PublicID:
		if !r.Bound {
			c.session = q.m.bind(ctx, c.session)
		}
		c.session.provenUntil, q.proof.unproven = q.proof.until, nil
		return true
	case !r.Bound: // the answer to the registration may have been lost
		return true
	}
	q.proof.unproven = c.session
	return false
}

// UnprovenSession returns the session of which the request has the ticket but not the proof that it comes from the browser that the session
// is bound to; nil if it has both, or there is no such session. It opens nothing. excused: the browser says that it couldn't get the
// proof because of the server. Call it after the session was looked up.
func (q *Request) UnprovenSession() (s *Session, excused bool) {
	if q == nil || q.proof.sent == nil {
		return nil, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.proof.unproven, q.excused()
}

// excused reports whether a proof is missing for which the browser has no time or no answer. Anyone can send that header, so it only
// changes how a request is refused.
func (q *Request) excused() bool {
	return q.proof.unproven != nil && len(q.proof.sent["Secure-Session-Skipped"]) > 0
}

// excuse returns errUnproven if the request is excused.
func (q *Request) excuse() error {
	if q.excused() {
		return errUnproven
	}
	return nil
}

// bind puts the binding of a session in force, and returns the session as it is then. If that fails, the next request tries again.
func (m *Manager) bind(ctx context.Context, s *Session) *Session {
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	done := false
	err := m.ChangeBinding(ctx, s.ID, func(r *Record) error {
		if done = !r.Bound && r.Binding == s.record.Binding; done {
			r.Bound = true
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, ErrEnded) {
			m.log(ctx, slog.LevelWarn, "binding of a session not put in force", append(sessionAttrs(s.record), slog.Any("error", err))...)
		}
		return s
	}
	if !done {
		return s
	}
	m.Audit.Record(ctx, audit.SessionKinds.Bound, sessionAttrs(s.record)...)
	r := *s.record
	r.Bound = true
	bound := *s
	bound.record, bound.Bound, bound.needsProof = &r, true, true
	return &bound
}

// newSession returns the session of a record.
func (m *Manager) newSession(r *Record) (*Session, error) {
	s, err := newSession(r)
	if err == nil {
		s.needsProof = r.Bound && m.Device != nil
	}
	return s, err
}

// ChangeBinding changes how the live session with this public ID is bound: change sets Bound and Binding of a copy of its record, whose
// other fields ChangeBinding leaves as they are. If change returns an error, ChangeBinding returns it and writes nothing. change is called
// again if the session was changed meanwhile. ErrEnded if there is no such live session; other errors are those of change, and outages.
func (m *Manager) ChangeBinding(ctx context.Context, id string, change func(r *Record) error) error {
	if err := m.needsStore(); err != nil {
		return err
	}
	if id == "" {
		return ErrEnded
	}
	for {
		old, err := m.find(ctx, "", id)
		if err != nil {
			return err
		}
		if old == nil {
			return ErrEnded
		}
		live, err := m.listed(ctx, old, time.Now().Unix(), map[string]string{})
		if err != nil {
			return fmt.Errorf("load epoch: %w", err)
		}
		if !live {
			return ErrEnded
		}
		changed := *old
		if err := change(&changed); err != nil {
			return err
		}
		if changed.Bound == old.Bound && changed.Binding == old.Binding {
			return nil
		}
		next := *old
		next.Bound, next.Binding = changed.Bound, changed.Binding
		err = m.Store.Replace(ctx, old, &next)
		if err == nil {
			return nil
		}
		// Another request has changed the session, or rotated its ticket.
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("bind session: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
