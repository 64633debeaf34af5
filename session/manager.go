package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// ErrEnded says that the session has ended: signed out, revoked, expired, or rotated by another request.
var ErrEnded = errors.New("session has ended")

// ErrNotATicket says that the request has a session cookie whose value can't be a ticket, so no session can be found: it is
// another program's cookie of the same name, or the ticket was changed on the way.
var ErrNotATicket = errors.New("the session cookie holds no ticket")

// ErrNoHandler says that a request did not pass [Manager.Handler], so that it can have no session. That is a mistake of the
// program, not an outage.
var ErrNoHandler = errors.New("session: the request did not pass Manager.Handler; the program must serve its handlers behind it")

// Epochs returns the present epoch of a user: an opaque text that changes whenever all the user's sessions must end. "" if there is no
// such user, or the user may not sign in. An error is an outage.
type Epochs interface {
	Epoch(ctx context.Context, user string) (string, error)
}

// Manager signs people in and out and checks their tickets. Only Store is needed; zero fields are the documented, safe
// defaults. Set the fields before first use; after that a Manager is safe for concurrent use.
type Manager struct {
	Store Store

	// Accounts holds the epochs that sessions are compared with. nil: a session needs no account.
	Accounts Epochs

	// Tickets makes the tickets. nil: 256 random bits, of which the store knows the SHA-256.
	Tickets TicketFormat

	CookieName   string        // "": CookieName, or "sessionid" with InsecureHTTP, since browsers refuse the prefix without https
	CookieDomain string        // "": only the host itself. With a domain, every subdomain gets the cookie and may set it
	CookiePath   string        // "": /
	SameSite     http.SameSite // 0: Lax
	InsecureHTTP bool          // sets the cookie without Secure; only for plain http on this machine

	Idle            time.Duration // the longest time between two uses; 0: 14 days
	Lifetime        time.Duration // the longest time after the sign-in; 0: 30 days
	BrowserIdle     time.Duration // Idle of a session that ends with the browser; 0: 1 hour
	BrowserLifetime time.Duration // Lifetime of a session that ends with the browser; 0: 12 hours

	// MaxSessions limits the sessions of one user. A sign-in beyond it ends the oldest, or one that another process has just
	// started. 0: no limit.
	MaxSessions int

	// AppTokens lets programs that aren't browsers have sessions, with the ticket in the header X-Session-Token.
	AppTokens bool

	// Passive selects requests that don't count as a use of their session. nil: none.
	Passive func(*http.Request) bool

	// Skip selects requests that another credential authenticates, so that their ticket isn't looked up. nil: none.
	Skip func(*http.Request) bool

	// Device binds the sessions of browsers to the browser that they began in. nil: none is bound, and those that were are as
	// others.
	Device DeviceBinder

	// OnEnd is called when this Manager has ended sessions. It must not block. nil: no call.
	OnEnd func(EndEvent)

	// OnCookieChange is called when an answer replaces or deletes the session cookie, with the sessions that the browser's
	// cookies name. It must not block. nil: no call.
	OnCookieChange func([]ID)

	// OnCheck is called for each check of a ticket. It must not block. result is "live", "unknown" (no such session), "expired",
	// "revoked" (the account's epoch differs), "unproven" (not from the browser that it is bound to) or "unavailable"; stored says
	// that a store was asked, and not this process's cache alone. nil: no call.
	OnCheck func(result string, stored bool)

	// Audit records what happens to sessions, and never gets a ticket. nil: nothing is recorded.
	Audit *audit.Log

	// Log gets errors that no request can return. nil: they are not logged.
	Log *slog.Logger

	observers []observer

	userLocks keyLock // held during a sign-in if MaxSessions is set

	mu      sync.Mutex
	running bool
	pending map[ID]pendingUse
}

func (m *Manager) tickets() TicketFormat {
	if m.Tickets != nil {
		return m.Tickets
	}
	return randomTickets{}
}

func (m *Manager) idle(browser bool) time.Duration {
	if browser {
		return cmp.Or(m.BrowserIdle, time.Hour)
	}
	return cmp.Or(m.Idle, 14*24*time.Hour)
}

func (m *Manager) lifetime(browser bool) time.Duration {
	if browser {
		return cmp.Or(m.BrowserLifetime, 12*time.Hour)
	}
	return cmp.Or(m.Lifetime, 30*24*time.Hour)
}

// log logs an event, if there is a logger.
func (m *Manager) log(ctx context.Context, level slog.Level, event string, about ...slog.Attr) {
	if m.Log != nil {
		m.Log.LogAttrs(ctx, level, event, about...)
	}
}

// sessionAttrs returns the attributes by which the log names a session.
func sessionAttrs(r *Record) []slog.Attr {
	return []slog.Attr{slog.String("user", r.User), slog.String("session", r.PublicID), slog.String("method", r.Method.String())}
}
