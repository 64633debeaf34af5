package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

// gate stops the first call of one kind until it is opened.
type gate struct {
	session.Store
	call            string
	once            sync.Once
	reached, opened chan struct{}
}

func newGate(inner session.Store, call string) *gate {
	return &gate{Store: inner, call: call, reached: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) pass(call string) {
	if call == g.call {
		g.once.Do(func() {
			close(g.reached)
			<-g.opened
		})
	}
}

func (g *gate) Create(ctx context.Context, r *session.Record) error {
	g.pass("Create")
	return g.Store.Create(ctx, r)
}

func (g *gate) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	r, err := g.Store.Load(ctx, id)
	g.pass("Load")
	return r, err
}

func (g *gate) Replace(ctx context.Context, old, new *session.Record) error {
	g.pass("Replace")
	return g.Store.Replace(ctx, old, new)
}

func (g *gate) Touch(ctx context.Context, uses []session.Use) error {
	g.pass("Touch")
	return g.Store.Touch(ctx, uses)
}

// TestNoLateWriteRevivesAnEndedSession holds a request between what it has read and what it writes, ends the
// session meanwhile by another request, and lets it go on: the session stays dead, and the late answer sets no cookie of
// one that lives.
func TestNoLateWriteRevivesAnEndedSession(t *testing.T) {
	t.Attr("threat", "X07")
	t.Attr("threat", "B1")
	t.Attr("threat", "L06")
	change := map[string]string{"current_password": goodPassword, "new_password": newPassword}
	for name, row := range map[string]struct {
		call string
		send func(c *client) *answer
	}{
		"a check":             {"Load", func(c *client) *answer { return c.send("GET", "/api/me", nil) }},
		"a use that is noted": {"Touch", func(c *client) *answer { return c.send("GET", "/api/me", nil) }},
		"a re-authentication": {"Replace", func(c *client) *answer {
			return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
		}},
		"a change of password":   {"Replace", func(c *client) *answer { return c.send("POST", "/api/auth/password/change", change) }},
		"a change, after a look": {"Load", func(c *client) *answer { return c.send("POST", "/api/auth/password/change", change) }},
		"a password, after a look": {"Load", func(c *client) *answer {
			return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
		}},
	} {
		for end, finish := range map[string]func(s *server, ticket, id string) error{
			"sign-out": func(s *server, ticket, _ string) error {
				if r := s.client().hold(ticket).send("POST", "/api/auth/logout", nil); r.StatusCode != 200 {
					return fmt.Errorf("%d %s", r.StatusCode, r.body)
				}
				return nil
			},
			"a revocation from elsewhere": func(s *server, _, id string) error {
				return s.api.Sessions.Revoke(context.Background(), "", id)
			},
		} {
			t.Run(name+" and "+end, func(t *testing.T) {
				inner := inMemory(t)
				s := start(t, options{stores: func(*testing.T) stores { return inner }})
				u := s.user("ada")
				ticket := s.as(u).ticket()
				s.change(u.ID, func(r *session.Record) { r.Seen -= 300 })
				g := newGate(inner.Sessions, row.call)
				slow := start(t, options{stores: func(*testing.T) stores {
					return stores{Sessions: g, Accounts: inner.Accounts, Tokens: inner.Tokens, Throttles: inner.Throttles, Sealed: inner.Sealed, Audit: inner.Audit}
				}})
				late := make(chan *answer)
				go func() { late <- row.send(slow.client().hold(ticket)) }()
				select {
				case <-g.reached:
				case r := <-late:
					t.Fatalf("it never came to %s: %d %s", row.call, r.StatusCode, r.body)
				}
				if err := finish(s, ticket, s.records(u.ID)[0].PublicID); err != nil {
					t.Error(err)
				}
				close(g.opened)
				r := <-late
				s.dead(t, "the ticket", ticket)
				for _, cookie := range r.Cookies() {
					if cookie.Name == session.PlainCookieName {
						t.Errorf("the late answer sets %v", cookie)
					}
				}
				if n := len(s.records(u.ID)); n != 0 {
					t.Errorf("%d sessions", n)
				}
			})
		}
	}
}

// TestALateWriteOfTheAppIsRefusedAfterASignOut: what an app writes to a session that was signed out meanwhile is refused, and
// changes nothing.
func TestALateWriteOfTheAppIsRefusedAfterASignOut(t *testing.T) {
	t.Attr("threat", "B1")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		reached, opened := make(chan struct{}), make(chan struct{})
		var s *server
		s = start(t, options{stores: open, next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, err := auth.FromContext(r.Context())
			if err != nil || who == nil {
				t.Errorf("%v %v", who, err)
				return
			}
			close(reached)
			<-opened
			_, err = s.api.Sessions.Update(r.Context(), who.Session, func(v session.Values) error { return v.Set("cart", 1) })
			if !errors.Is(err, session.ErrEnded) {
				t.Errorf("the late write: %v", err)
			}
		})})
		u := s.user("ada")
		ticket := s.as(u).ticket()
		late := make(chan *answer)
		go func() { late <- s.client().hold(ticket).send("GET", "/api/cart", nil) }()
		select {
		case <-reached:
		case r := <-late:
			t.Fatalf("the app was not asked: %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().hold(ticket).send("POST", "/api/auth/logout", nil))
		close(opened)
		if r := <-late; len(r.Cookies()) > 0 {
			t.Errorf("the late answer sets %v", r.Cookies())
		}
		s.dead(t, "the ticket", ticket)
		if n := len(s.records(u.ID)); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestParallelRotationsLeaveOneTicket: of many that type the password at once with the same ticket, one gets the new
// one, and the others are told that theirs has ended; no two tickets live at any time.
func TestParallelRotationsLeaveOneTicket(t *testing.T) {
	t.Attr("threat", "L06")
	t.Attr("threat", "B6")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.api.Accounts.Hasher.Wait = time.Minute
		u := s.user("ada")
		ticket := s.as(u).ticket()
		var won atomic.Int32
		var all sync.WaitGroup
		tickets := make(chan string, 8)
		for range 8 {
			all.Go(func() {
				c := s.client().hold(ticket)
				switch r := c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}); r.StatusCode {
				case 200:
					won.Add(1)
					tickets <- c.ticket()
				case 401:
				default:
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d got a new ticket", n)
		}
		s.dead(t, "the old ticket", ticket)
		s.alive(t, "the new ticket", <-tickets)
		if n := len(s.records(u.ID)); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}
