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

	"github.com/cloakroom-auth/cloakroom/session"
)

// Shared is the session cookie of a site whose upstream, Django, has it too, and may set and delete it.
//
// While an upstream works on a request, the browser may be given another ticket: by a re-authentication, a password change or
// a sign-in. The upstream then finds no session any more, and its late answer deletes the cookie by its name, or puts an
// anonymous session into it. So each answer is compared with what has become of the ticket that its request came with.
type Shared struct {
	Name     string
	Sessions *session.Manager

	// Succeeded reports whether another session has taken the place of the one with this ID, on whatever node.
	Succeeded func(context.Context, session.ID) (bool, error)
}

// carried is the tickets that a request came with.
type requestTickets struct {
	ids   []session.ID
	moved atomic.Bool // its browser has been given another cookie since, by this process
}

// moves knows whose cookies have changed lately.
type cookieChanges struct {
	mu      sync.Mutex
	pending map[session.ID][]*requestTickets // requests under way
	recent  map[session.ID]time.Time         // when: a request may have been sent before its browser knew of it
	order   []cookieChange                   // the same, the oldest first
}

type cookieChange struct {
	id session.ID
	at time.Time
}

// recently is for how long a request may come with a ticket in whose place its browser has got another: as long as the answer
// with that is under way.
const recentWindow = time.Minute

// Moved notes that the browser with these tickets is given another cookie, or none. For session.Manager.
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

// hold notes what the request came with until release is called.
func (x *exchange) hold() (release func()) {
	shared, m := x.u.g.c.Shared, &x.u.g.cookieChanges
	if shared == nil {
		return func() {}
	}
	x.tickets.ids = shared.Sessions.Carried(x.in)
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

// withoutStale drops what an upstream does to the session cookie of a browser that has got another since. A session in which
// someone is signed in may be set all the same: that is a sign-in at the upstream.
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
	if changed { // other answers that are under way must not take this one's cookie away
		x.u.g.Moved(x.tickets.ids)
	}
	return kept
}

// id returns the session that a cookie names; the zero ID if it names none.
func (s *Shared) id(c *http.Cookie) (id session.ID) {
	r := http.Request{Header: http.Header{"Cookie": {c.Name + "=" + c.Value}}}
	if ids := s.Sessions.Carried(&r); len(ids) > 0 && c.MaxAge >= 0 {
		id = ids[0]
	}
	return id
}

// is reports whether a browser takes this for the session cookie, and not for another of its name.
func (s *Shared) is(c *http.Cookie) bool {
	domain := func(d string) string { return strings.ToLower(strings.TrimPrefix(d, ".")) }
	return c.Name == s.Name && domain(c.Domain) == domain(s.Sessions.CookieDomain) &&
		cmp.Or(c.Path, "/") == cmp.Or(s.Sessions.CookiePath, "/")
}

// superseded reports whether the browser has got another cookie since. What can't be told is taken for that: an outage is no
// sign-out.
func (x *exchange) superseded() bool {
	if x.tickets.moved.Load() {
		return true
	}
	if x.who == nil || x.who.Session == nil {
		return false // the ticket was nobody's from the start
	}
	ctx, cancel := context.WithTimeout(x.in.Context(), checkTimeout)
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
			x.u.g.c.Log.LogAttrs(ctx, slog.LevelWarn, "an upstream's session cookie was dropped", slog.Any("error", err))
		}
		if moved || err != nil {
			return true
		}
	}
	return false
}

// signsIn reports whether a cookie names a session in which someone is signed in, and another than the request's.
func (x *exchange) signsIn(c *http.Cookie) bool {
	id := x.u.g.c.Shared.id(c)
	if id == (session.ID{}) || slices.Contains(x.tickets.ids, id) {
		return false
	}
	ctx, cancel := context.WithTimeout(x.in.Context(), checkTimeout)
	defer cancel()
	_, err := x.u.g.c.Shared.Sessions.Store.Load(ctx, id)
	return err == nil
}
