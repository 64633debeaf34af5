package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
)

// SignIn describes a sign-in: who has proved their identity, and how.
type SignIn struct {
	User           string
	Epoch          string   // read together with the proof (the password hash); needed if Manager.Accounts is set
	Method         string   // for lists and logs: "password", "basic" …
	Fresh          bool     // a factor, such as the password, was shown just now
	Second         bool     // two factors, or one that is both, were shown just now
	Methods        []string // how the user has proven who they are: words of signin.Method, in no order
	BrowserSession bool     // the cookie ends with the browser, and the shorter limits hold
	App            bool     // the ticket goes to a program that is no browser, in X-Session-Token; needs Manager.AppTokens
	Address        string   // the client's; "": that of the request's RemoteAddr, if it has one
	Values         Values

	// AuthenticatedAt is when the proof was given, if that was earlier and to another party that now vouches for it. The
	// session's age and lifetime count from then. Zero: now.
	AuthenticatedAt time.Time
}

// SignIn starts a session and sets its cookie. Call it before anything of the answer is written: the cookie is a header, and w doesn't say
// that it comes too late. The ticket is always new. If the request came with a session, that ends in the same step, even if it is another
// user's, and the new session takes nothing over from it. ErrEnded if the proof is so old that the session would have expired.
func (m *Manager) SignIn(w http.ResponseWriter, r *http.Request, in SignIn) (*Session, error) {
	if err := m.CheckConfig(); err != nil {
		return nil, err
	}
	if in.User == "" || (in.Epoch == "" && m.Accounts != nil) {
		return nil, errors.New("session: SignIn needs User, and Epoch where there are accounts")
	}
	ticket, record, err := m.newRecord(r, in)
	if err != nil {
		return nil, err
	}
	if m.MaxSessions > 0 {
		// Without the lock, two sign-ins at once could each end the other's session.
		end, err := m.userLocks.lock(r.Context(), in.User)
		if err != nil {
			return nil, fmt.Errorf("start session: %w", err)
		}
		defer end()
	}
	if err := m.start(r, record); err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	s, err := m.newSession(record)
	if err != nil {
		return nil, err
	}
	if !in.App {
		m.expireHostOnly(w, r)
	}
	m.issue(w, r, ticket, in.App, record)
	RequestFrom(r.Context()).set(s)
	m.Audit.Record(r.Context(), audit.SessionKinds.Created, sessionAttrs(record)...)
	m.trim(r.Context(), s)
	return s, nil
}

func (m *Manager) newRecord(r *http.Request, in SignIn) (string, *Record, error) {
	if in.App && !m.AppTokens {
		return "", nil, errors.New("session: SignIn for an app needs Manager.AppTokens")
	}
	ticket, id, err := m.newTicket(in.App)
	if err != nil {
		return "", nil, err
	}
	values, err := in.Values.encode()
	if err != nil {
		return "", nil, err
	}
	now := time.Now().Unix()
	record := &Record{
		ID: id, PublicID: newPublicID(), User: in.User, Epoch: in.Epoch, Method: Intern(in.Method), Browser: in.BrowserSession,
		Methods: joinMethods(Interned{}, in.Methods), Created: now, IP: address(in.Address, r), Agent: Intern(agent(r)), Values: values,
	}
	if in.Fresh {
		record.ReauthenticatedAt = now
	}
	if in.Second {
		record.SecondAt = now
	}
	m.restart(record, now)
	if !in.AuthenticatedAt.IsZero() {
		record.Created = min(now, in.AuthenticatedAt.Unix())
		record.Deadline -= now - record.Created
		record.Expires = min(record.Expires, record.Deadline)
	}
	if hasExpired(record, now) {
		return "", nil, ErrEnded
	}
	return ticket, record, nil
}

func (m *Manager) newTicket(app bool) (string, ID, error) {
	tickets := m.tickets()
	if app {
		tickets = appTickets{}
	}
	ticket := tickets.New()
	id, ok := tickets.ID(ticket)
	if !ok {
		return "", ID{}, errors.New("session: Tickets doesn't accept its own ticket")
	}
	return ticket, id, nil
}

// restart starts both limits now.
func (m *Manager) restart(r *Record, now int64) {
	r.Seen = now
	r.Idle = int64(m.idle(r.Browser) / time.Second)
	r.Deadline = now + int64(m.lifetime(r.Browser)/time.Second)
	r.Expires = min(now+r.Idle, r.Deadline)
}

// start creates the session. If the request came with a session, the new one replaces it.
func (m *Manager) start(r *http.Request, record *Record) error {
	id, ok := m.request(r).tickets.sole()
	for ok {
		var before *Record
		err := m.replaceRetrying(r.Context(), id, func(old *Record) (*Record, error) {
			before = old
			return record, nil
		})
		if err == nil {
			m.logEnd(r.Context(), endreason.SignedInAgain, sessionAttrs(before)...)
			m.notify(EndEvent{User: before.User, ID: before.PublicID, Reason: endreason.SignedInAgain})
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if isAnonymous(err) {
			break
		}
		// It may have been rotated to a ticket that the browser hasn't received yet.
		records, err := m.Store.List(r.Context(), Query{FormerID: id, Limit: 1})
		if err != nil {
			return err
		}
		if ok = len(records) > 0; ok {
			id = records[0].ID
		}
	}
	return m.Store.Create(r.Context(), record)
}

// replaceRetrying replaces the session by what next returns, and tries again if another request has changed it meanwhile.
func (m *Manager) replaceRetrying(ctx context.Context, id ID, next func(old *Record) (*Record, error)) error {
	for {
		old, err := m.Store.Load(ctx, id)
		if err != nil {
			return err
		}
		record, err := next(old)
		if err != nil {
			return err
		}
		err = m.Store.Replace(ctx, old, record)
		if err == nil {
			m.dropPendingUse(id)
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Reauthentication describes what the user of a session has shown again.
type Reauthentication struct {
	Epoch   string   // the account's, read with the proof; after a change of the password, the new one
	Second  bool     // two factors, or one that is both, were shown together
	Methods []string // how, as in [SignIn]; the session keeps those of before as well
}

// Reauthenticate gives the request's session a new ticket after its user has shown a factor again. The old ticket stops
// working in the same step, the session is fresh, and both limits start anew. ErrEnded if the session has ended, or another
// request has rotated it meanwhile. Call it before anything of the answer is written.
func (m *Manager) Reauthenticate(w http.ResponseWriter, r *http.Request, in Reauthentication) (*Session, error) {
	return m.rotate(w, r, in.Epoch, func(record *Record, now int64) {
		record.ReauthenticatedAt = now
		record.Methods = joinMethods(record.Methods, in.Methods)
		if in.Second {
			record.SecondAt = now
		}
		m.restart(record, now)
	})
}

// Rotate gives the request's session a new ticket and this epoch of its account although its user has shown nothing, such as after
// a change of the account that ends every other session. The old ticket stops working in the same step. The session is as fresh
// as it was, and ends when it would have; like any request, this one counts as a use. Errors as of [Manager.Reauthenticate].
// Call it before anything of the answer is written.
func (m *Manager) Rotate(w http.ResponseWriter, r *http.Request, epoch string) (*Session, error) {
	return m.rotate(w, r, epoch, func(record *Record, now int64) {
		record.Seen = max(record.Seen, now)
		record.Expires = min(record.Seen+record.Idle, record.Deadline)
	})
}

// rotate gives the request's session a new ticket and epoch, and changes it further.
func (m *Manager) rotate(w http.ResponseWriter, r *http.Request, epoch string, change func(record *Record, now int64)) (*Session, error) {
	if epoch == "" && m.Accounts != nil {
		return nil, errors.New("session: a new ticket needs the epoch where there are accounts")
	}
	s, err := FromContext(r.Context())
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, ErrEnded
	}
	app := m.UsesTokenHeader(r)
	ticket, renewed, err := m.renew(r.Context(), app, s.record.ID, epoch, change)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrEnded
	}
	if err != nil {
		return nil, fmt.Errorf("renew session: %w", err)
	}
	if s, err = m.newSession(renewed); err != nil {
		return nil, err
	}
	m.issue(w, r, ticket, app, renewed)
	RequestFrom(r.Context()).set(s)
	m.Audit.Record(r.Context(), audit.SessionKinds.Renewed, sessionAttrs(renewed)...)
	return s, nil
}

// joinMethods adds methods to those that a record has. The result is sorted, so that few different texts are kept in memory.
func joinMethods(record Interned, methods []string) Interned {
	all := append(strings.Fields(record.String()), methods...)
	slices.Sort(all)
	return Intern(strings.Join(slices.Compact(all), " "))
}

// renew puts the session under a new ticket.
func (m *Manager) renew(ctx context.Context, app bool, id ID, epoch string, change func(*Record, int64)) (ticket string, renewed *Record, err error) {
	ticket, next, err := m.newTicket(app)
	if err != nil {
		return "", nil, err
	}
	err = m.replaceRetrying(ctx, id, func(old *Record) (*Record, error) {
		now := time.Now().Unix()
		if hasExpired(old, now) {
			return nil, ErrNotFound
		}
		r := *old
		r.ID, r.Epoch = next, epoch
		change(&r, now)
		renewed = &r
		return renewed, nil
	})
	return ticket, renewed, err
}
