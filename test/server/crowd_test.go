package server_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// crowd is many clients at once that sign in, sign out and re-authenticate, and record the answers. Only a few send
// passwords at a time: if the pool is full the server only says "busy", which tests nothing.
type crowd struct {
	s         *server
	members   []*member
	passwords chan struct{}

	ins, rotations, outs atomic.Int64 // acknowledged
	lost                 atomic.Int64 // no answer came
	outages              atomic.Int64 // 503: the store couldn't answer
}

// member is one client with the answers about its tickets.
type member struct {
	*visitor
	user    *account.User
	tickets map[string]fate
	buried  []string // those that were found dead already
}

// fate is the state that a ticket must be in.
type fate int

const (
	either fate = iota // nothing certain is known
	passes
	fails
)

func newCrowd(s *server, users []*account.User, n int) *crowd {
	c := &crowd{s: s, passwords: make(chan struct{}, 8)}
	for i := range n {
		c.members = append(c.members, &member{visitor: s.visitor(), user: users[i%len(users)], tickets: map[string]fate{}})
	}
	return c
}

// seed gives sessions to members without one, because sign-ins alone, limited by hashing, would make too few.
func (c *crowd) seed() {
	var users []*account.User
	var without []*member
	for _, m := range c.members {
		if m.ticket() == "" {
			without, users = append(without, m), append(users, m.user)
		}
	}
	for i, ticket := range c.s.give(users...) {
		without[i].cookies[sessionCookie] = ticket
		without[i].tickets[ticket] = passes
	}
}

// busy reports whether enough was acknowledged, and enough was not.
func (c *crowd) busy() bool {
	return c.ins.Load()+c.rotations.Load() > 3 && c.outs.Load() > 3 && c.lost.Load() > 3
}

// work lets all clients work at once, as long as answers arrive and on, which is called after each, returns true.
func (c *crowd) work(on func() bool) {
	var group sync.WaitGroup
	for _, m := range c.members {
		group.Go(func() {
			for c.act(m) && on() {
			}
		})
	}
	group.Wait()
}

// act does one thing with the member's ticket. It returns false if no answer came.
func (c *crowd) act(m *member) bool {
	before := m.ticket()
	request, count := m.choose(before != "", c)
	a, err := request()
	switch {
	case err != nil:
		m.doubt(before)
		if !refused(err) {
			c.lost.Add(1)
		}
		return false
	case a.status == http.StatusServiceUnavailable:
		m.doubt(before)
		c.outages.Add(1)
		if a.header.Get("Retry-After") == "" || a.setsCookie() {
			c.s.t.Errorf("an outage is told as %s with %v", a, a.header)
		}
	case a.status == http.StatusTooManyRequests:
		// Tries that were interrupted by a kill count as failed, so some clients have to wait.
		time.Sleep(100 * time.Millisecond)
	case a.status == http.StatusUnauthorized && before != "" && m.tickets[before] == either:
		m.bury(before)
	case a.status != http.StatusOK:
		c.s.t.Errorf("%s is told %s", m.user.Username, a)
		return false
	default:
		count.Add(1)
		m.replace(before)
	}
	return true
}

func (m *member) choose(signedIn bool, c *crowd) (request func() (answer, error), count *atomic.Int64) {
	switch n := rand.IntN(4); {
	case !signedIn, n == 0:
		return c.inTurn(func() (answer, error) { return m.signIn(m.user.Username, goodPassword) }), &c.ins
	case n == 1:
		return c.inTurn(func() (answer, error) { return m.reauthenticate(goodPassword) }), &c.rotations
	}
	return m.signOut, &c.outs
}

func (c *crowd) inTurn(request func() (answer, error)) func() (answer, error) {
	return func() (answer, error) {
		c.passwords <- struct{}{}
		defer func() { <-c.passwords }()
		return persist(request)
	}
}

// doubt records that the ticket may have ended.
func (m *member) doubt(ticket string) {
	if ticket != "" {
		m.tickets[ticket] = either
	}
}

// replace records that the old ticket has ended, and that the one in the member's cookie, if any, is live.
func (m *member) replace(old string) {
	if old != "" {
		m.tickets[old] = fails
	}
	if m.ticket() != "" {
		m.tickets[m.ticket()] = passes
	}
}

// bury records that the ticket was refused. It must stay refused.
func (m *member) bury(ticket string) {
	delete(m.tickets, ticket)
	m.buried = append(m.buried, ticket)
	if m.ticket() == ticket {
		delete(m.cookies, sessionCookie)
	}
}

// check uses the tickets that haven't been refused yet, and settles the doubtful ones.
func (c *crowd) check() {
	c.eachMember(func(m *member) {
		for ticket, fate := range m.tickets {
			m.settle(ticket, fate)
		}
	})
}

// checkDead uses the tickets that were refused before.
func (c *crowd) checkDead() {
	c.eachMember(func(m *member) {
		for _, ticket := range m.buried {
			c.s.holding(ticket).demand(http.StatusUnauthorized, "a ticket that was found dead before")
		}
	})
}

func (c *crowd) eachMember(do func(*member)) {
	var group sync.WaitGroup
	turn := make(chan struct{}, 20)
	for _, m := range c.members {
		turn <- struct{}{}
		group.Go(func() {
			do(m)
			<-turn
		})
	}
	group.Wait()
}

func (m *member) settle(ticket string, f fate) {
	a, err := m.s.holding(ticket).me()
	alive := err == nil && a.status == http.StatusOK
	switch {
	case err != nil || (!alive && a.status != http.StatusUnauthorized):
		m.s.t.Errorf("/api/me afterwards: %s, %v", a, err)
		return
	case alive && f == fails:
		m.s.t.Errorf("a session of %s that had ended is alive", m.user.Username)
	case !alive && f == passes:
		m.s.t.Errorf("%s was signed in, and is not any more: %s", m.user.Username, a)
	}
	if alive {
		m.tickets[ticket] = passes
	} else {
		m.bury(ticket)
	}
}
