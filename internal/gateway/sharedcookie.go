package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Shared describes a session cookie that an upstream, Django, uses too, and may set and delete.
//
// While an upstream works on a request, the browser may get another ticket: by a re-authentication, a password change or a
// sign-in. The upstream then no longer finds the session, and its late answer deletes the cookie, or sets an anonymous
// session. So the gateway checks, for each such answer, whether the ticket of its request has been replaced.
type Shared struct {
	Name     string
	Sessions *session.Manager

	// Succeeded reports whether another session has replaced the one with this ID, on any node.
	Succeeded func(context.Context, session.ID) (bool, error)
}

// requestTickets are the tickets of a request.
type requestTickets struct {
	ids   []session.ID
	moved atomic.Bool // this process has given the browser another cookie since
}

// cookieChanges records which cookies have changed lately.
type cookieChanges struct {
	mu      sync.Mutex
	pending map[session.ID][]*requestTickets // requests under way
	recent  map[session.ID]time.Time         // the time of the change: the browser may have sent a request before it got the new cookie
	order   []cookieChange                   // the same, the oldest first
}

type cookieChange struct {
	id session.ID
	at time.Time
}

// recentWindow is how long a request may still have a replaced ticket: as long as the answer with the new one is under way.
const recentWindow = time.Minute

// Moved records that the browser with these tickets gets another cookie, or none. It is a hook for session.Manager.
func (g *Gateway) Moved(ids []session.ID) {
	m, now := &g.cookieChanges, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	if m.recent == nil {
		m.recent = map[session.ID]time.Time{}
	}
	for _, id := range ids {
		m.recent[id], m.order = now, append(m.order, cookieChange{id, now})
		for _, c := range m.pending[id] {
			c.moved.Store(true)
		}
	}
}

func (m *cookieChanges) expire(now time.Time) {
	for len(m.order) > 0 && now.Sub(m.order[0].at) > recentWindow {
		if old := m.order[0]; m.recent[old.id].Equal(old.at) {
			delete(m.recent, old.id)
		}
		m.order = m.order[1:]
	}
}

// hold tracks the tickets of the request until release is called.
func (x *exchange) hold() (release func()) {
	shared, m := x.u.g.c.Shared, &x.u.g.cookieChanges
	if shared == nil {
		return func() {}
	}
	x.tickets.ids = shared.Sessions.CookieIDs(x.in)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	if m.pending == nil {
		m.pending = map[session.ID][]*requestTickets{}
	}
	for _, id := range x.tickets.ids {
		m.pending[id] = append(m.pending[id], &x.tickets)
		if _, moved := m.recent[id]; moved {
			x.tickets.moved.Store(true)
		}
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, id := range x.tickets.ids {
			if m.pending[id] = slices.DeleteFunc(m.pending[id], func(c *requestTickets) bool { return c == &x.tickets }); len(m.pending[id]) == 0 {
				delete(m.pending, id)
			}
		}
	}
}

// withoutStale drops an upstream's changes of the session cookie if the browser has got another since. A cookie of a
// session with a signed-in user stays: that is a sign-in at the upstream.
func (x *exchange) withoutStale(lines []string) []string {
	shared := x.u.g.c.Shared
	if shared == nil || len(x.tickets.ids) == 0 {
		return lines
	}
	superseded, changed := sync.OnceValue(x.superseded), false
	kept := slices.DeleteFunc(lines, func(line string) bool {
		c, err := http.ParseSetCookie(line)
		if err != nil || !shared.is(c) {
			return false
		}
		if superseded() && !x.signsIn(c) {
			return true
		}
		changed = changed || !slices.Contains(x.tickets.ids, shared.id(c))
		return false
	})
	if changed { // other answers under way must not remove this one's cookie
		x.u.g.Moved(x.tickets.ids)
	}
	return kept
}

// id returns the ID of the session that a cookie names; the zero ID if it names none.
func (s *Shared) id(c *http.Cookie) (id session.ID) {
	r := http.Request{Header: http.Header{"Cookie": {c.Name + "=" + c.Value}}}
	if ids := s.Sessions.CookieIDs(&r); len(ids) > 0 && c.MaxAge >= 0 {
		id = ids[0]
	}
	return id
}

// is reports whether a browser would replace the session cookie with c: name, domain and path are the same.
func (s *Shared) is(c *http.Cookie) bool {
	domain := func(d string) string { return strings.ToLower(strings.TrimPrefix(d, ".")) }
	return c.Name == s.Name && domain(c.Domain) == domain(s.Sessions.CookieDomain) &&
		cmp.Or(c.Path, "/") == cmp.Or(s.Sessions.CookiePath, "/")
}

// superseded reports whether the browser has got another cookie since. In an outage it reports true: an outage is not a
// sign-out.
func (x *exchange) superseded() bool {
	if x.tickets.moved.Load() {
		return true
	}
	if x.who == nil || x.who.Session == nil {
		return false // the ticket never named a session
	}
	ctx, cancel := resilience.LimitCheck(x.in.Context())
	defer cancel()
	for _, id := range x.tickets.ids {
		_, err := x.u.g.c.Shared.Sessions.Store.Load(ctx, id)
		if err == nil {
			continue
		}
		moved := true
		if errors.Is(err, session.ErrNotFound) {
			moved, err = x.u.g.c.Shared.Succeeded(ctx, id)
		}
		if err != nil {
			x.u.g.c.Log.LogAttrs(ctx, slog.LevelWarn, "dropped the session cookie of an upstream", slog.Any("error", err))
		}
		if moved || err != nil {
			return true
		}
	}
	return false
}

// signsIn reports whether a cookie names a session with a signed-in user, other than the request's.
func (x *exchange) signsIn(c *http.Cookie) bool {
	id := x.u.g.c.Shared.id(c)
	if id == (session.ID{}) || slices.Contains(x.tickets.ids, id) {
		return false
	}
	ctx, cancel := resilience.LimitCheck(x.in.Context())
	defer cancel()
	_, err := x.u.g.c.Shared.Sessions.Store.Load(ctx, id)
	return err == nil
}
