package session

import "context"

// Check is what became of a check of one ticket, for [Manager.Checked].
type Check struct {
	Result string // one of those below
	Stored bool   // a store was asked, and not this process's memory alone; see NoteStored
}

// What a check can find, in words for programs.
const (
	CheckLive        = "live"
	CheckUnknown     = "unknown" // there is no such session
	CheckExpired     = "expired"
	CheckRevoked     = "revoked" // the account's epoch has moved, or there is no account
	CheckUnavailable = "unavailable"
)

// NoteStored tells the check that a call belongs to, if it does, that a store is asked. Whoever stands before a store to
// measure it calls it.
func NoteStored(ctx context.Context) {
	if q, ok := ctx.Value(contextKey{}).(*request); ok {
		q.stored.Store(true)
	}
}

// checked tells Checked, and who else observes, what became of the request's check.
func (q *request) checked(s *Session, err error) {
	if q.m.Checked == nil && len(q.m.observers) == 0 {
		return
	}
	c := Check{Result: q.why, Stored: q.stored.Load()}
	switch {
	case err != nil:
		c.Result = CheckUnavailable
	case s != nil:
		c.Result = CheckLive
	}
	if q.m.Checked != nil {
		q.m.Checked(c)
	}
	for _, o := range q.m.observers {
		if o.checked != nil {
			o.checked(c)
		}
	}
}
