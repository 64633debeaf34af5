package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrEnded says that the session is over: signed out, revoked, expired, or rotated by another request.
var ErrEnded = errors.New("session has ended")

// ErrNoAccount is what [Accounts] answers for a user who is gone or may not sign in.
var ErrNoAccount = errors.New("no such account")

// Accounts tells the present epoch of a user: an opaque text that moves whenever all the user's sessions must end.
// ErrNoAccount if there is no such user, or none who may be signed in; any other error is an outage.
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
	SameSite     http.SameSite // 0: Lax
	InsecureHTTP bool          // leaves Secure off the cookie; only for plain http on this machine

	Idle            time.Duration // the longest pause between two uses; 0: 14 days
	Lifetime        time.Duration // the end after sign-in, whatever happens; 0: 30 days
	BrowserIdle     time.Duration // Idle of a session that ends with the browser; 0: 1 hour
	BrowserLifetime time.Duration // Lifetime of such a session; 0: 12 hours
	MaxSessions     int           // of one user; a sign-in beyond it ends the oldest. 0: no limit

	Passive func(*http.Request) bool // requests that are no use of the session; nil: none
	Log     *slog.Logger             // nil: silent. Never sees a ticket

	running atomic.Bool
	mu      sync.Mutex
	pending map[ID]use
}

func (m *Manager) tickets() Tickets {
	if m.Tickets != nil {
		return m.Tickets
	}
	return randomTickets{}
}

func (m *Manager) idle(browser bool) time.Duration {
	if browser {
		return or(m.BrowserIdle, time.Hour)
	}
	return or(m.Idle, 14*24*time.Hour)
}

func (m *Manager) lifetime(browser bool) time.Duration {
	if browser {
		return or(m.BrowserLifetime, 12*time.Hour)
	}
	return or(m.Lifetime, 30*24*time.Hour)
}

func or(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

// SignIn describes who has just proved who they are, and how.
type SignIn struct {
	User           string
	Epoch          string // read together with the proof (the password hash); needed if Manager.Accounts is set
	Method         string // for lists and logs: "password", "basic" …
	Fresh          bool   // a password was typed just now
	BrowserSession bool   // a cookie that ends with the browser, and the shorter limits
	Address        string // the client's; "": the request's RemoteAddr
	Values         Values
}

// SignIn starts a session and sets its cookie. The ticket is always new. A session that the request came with ends in
// the same step, whoever's it was, and nothing of it is carried over.
func (m *Manager) SignIn(w http.ResponseWriter, r *http.Request, in SignIn) (*Session, error) {
	if in.User == "" || (in.Epoch == "" && m.Accounts != nil) {
		return nil, errors.New("session: SignIn needs User, and Epoch where there are accounts")
	}
	ticket, record, err := m.newRecord(r, in)
	if err != nil {
		return nil, err
	}
	if err := m.start(r, record); err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	s, err := newSession(record)
	if err != nil {
		return nil, err
	}
	m.setCookie(w, ticket, record.Browser)
	remember(r.Context(), s)
	m.log(r.Context(), "session_created", s)
	m.trim(r.Context(), s)
	return s, nil
}

func (m *Manager) newRecord(r *http.Request, in SignIn) (string, *Record, error) {
	ticket := m.tickets().New()
	id, ok := m.tickets().ID(ticket)
	if !ok {
		return "", nil, errors.New("session: Tickets doesn't accept its own ticket")
	}
	values, err := in.Values.encode()
	if err != nil {
		return "", nil, err
	}
	now := time.Now().Unix()
	record := &Record{
		ID: id, PublicID: newPublicID(), User: in.User, Epoch: in.Epoch, Method: in.Method, Browser: in.BrowserSession,
		Created: now, IP: address(in.Address, r), Agent: agent(r), Values: values,
	}
	if in.Fresh {
		record.Fresh = now
	}
	m.restart(record, now)
	return ticket, record, nil
}

// restart counts both limits from now.
func (m *Manager) restart(r *Record, now int64) {
	r.Seen = now
	r.Idle = int64(m.idle(r.Browser) / time.Second)
	r.Deadline = now + int64(m.lifetime(r.Browser)/time.Second)
	r.Expires = min(now+r.Idle, r.Deadline)
}

// start creates the session, in the place of the one that the request came with if there is one.
func (m *Manager) start(r *http.Request, record *Record) error {
	ctx := r.Context()
	for _, id := range m.presented(r) {
		err := m.swap(ctx, id, func(*Record) *Record { return record })
		if err == nil {
			m.forget(id)
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return m.Store.Create(ctx, record)
}

// swap replaces the session by what next makes of it, and tries again when another request has changed it meanwhile.
func (m *Manager) swap(ctx context.Context, id ID, next func(old *Record) *Record) error {
	for {
		old, err := m.Store.Load(ctx, id)
		if err != nil {
			return err
		}
		if err := m.Store.Replace(ctx, old, next(old)); !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Reauthenticate gives the request's session a new ticket after its user has proved again who they are: the old ticket
// is dead from the same step on, the session is fresh, and both limits count from now. epoch is the account's, read with
// the proof; a password change passes the new one. ErrEnded if the session is over, or another request was faster.
func (m *Manager) Reauthenticate(w http.ResponseWriter, r *http.Request, epoch string) (*Session, error) {
	s, err := FromContext(r.Context())
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, ErrEnded
	}
	ticket := m.tickets().New()
	id, _ := m.tickets().ID(ticket)
	now := time.Now().Unix()
	var renewed *Record
	err = m.swap(r.Context(), s.record.ID, func(old *Record) *Record {
		next := *old
		next.ID, next.Epoch, next.Fresh = id, epoch, now
		m.restart(&next, now)
		renewed = &next
		return renewed
	})
	if errors.Is(err, ErrNotFound) {
		return nil, ErrEnded
	}
	if err != nil {
		return nil, fmt.Errorf("renew session: %w", err)
	}
	m.forget(s.record.ID)
	if s, err = newSession(renewed); err != nil {
		return nil, err
	}
	m.setCookie(w, ticket, renewed.Browser)
	remember(r.Context(), s)
	m.log(r.Context(), "session_renewed", s)
	return s, nil
}

// SignOut ends the request's session and deletes its cookie. It is no error if the session is over already. On an error
// nothing is known to have ended, the cookie stays, and the answer must be 503.
func (m *Manager) SignOut(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	// With two cookies of the name neither counts as signed in, but whoever holds them may end what they name.
	for _, id := range m.named(r) {
		m.forget(id)
		if err := m.Store.Delete(ctx, id); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	m.deleteCookie(w)
	m.signedOut(r.Context())
	remember(r.Context(), nil)
	return nil
}

// signedOut logs the sign-out, with the user if the request had already asked who that was.
func (m *Manager) signedOut(ctx context.Context) {
	if q, ok := ctx.Value(contextKey{}).(*request); ok && q.ticket {
		q.mu.Lock()
		s := q.session
		q.mu.Unlock()
		var about []slog.Attr
		if s != nil {
			about = []slog.Attr{slog.String("user", s.User), slog.String("session", s.ID)}
		}
		m.ended(ctx, "logout", about...)
	}
}

// Update changes the values of a session. change may be called more than once; an error of it is returned, and nothing
// is written. The session passed in stays as it is; the one returned has the new values. ErrEnded, ErrTooLarge.
func (m *Manager) Update(ctx context.Context, s *Session, change func(Values) error) (*Session, error) {
	old := &s.record
	for {
		next := *old
		values, err := decodeValues(old.Values)
		if err != nil {
			return nil, err
		}
		if err := change(values); err != nil {
			return nil, err
		}
		if next.Values, err = values.encode(); err != nil {
			return nil, err
		}
		err = m.Store.Replace(ctx, old, &next)
		switch {
		case err == nil:
			updated, err := newSession(&next)
			if err == nil {
				remember(ctx, updated)
			}
			return updated, err
		case errors.Is(err, ErrNotFound):
			return nil, ErrEnded
		case !errors.Is(err, ErrConflict):
			return nil, fmt.Errorf("change session: %w", err)
		}
		if old, err = m.Store.Load(ctx, s.record.ID); errors.Is(err, ErrNotFound) {
			return nil, ErrEnded
		} else if err != nil {
			return nil, fmt.Errorf("change session: %w", err)
		}
	}
}

func (m *Manager) log(ctx context.Context, event string, s *Session) {
	if m.Log != nil {
		m.Log.LogAttrs(ctx, slog.LevelInfo, event,
			slog.String("user", s.User), slog.String("session", s.ID), slog.String("method", s.Method))
	}
}
