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
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// Request is what a [Manager] knows of one request: the ticket that came with it and, once it was loaded, its session. It is
// safe for concurrent use after [Manager.ReadRequest]; the methods of a nil Request answer as for a request without a ticket.
type Request struct {
	m       *Manager
	passive bool // the request doesn't count as a use of its session
	skipped bool // another credential authenticates the request: the ticket doesn't sign it in
	app     bool // the ticket comes in the header for programs
	tickets presented
	proof   proof // under mu once the request is handled

	mu      sync.Mutex
	settled bool // session is the result of a check, or of a sign-in or sign-out
	session *Session
}

// presented is what a request sends as its ticket.
type presented struct {
	count      int  // of session cookies, or 1 for a program
	unreadable bool // one of them isn't empty and can't be a ticket
	ok         bool // first is set
	first      ID
	more       []ID // the other sessions that the cookies name
	tooMany    bool // the request names more sessions than more holds
}

// maxPresented bounds the sessions that one request can name.
const maxPresented = 16

func (p *presented) add(id ID) {
	switch {
	case !p.ok:
		p.first, p.ok = id, true
	case id == p.first || slices.Contains(p.more, id):
	case len(p.more) == maxPresented-1:
		p.tooMany = true
	default:
		p.more = append(p.more, id)
	}
}

// all returns the sessions that the request names.
func (p presented) all() []ID {
	if !p.ok {
		return nil
	}
	return append([]ID{p.first}, p.more...)
}

// sole returns the session of the request's only ticket. Of two session cookies neither counts, since another host of the
// site may have planted either.
func (p presented) sole() (ID, bool) {
	if p.count != 1 {
		return ID{}, false
	}
	return p.first, p.ok
}

func (m *Manager) present(r *http.Request) (p presented) {
	for value := range cookieValues(r.Header, m.cookieName()) {
		p.count++
		if id, ok := m.tickets().ID(value); ok {
			p.add(id)
		} else if value != "" { // some clients send an empty cookie after it was deleted
			p.unreadable = true
		}
	}
	return p
}

func (m *Manager) presentByApp(r *http.Request) (p presented) {
	p.count = 1
	if id, ok := appTicket(r); ok {
		p.add(id)
	} else {
		p.unreadable = true
	}
	return p
}

// Handler reads the ticket of each request, for [FromContext]. It makes no store call and doesn't touch the response. It
// panics if [Manager.CheckConfig] returns an error.
func (m *Manager) Handler(next http.Handler) http.Handler {
	if err := m.CheckConfig(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &Request{}
		m.ReadRequest(q, r, m.Skip != nil && m.Skip(r))
		record := reqinfo.Child(r.Context())
		record.Session = q
		next.ServeHTTP(w, r.WithContext(record))
	})
}

// ReadRequest sets q to what m knows of the request r. skip says that r is authenticated by another credential, so that its ticket
// doesn't sign it in. ReadRequest is for code that replaces [Manager.Handler], such as package auth.
func (m *Manager) ReadRequest(q *Request, r *http.Request, skip bool) {
	q.m, q.skipped, q.app = m, skip, m.UsesTokenHeader(r)
	q.passive = m.Passive != nil && m.Passive(r)
	if q.app {
		q.tickets = m.presentByApp(r)
		return
	}
	if m.Device != nil {
		q.proof.sent = r.Header
	}
	q.tickets = m.present(r)
	if !skip && q.tickets.count > 1 {
		m.Audit.Record(r.Context(), audit.InputKinds.ValidationFail, slog.String("reason", "two session cookies"))
	}
}

// RequestFrom returns what is known of the request that ctx belongs to; nil if it passed no [Manager.Handler].
func RequestFrom(ctx context.Context) *Request {
	if record := reqinfo.Of(ctx); record != nil {
		q, _ := record.Session.(*Request)
		return q
	}
	return nil
}

// request returns what is known of r, which may not have passed the Handler.
func (m *Manager) request(r *http.Request) *Request {
	if q := RequestFrom(r.Context()); q != nil && q.m == m {
		return q
	}
	q := &Request{}
	m.ReadRequest(q, r, m.Skip != nil && m.Skip(r))
	return q
}

// ticket returns the ID of the session that signs the request in, if any.
func (q *Request) ticket() (ID, bool) {
	if q == nil || q.skipped {
		return ID{}, false
	}
	return q.tickets.sole()
}

// toSignOut returns the sessions that a sign-out of the request ends. ErrNotATicket if the request has a session cookie, and
// no cookie of it holds a ticket.
func (q *Request) toSignOut() ([]ID, error) {
	switch {
	case q.skipped:
		return nil, nil
	case q.tickets.tooMany:
		return nil, errors.New("session: too many session cookies in one request")
	case q.tickets.unreadable && !q.tickets.ok:
		return nil, ErrNotATicket
	}
	return q.tickets.all(), nil
}

// HasTicket reports whether the request came with a ticket, whether or not its session is live. It distinguishes "your
// session has ended" from "you never signed in".
func (q *Request) HasTicket() bool {
	_, ok := q.ticket()
	return ok
}

// TwoCookies reports whether the request came with two session cookies or more. Then none counts: another host of the site
// may have planted one, or one is left from before the cookie was given a domain.
func (q *Request) TwoCookies() bool { return q != nil && !q.skipped && !q.app && q.tickets.count > 1 }

// UsesTokenHeader reports whether the request brings its ticket in the header X-Session-Token, which no page can make a browser send.
func (q *Request) UsesTokenHeader() bool { return q != nil && q.app }

// CookieIDs returns the sessions that the session cookies of r name, live or not, even if another credential authenticates
// r.
func (m *Manager) CookieIDs(r *http.Request) []ID {
	return m.present(r).all()
}

// notifyCookieChange calls OnCookieChange for the tickets of a request whose answer replaces or deletes the cookie.
func (m *Manager) notifyCookieChange(r *http.Request) {
	if m.OnCookieChange == nil {
		return
	}
	if ids := m.CookieIDs(r); len(ids) > 0 {
		m.OnCookieChange(ids)
	}
}

// FromContext returns the live session of the request, and loads it on the first call. It returns nil, nil for an anonymous request, and
// for one that is not from the browser that its session is bound to. An error means that nothing is known: answer 503, and leave the cookie
// as it is; but [ErrNoHandler] is a mistake of the program: answer 500. Safe for concurrent use.
func FromContext(ctx context.Context) (*Session, error) {
	q := RequestFrom(ctx)
	if q == nil {
		return nil, ErrNoHandler
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.known() {
		return q.session, q.excuse()
	}
	c, ok, err := q.load(ctx, nil)
	if !ok || err != nil {
		return nil, err
	}
	live, err := q.m.current(ctx, c.session.record)
	s, err := q.settle(ctx, c, live, err)
	if err == nil {
		err = q.excuse()
	}
	return s, err
}

// Unconfirmed is a session that was loaded and is within its limits. It is live if its account still has its epoch.
type Unconfirmed struct {
	User    string // the user whose account the caller must load
	session *Session
	now     int64 // when the limits were compared
	again   bool  // Reload has made it
}

// Session returns the session if epoch is the session's, and else nil. "" is the epoch of no session.
func (c Unconfirmed) Session(epoch string) *Session {
	if epoch == "" || epoch != c.session.record.Epoch {
		return nil
	}
	return c.session
}

// Known returns the session of the request without asking a store. known is false while there is a ticket that hasn't been
// looked up.
func (q *Request) Known() (s *Session, known bool) {
	if q == nil {
		return nil, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session, q.known()
}

func (q *Request) known() bool { return q.settled || !q.HasTicket() }

// Load loads the session that the ticket names, and reports whether there is one within its limits. It doesn't ask
// Manager.Accounts: the caller loads the account and calls [Request.ConfirmEpoch]. Load and ConfirmEpoch do what [FromContext] does, for
// code that needs the account itself, such as package auth. from is asked in the place of Manager.Store, whose sessions it must
// have; nil: the Store.
func (q *Request) Load(ctx context.Context, from CheckLoader) (c Unconfirmed, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.load(ctx, from)
}

func (q *Request) load(ctx context.Context, from CheckLoader) (c Unconfirmed, ok bool, err error) {
	id, ok := q.ticket()
	if !ok {
		return Unconfirmed{}, false, nil
	}
	c, result, err := q.m.load(ctx, from, id)
	if result != checkLive {
		q.m.notifyCheck(ctx, result)
	}
	if err != nil {
		return Unconfirmed{}, false, err
	}
	if c.session == nil {
		q.session, q.settled = nil, true
	}
	return c, c.session != nil, nil
}

// Reload is Load, but asks the store even if the request's session is known. Call it before an act that follows a long wait,
// such as for the body. It doesn't count as a use of the session.
func (q *Request) Reload(ctx context.Context, from CheckLoader) (c Unconfirmed, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	id, ok := q.ticket()
	if q.session != nil { // the request may have signed in or rotated its ticket since it came
		id, ok = q.session.record.ID, true
	}
	if !ok {
		return Unconfirmed{}, false, nil
	}
	c, _, err = q.m.load(ctx, from, id)
	if c.session == nil && err == nil {
		q.session, q.settled = nil, true
	}
	c.again = true
	return c, c.session != nil, err
}

// ConfirmEpoch takes what [Epochs] returned for the user of c. It returns the session that the request has from now on: that of
// c if it is live, else nil. After Load this counts as a use of the session, and a sign-in or sign-out of the request since
// then wins. After Reload neither is so.
func (q *Request) ConfirmEpoch(ctx context.Context, c Unconfirmed, epoch string, err error) (*Session, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.settle(ctx, c, c.Session(epoch) != nil, err)
}

func (q *Request) settle(ctx context.Context, c Unconfirmed, live bool, err error) (*Session, error) {
	if q.settled && !c.again {
		return q.session, nil
	}
	result := checkLive
	switch {
	case err != nil:
		result = checkUnavailable
	case !live:
		result = checkRevoked
		q.m.logRejected(ctx, result, c.session.record)
		c.session = nil
	case !q.prove(ctx, &c):
		result = checkUnproven
		reason := "no proof"
		if q.excused() {
			reason = "the browser says that it got none"
		}
		q.m.Audit.Record(ctx, audit.SessionKinds.Unproven, append(sessionAttrs(c.session.record), slog.String("reason", reason))...)
		c.session = nil
	}
	if !c.again {
		q.m.notifyCheck(ctx, result)
	}
	if err != nil {
		return nil, fmt.Errorf("load epoch: %w", err)
	}
	if c.session != nil && !c.again && !q.passive {
		q.m.touch(ctx, c.session, c.now)
	}
	q.session, q.settled = c.session, true
	return c.session, nil
}

// set makes s the session of the request from now on; nil: it has none. q may be nil.
func (q *Request) set(s *Session) {
	if q == nil {
		return
	}
	q.mu.Lock()
	q.session, q.settled = s, true
	q.mu.Unlock()
}

// IsTicket reports whether a text is the ticket of a session in the store. Asking doesn't count as a use of the session,
// and signs no one in.
func (m *Manager) IsTicket(ctx context.Context, text string) (bool, error) {
	id, ok := m.tickets().ID(text)
	if !ok {
		return false, nil
	}
	_, _, err := view(ctx, m.Store, nil, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// load loads the session with this ID. c has no session if there is none within its limits; result is the result of the
// check so far.
func (m *Manager) load(ctx context.Context, from CheckLoader, id ID) (c Unconfirmed, result string, err error) {
	r, now, err := view(ctx, m.Store, from, id)
	if errors.Is(err, ErrNotFound) {
		m.logRejected(ctx, checkUnknown, nil)
		return Unconfirmed{}, checkUnknown, nil
	}
	if err != nil {
		return Unconfirmed{}, checkUnavailable, fmt.Errorf("load session: %w", err)
	}
	if hasExpired(r, now) {
		m.logRejected(ctx, checkExpired, r)
		return Unconfirmed{}, checkExpired, nil
	}
	s, err := m.newSession(r)
	if err != nil {
		return Unconfirmed{}, checkUnavailable, err
	}
	return Unconfirmed{User: r.User, session: s, now: now}, checkLive, nil
}

// hasExpired reports whether either limit has passed. Expires is never after Deadline in a record that this package wrote;
// comparing both keeps the absolute limit even if another program wrote to the store.
func hasExpired(r *Record, now int64) bool { return now >= r.Expires || now >= r.Deadline }

// current reports whether the account still has the session's epoch.
func (m *Manager) current(ctx context.Context, r *Record) (bool, error) {
	if m.Accounts == nil {
		return true, nil
	}
	epoch, err := m.Accounts.Epoch(ctx, r.User)
	return err == nil && epoch != "" && epoch == r.Epoch, err
}

// logRejected records a ticket that names no live session. The ticket itself stays out of the log.
func (m *Manager) logRejected(ctx context.Context, why string, r *Record) {
	if m.Audit == nil {
		return
	}
	attrs := []slog.Attr{slog.String("reason", why)}
	if r != nil {
		attrs = append(attrs, sessionAttrs(r)...)
	}
	m.Audit.Record(ctx, audit.SessionKinds.UseAfterExpire, attrs...)
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

// maxAgent limits what is kept of a User-Agent, in bytes.
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
