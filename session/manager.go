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

// ErrEnded says that the session is over: signed out, revoked, expired, or rotated by another request.
var ErrEnded = errors.New("session has ended")

// ErrNoTicket says that what the request carries in the place of a ticket is none, so that no session could be found by it:
// another program's cookie of the same name, or a ticket that was changed on the way.
var ErrNoTicket = errors.New("the session cookie holds no ticket")

// ErrNoHandler says that a request did not pass [Manager.Handler], so that it can have no session. That is a mistake of the
// program, and no outage.
var ErrNoHandler = errors.New("session: the request did not pass Manager.Handler; the program must serve its handlers behind it")

// ErrNoAccount is what [Accounts] answers for a user who is gone or may not sign in.
var ErrNoAccount = errors.New("no such account")

// Accounts tells the present epoch of a user: an opaque text, never empty, that moves whenever all the user's sessions
// must end. ErrNoAccount if there is no such user, or none who may be signed in; any other error is an outage.
type Accounts interface {
	Epoch(ctx context.Context, user string) (string, error)
}

// Manager signs people in and out and checks their tickets. Only Store is needed; zero fields are the documented, safe
// defaults. Set the fields before first use; after that a Manager is safe for concurrent use.
type Manager struct {
	Store        Store
	Accounts     Accounts      // nil: a session needs no account behind it
	Tickets      Tickets       // nil: 256 random bits, known to the store by SHA-256
	CookieName   string        // "": CookieName, or PlainCookieName with InsecureHTTP
	CookieDomain string        // "": the host alone. Every subdomain gets the cookie, and may set it
	CookiePath   string        // "": /
	SameSite     http.SameSite // 0: Lax
	InsecureHTTP bool          // leaves Secure off the cookie; only for plain http on this machine

	Idle            time.Duration // the longest pause between two uses; 0: 14 days
	Lifetime        time.Duration // the end after sign-in, whatever happens; 0: 30 days
	BrowserIdle     time.Duration // Idle of a session that ends with the browser; 0: 1 hour
	BrowserLifetime time.Duration // Lifetime of such a session; 0: 12 hours
	MaxSessions     int           // of one user; a sign-in beyond it ends the oldest, or one that another process has just made. 0: no limit

	AppTokens      bool                     // programs that are no browsers may have sessions, with the ticket in X-Session-Token
	Passive        func(*http.Request) bool // requests that are no use of the session; nil: none
	Skip           func(*http.Request) bool // requests judged by another credential, whose ticket isn't looked at; nil: none
	OnEnd          func(EndEvent)           // told what this Manager has ended, once it is; mustn't block. nil: nobody is
	OnCookieChange func([]ID)               // told which tickets a browser sent whose cookie the answer replaces or deletes; mustn't block. nil: nobody is
	OnCheck        func(Check)              // told of each check of a ticket; mustn't block. nil: nobody is
	Audit          *audit.Log               // records what happens to sessions; nil: nothing is recorded. Never gets a ticket
	Log            *slog.Logger             // gets errors that no request can return; nil: they are not logged

	observers []observer

	userLocks keyLock // of users who sign in, where MaxSessions is set

	mu      sync.Mutex
	running bool
	pending map[ID]pendingUse
}

func (m *Manager) tickets() Tickets {
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

// log writes what happened, under the name that OWASP's logging vocabulary has for it.
func (m *Manager) log(ctx context.Context, level slog.Level, event string, about ...slog.Attr) {
	if m.Log != nil {
		m.Log.LogAttrs(ctx, level, event, about...)
	}
}

// sessionAttrs names a session in the log.
func sessionAttrs(r *Record) []slog.Attr {
	return []slog.Attr{slog.String("user", r.User), slog.String("session", r.PublicID), slog.String("method", r.Method)}
}
