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

// gate is a session store that stops the first call of one method until it is opened.
type gate struct {
	session.Store
	call            string
	once, first     sync.Once
	reached, opened chan struct{}
	touched         chan struct{} // closed after the first Touch
}

func newGate(inner session.Store, call string) *gate {
	return &gate{Store: inner, call: call, reached: make(chan struct{}), opened: make(chan struct{}), touched: make(chan struct{})}
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

func (g *gate) Touch(ctx context.Context, uses []session.LastUse) error {
	g.pass("Touch")
	err := g.Store.Touch(ctx, uses)
	g.first.Do(func() { close(g.touched) })
	return err
}

// TestNoLateWriteRevivesAnEndedSession holds a request between its read and its write while another request ends the session. The
// session stays ended, and the late response sets no valid cookie.
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
					return fmt.Errorf("got %d %s", r.StatusCode, r.body)
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
				var r *answer
				select {
				case <-g.reached:
				case r = <-late:
					if row.call != "Touch" {
						t.Fatalf("the request didn't call %s: got %d %s", row.call, r.StatusCode, r.body)
					}
					select { // uses are written in batches
					case <-g.reached:
					case <-time.After(patience):
						t.Fatal("the use was not written")
					}
				}
				if err := finish(s, ticket, s.records(u.ID)[0].PublicID); err != nil {
					t.Error(err)
				}
				close(g.opened)
				if r == nil {
					r = <-late
				}
				if row.call == "Touch" {
					<-g.touched
				}
				s.dead(t, "the ticket", ticket)
				for _, cookie := range r.Cookies() {
					if cookie.Name == "sessionid" {
						t.Errorf("the late response sets %v", cookie)
					}
				}
				if n := len(s.records(u.ID)); n != 0 {
					t.Errorf("there are %d sessions", n)
				}
			})
		}
	}
}

// TestALateWriteOfTheAppIsRefusedAfterASignOut: an app can't change the data of a session that ended meanwhile.
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
			t.Fatalf("the request didn't reach the app: got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().hold(ticket).send("POST", "/api/auth/logout", nil))
		close(opened)
		if r := <-late; len(r.Cookies()) > 0 {
			t.Errorf("the late response sets %v", r.Cookies())
		}
		s.dead(t, "the ticket", ticket)
		if n := len(s.records(u.ID)); n != 0 {
			t.Errorf("there are %d sessions", n)
		}
	})
}

// TestParallelRotationsLeaveOneTicket: of many parallel re-authentications with the same ticket, one gets the new ticket, and the
// others get session_ended. There is never more than one valid ticket.
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
					t.Errorf("got %d %s", r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d requests got a new ticket, want 1", n)
		}
		s.dead(t, "the old ticket", ticket)
		s.alive(t, "the new ticket", <-tickets)
		if n := len(s.records(u.ID)); n != 1 {
			t.Errorf("there are %d sessions", n)
		}
	})
}
