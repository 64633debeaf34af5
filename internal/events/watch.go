package events

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

// Event is what a page is told: one of the types below.
type Event interface{ Name() string }

// Ended says that the session is over. It is the last event.
type Ended struct {
	Reason string `json:"reason"`
}

// Expiring says that the session ends within a minute unless it is used.
type Expiring struct {
	ExpiresAt time.Time `json:"expires_at"`
}

// Changed says that the user may do other things than before, or has another name: ask who it is again.
type Changed struct{}

func (Ended) Name() string    { return "session.ended" }
func (Expiring) Name() string { return "session.expiring" }
func (Changed) Name() string  { return "permissions.changed" }

// notice is how long before the end of a session its pages are told.
const notice = time.Minute

// secondLook is how long after a password change the sessions are believed to be over: the one that made the change gets
// its new ticket, and with it the new epoch, a moment later.
const secondLook = 300 * time.Millisecond

// Watch is a page that a Hub keeps.
type Watch struct {
	hub           *Hub
	page          Page
	user, session string

	mu      sync.Mutex
	who     *auth.Identity
	timer   *time.Timer
	warned  time.Time // the end that the page was told of
	doubted time.Time // when a look first found the session ended by a password change; zero: the last one didn't
	over    bool
}

// Close ends the watch, and the page.
func (w *Watch) Close() {
	w.page.Close() // before the lock: it breaks off a Tell
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close()
}

func (w *Watch) close() {
	if w.over {
		return
	}
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.hub.remove(w)
	w.page.Close()
}

// begin waits for the end of the session.
func (w *Watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.schedule()
}

// end tells the page that its session is over.
func (w *Watch) end(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	_ = w.page.Tell(Ended{reason}) // the connection is closed in any case
	w.close()
}

// look tells the page what has changed since the last time. An error means that nothing is known.
func (w *Watch) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	w.mu.Lock()
	who, over := w.who, w.over
	w.mu.Unlock()
	if over {
		return nil
	}
	now, why, err := w.hub.Auth.Recheck(ctx, who)
	if err != nil {
		return err
	}
	if now == nil {
		w.gone(why)
		return nil
	}
	w.update(now)
	return nil
}

func (w *Watch) gone(why string) {
	if why == auth.PasswordChanged && w.doubt() {
		return
	}
	w.end(why)
}

// doubt reports whether it is too early to believe that the session has ended, and sees to it that somebody looks again.
func (w *Watch) doubt() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doubted.IsZero() {
		w.doubted = time.Now()
		time.AfterFunc(secondLook, func() { w.hub.Wake(w.user) })
	}
	return time.Since(w.doubted) < secondLook
}

// update makes now the identity of the page.
func (w *Watch) update(now *auth.Identity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	before := w.who
	w.who, w.doubted = now, time.Time{}
	if !same(before.User, now.User) && w.page.Tell(Changed{}) != nil {
		w.close()
		return
	}
	if !before.Session.ExpiresAt.Equal(now.Session.ExpiresAt) {
		w.schedule()
	}
}

// same reports whether a page would show both users alike.
func same(a, b *account.User) bool {
	return a.Username == b.Username && a.Email == b.Email && a.FirstName == b.FirstName && a.LastName == b.LastName &&
		a.IsStaff == b.IsStaff && a.IsSuperuser == b.IsSuperuser &&
		slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Permissions, b.Permissions)
}

// schedule sets the timer to the next moment at which the session is to be looked at.
func (w *Watch) schedule() {
	end := w.who.Session.ExpiresAt
	next := end
	if early := end.Add(-notice); time.Now().Before(early) {
		next = early
	} else if !w.warned.Equal(end) {
		w.warned = end
		if w.page.Tell(Expiring{end}) != nil {
			w.close()
			return
		}
	}
	wait := max(time.Until(next), lookEvery/5)
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.ring)
	} else {
		w.timer.Reset(wait)
	}
}

// ring looks at a session that may be near its end.
func (w *Watch) ring() {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	err := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case err != nil:
		w.timer.Reset(lookTime)
	default:
		w.schedule()
	}
}
