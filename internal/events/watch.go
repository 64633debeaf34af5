package events

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Event is what the server sends to a page: one of the types below.
type Event interface{ Name() string }

// Ended means that the session has ended. It is the last event.
type Ended struct {
	Reason string `json:"reason"`
}

// Expiring means that the session ends within a minute unless it is used.
type Expiring struct {
	ExpiresAt time.Time `json:"expires_at"`
}

// Changed means that the user's name or permissions have changed. The page should load the user again.
type Changed struct{}

func (Ended) Name() string    { return "session.ended" }
func (Expiring) Name() string { return "session.expiring" }
func (Changed) Name() string  { return "permissions.changed" }

// notice is how long before the end of its session a page gets [Expiring].
const notice = time.Minute

// confirmAfter is how long a session must look ended by its user's change of the account before its pages are closed. The session in
// which the account was changed gets its new ticket, and with it the new epoch, a moment after the account has.
const confirmAfter = 300 * time.Millisecond

// Watch is a page that a Hub keeps.
type Watch struct {
	hub           *Hub
	page          Page
	user, session string

	mu        sync.Mutex
	identity  *auth.Identity // as of the last check
	timer     *time.Timer
	warnedOf  time.Time // the end of the session that the page was warned of
	suspected time.Time // when a check first found the session ended by its user; zero if the last check didn't
	closed    bool

	proven time.Time // until when the page has proven to be in the browser that the session is bound to; zero: not bound when last checked
}

// Close ends the watch and closes the page.
func (w *Watch) Close() {
	w.page.Close() // before the lock, because it ends a Send that holds it
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close()
}

func (w *Watch) close() {
	if w.closed {
		return
	}
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.hub.remove(w)
	w.page.Close()
}

// start sets the timer for the end of the session.
func (w *Watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.schedule()
}

// end notifies the page that its session has ended, and closes it.
func (w *Watch) end(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	_ = w.page.Send(Ended{reason}) // the connection is closed in any case
	w.close()
}

// check loads the session and the user, and notifies the page of what has changed since the last check. An error means that
// the stores can't be read.
func (w *Watch) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	w.mu.Lock()
	identity, closed := w.identity, w.closed
	w.mu.Unlock()
	if closed {
		return nil
	}
	now, reason, err := w.hub.Auth.Recheck(ctx, identity)
	if err != nil {
		return err
	}
	if now == nil {
		w.ended(reason)
		return nil
	}
	w.update(now)
	return nil
}

// ended closes the page whose session a check found ended, once that is certain.
func (w *Watch) ended(reason string) {
	if (reason == endreason.PasswordChanged || reason == endreason.AccountChanged) && w.unconfirmed() {
		return
	}
	w.end(reason)
}

// unconfirmed reports whether it is too early to say that a change of the account has ended the session. The first call has the
// page checked again later.
func (w *Watch) unconfirmed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.suspected.IsZero() {
		w.suspected = time.Now()
		time.AfterFunc(confirmAfter, func() { w.hub.Wake(w.user) })
	}
	return time.Since(w.suspected) < confirmAfter
}

// update makes now the identity of the page.
func (w *Watch) update(now *auth.Identity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if w.unproven(now.Session) {
		w.close()
		return
	}
	before := w.identity
	w.identity, w.suspected = now, time.Time{}
	if !shownAlike(before.User, now.User) && w.page.Send(Changed{}) != nil {
		w.close()
		return
	}
	if !before.Session.ExpiresAt.Equal(now.Session.ExpiresAt) {
		w.schedule()
	}
}

// unproven reports whether the page has been open for longer than it has proven to be in the browser that the session is bound to. A page
// in that browser connects again, with its next proof. If the session was bound since the page was opened, the time counts from now.
func (w *Watch) unproven(s *session.Session) bool {
	if !s.NeedsDeviceProof() {
		return false
	}
	if w.proven.IsZero() {
		w.proven = time.Now().Add(device.ProofLifetime)
	}
	return !time.Now().Before(w.proven)
}

// shownAlike reports whether a page would look the same for both users.
func shownAlike(a, b *account.User) bool {
	return a.Username == b.Username && a.Email == b.Email && a.FirstName == b.FirstName && a.LastName == b.LastName &&
		a.Language == b.Language && a.Extra.Public == b.Extra.Public && a.IsStaff == b.IsStaff && a.IsSuperuser == b.IsSuperuser &&
		slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Permissions, b.Permissions)
}

// schedule sets the timer to the notice before the end of the session, or to the end if the notice is due.
func (w *Watch) schedule() {
	end := w.identity.Session.ExpiresAt
	next := end
	if early := end.Add(-notice); time.Now().Before(early) {
		next = early
	} else if !w.warnedOf.Equal(end) {
		w.warnedOf = end
		if w.page.Send(Expiring{end}) != nil {
			w.close()
			return
		}
	}
	wait := max(time.Until(next), pollEvery/5)
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.onTimer)
	} else {
		w.timer.Reset(wait)
	}
}

// onTimer checks a session that may be near its end.
func (w *Watch) onTimer() {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	err := w.check(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case err != nil:
		w.timer.Reset(checkTimeout)
	default:
		w.schedule()
	}
}
