package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/audit"
)

type contextKey struct{}

// request is what is known of the session of one request, and its context.
type request struct {
	context.Context
	m      *Manager
	use    bool // counts as a use of the session
	ticket bool // came with one well-formed ticket
	twice  bool // came with two session cookies or more, of which none counts
	app    bool // in the header for programs
	id     ID
	stored atomic.Bool // a store was asked

	mu      sync.Mutex
	settled bool
	session *Session
	why     string // the check found no session, for OnCheck
}

// Handler notes the ticket of each request for [FromContext]. It asks the store nothing and never touches the response.
// It panics if the fields of m are wrong, as [Manager.Validate] says.
func (m *Manager) Handler(next http.Handler) http.Handler {
	if err := m.Validate(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(m.Note(r.Context(), r)))
	})
}

// Note returns ctx with the note that Handler makes of a request, for a handler that has notes of its own.
func (m *Manager) Note(ctx context.Context, r *http.Request) context.Context {
	q := &request{Context: ctx, m: m, use: m.Passive == nil || !m.Passive(r)}
	q.app = m.fromApp(r)
	q.id, q.ticket = m.presented(ctx, r)
	q.twice = !q.ticket && !q.app && !m.skips(r) && m.cookies(r) > 1
	return q
}

// Value implements context.Context.
func (q *request) Value(key any) any {
	if key == (contextKey{}) {
		return q
	}
	return q.Context.Value(key)
}

// presented returns the one session that the request is judged by, if any.
func (m *Manager) presented(ctx context.Context, r *http.Request) (id ID, ok bool) {
	if m.skips(r) {
		return ID{}, false
	}
	return m.carried(ctx, r)
}

// carried returns the one session that the request's ticket names, if any, whatever it is judged by: of two cookies with
// the name, either might have been planted by another host of the site.
func (m *Manager) carried(ctx context.Context, r *http.Request) (id ID, ok bool) {
	if m.fromApp(r) {
		return appTicket(r)
	}
	count := 0
	for value := range cookieValues(r.Header, m.cookieName()) {
		if count++; count > 1 {
			m.Audit.Record(ctx, audit.Input.ValidationFail, slog.String("reason", "two session cookies"))
			return ID{}, false
		}
		id, ok = m.tickets().ID(value)
	}
	return id, ok
}

func (m *Manager) skips(r *http.Request) bool { return m.Skip != nil && m.Skip(r) }

// maxNamed bounds the sessions that one request can name.
const maxNamed = 16

// named returns the sessions that the request's cookies name, however many. ErrNoTicket if there is something in the place of
// a ticket, and nowhere a ticket.
func (m *Manager) named(r *http.Request) ([]ID, error) {
	if m.skips(r) {
		return nil, nil
	}
	if m.fromApp(r) {
		if id, ok := appTicket(r); ok {
			return []ID{id}, nil
		}
		return nil, ErrNoTicket
	}
	var ids []ID
	unreadable := false
	for value := range cookieValues(r.Header, m.cookieName()) {
		id, ok := m.tickets().ID(value)
		if !ok {
			unreadable = unreadable || value != "" // an empty one is what some clients keep of a deleted cookie
			continue
		}
		if slices.Contains(ids, id) {
			continue
		}
		if len(ids) == maxNamed {
			return nil, errors.New("session: too many session cookies in one request")
		}
		ids = append(ids, id)
	}
	if unreadable && len(ids) == 0 {
		return nil, ErrNoTicket
	}
	return ids, nil
}

// Carried returns the sessions that the cookies of the request name, whatever it is judged by, and alive or not.
func (m *Manager) Carried(r *http.Request) []ID {
	var ids []ID
	for value := range cookieValues(r.Header, m.cookieName()) {
		if id, ok := m.tickets().ID(value); ok && !slices.Contains(ids, id) && len(ids) < maxNamed {
			ids = append(ids, id)
		}
	}
	return ids
}

// notifyCookieChange tells that the browser which has sent r will send other tickets from now on.
func (m *Manager) notifyCookieChange(r *http.Request) {
	if m.OnCookieChange == nil {
		return
	}
	if ids := m.Carried(r); len(ids) > 0 {
		m.OnCookieChange(ids)
	}
}

// FromContext returns the live session of the request, and loads it on the first call. nil and no error: anonymous.
// An error means that nothing is known: answer 503, and leave the cookie alone; but [ErrNoHandler] is a mistake of the
// program: answer 500. Safe for concurrent use.
func FromContext(ctx context.Context) (*Session, error) {
	q, ok := ctx.Value(contextKey{}).(*request)
	if !ok {
		return nil, ErrNoHandler
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled || !q.ticket {
		return q.session, nil
	}
	s, err := q.m.check(ctx, q.id, q.use)
	q.checked(s, err)
	if err != nil {
		return nil, err
	}
	q.session, q.settled = s, true
	return s, nil
}

// Reload is [FromContext], but it asks the store again whatever is known of the request's session: what ended since the last
// look is over. It is for an act that was judged before something that takes time, such as the arrival of the body.
// Looking again is no use of the session.
func Reload(ctx context.Context) (*Session, error) {
	q, ok := ctx.Value(contextKey{}).(*request)
	if !ok {
		return FromContext(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	id := q.id
	switch {
	case q.session != nil: // perhaps another than the request came with: it has signed in, or rotated its ticket
		id = q.session.record.ID
	case !q.ticket:
		return nil, nil
	}
	s, err := q.m.check(ctx, id, false)
	if err != nil {
		return nil, err
	}
	q.session, q.settled = s, true
	return s, nil
}

// Knows reports whether a text is the ticket of a session in the store. Asking is no use of the session, and lets nobody in.
func (m *Manager) Knows(ctx context.Context, text string) (bool, error) {
	id, ok := m.tickets().ID(text)
	if !ok {
		return false, nil
	}
	_, _, err := view(ctx, m.Store, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Presented reports whether the request came with a ticket, be its session alive or not: it tells "your session has
// ended" from "you never signed in".
func Presented(ctx context.Context) bool {
	q, ok := ctx.Value(contextKey{}).(*request)
	return ok && q.ticket
}

// Twice reports whether the request came with two session cookies or more, of which none counts: either might have been
// planted by another host of the site, or be left from before the cookie was given a domain.
func Twice(ctx context.Context) bool {
	q, ok := ctx.Value(contextKey{}).(*request)
	return ok && q.twice
}

// FromApp reports whether the request is judged by its [AppHeader], which no page can make a browser send.
func FromApp(ctx context.Context) bool {
	q, ok := ctx.Value(contextKey{}).(*request)
	return ok && q.app
}

// remember makes s the session of the request from now on.
func remember(ctx context.Context, s *Session) {
	if q, ok := ctx.Value(contextKey{}).(*request); ok {
		q.mu.Lock()
		q.session, q.settled = s, true
		q.mu.Unlock()
	}
}

// remembered returns the session of the request as far as it is known, and asks no store.
func remembered(ctx context.Context) *Session {
	q, ok := ctx.Value(contextKey{}).(*request)
	if !ok {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session
}

// check returns the live session with this ID; nil if there is none.
func (m *Manager) check(ctx context.Context, id ID, used bool) (*Session, error) {
	r, now, err := view(ctx, m.Store, id)
	if errors.Is(err, ErrNotFound) {
		m.logRejected(ctx, CheckUnknown, nil)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	if hasExpired(r, now) {
		m.logRejected(ctx, CheckExpired, r)
		return nil, nil
	}
	live, err := m.current(ctx, r)
	if err != nil {
		return nil, err
	}
	if !live {
		m.logRejected(ctx, CheckRevoked, r)
		return nil, nil
	}
	s, err := newSession(r)
	if err == nil && used {
		m.touch(ctx, s, now)
	}
	return s, err
}

// hasExpired reports whether either limit has passed. Expires is never after Deadline in a record that this package made; that
// both are looked at holds the absolute limit against whatever else writes to the store.
func hasExpired(r *Record, now int64) bool { return now >= r.Expires || now >= r.Deadline }

// current reports whether the account behind the session is still at the session's epoch.
func (m *Manager) current(ctx context.Context, r *Record) (bool, error) {
	if m.Accounts == nil {
		return true, nil
	}
	epoch, err := m.epoch(ctx, r.User)
	return err == nil && epoch != "" && epoch == r.Epoch, err
}

// epoch returns the user's present epoch; "", which no session has, if nobody may be signed in as that user.
func (m *Manager) epoch(ctx context.Context, user string) (string, error) {
	epoch, err := m.Accounts.Epoch(ctx, user)
	if errors.Is(err, ErrNoAccount) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("load epoch: %w", err)
	}
	return epoch, nil
}

// logRejected logs a ticket that names no live session. The ticket itself stays out of the log.
func (m *Manager) logRejected(ctx context.Context, why string, r *Record) {
	if q, ok := ctx.Value(contextKey{}).(*request); ok {
		q.why = why // under the lock of FromContext
	}
	if m.Audit == nil {
		return
	}
	attrs := []slog.Attr{slog.String("reason", why)}
	if r != nil {
		attrs = append(attrs, sessionAttrs(r)...)
	}
	m.Audit.Record(ctx, audit.Session.UseAfterExpire, attrs...)
}

func address(given string, r *http.Request) string {
	if given != "" {
		return given
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return "" // on a Unix socket RemoteAddr is "@", or a path
	}
	return host
}

// maxAgent bounds what is kept of a User-Agent, in bytes.
const maxAgent = 512

func agent(r *http.Request) string {
	a := strings.ToValidUTF8(r.UserAgent(), "�")
	if len(a) <= maxAgent {
		return a
	}
	cut := maxAgent
	for !utf8.RuneStart(a[cut]) {
		cut--
	}
	return a[:cut]
}
