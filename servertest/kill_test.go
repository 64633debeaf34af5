package servertest_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestB5_KillForgetsNothingThatWasAcknowledged ends the server without warning, time and again, in the middle of 500
// clients that sign in and out. Whoever was told "signed in" is, whoever was told "signed out" is not; where no answer
// came, either may be.
func TestB5_KillForgetsNothingThatWasAcknowledged(t *testing.T) {
	s := start(t)
	crowd := newCrowd(s, s.people("kim", 250), 500)
	lives := 10
	if long {
		lives = 200
	}
	for life := range lives {
		if life%2 == 0 {
			crowd.seed()
		}
		crowd.workUntilKilled()
		s.start()
		crowd.check((*member).recent)
	}
	crowd.check((*member).all)
	t.Logf("%d lives: %d sign-ins, %d rotations and %d sign-outs acknowledged, %d answers lost",
		lives, crowd.ins.Load(), crowd.rotations.Load(), crowd.outs.Load(), crowd.lost.Load())
	if crowd.ins.Load() == 0 || crowd.rotations.Load() == 0 || crowd.outs.Load() == 0 || crowd.lost.Load() == 0 {
		t.Error("the server was never killed in the middle of things")
	}
	s.stop()
	whole(t, s.database())
}

// crowd is many clients at once. Passwords come a few at a time, since one that finds no room is told to come again,
// and the point is to be told something else.
type crowd struct {
	s         *server
	members   []*member
	passwords chan struct{}

	ins, rotations, outs, lost atomic.Int64
}

func newCrowd(s *server, users []*account.User, n int) *crowd {
	c := &crowd{s: s, passwords: make(chan struct{}, 8)}
	for i := range n {
		c.members = append(c.members, &member{visitor: s.visitor(), user: users[i%len(users)], tickets: map[string]fate{}})
	}
	return c
}

// seed gives sessions to those who have none, so that there is more to end than the hashing of passwords lets begin.
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

// member is one client, and what it was told about its tickets.
type member struct {
	*visitor
	user    *account.User
	tickets map[string]fate
	buried  []string // those that were found dead already
}

// fate is what must become of a ticket.
type fate int

const (
	either fate = iota // no answer came
	passes
	fails
)

func (m *member) recent() map[string]fate { return m.tickets }

func (m *member) all() map[string]fate {
	for _, ticket := range m.buried {
		m.tickets[ticket] = fails
	}
	return m.tickets
}

// workUntilKilled lets all clients work at once, and kills the server at a moment that it doesn't see coming.
func (c *crowd) workUntilKilled() {
	var group sync.WaitGroup
	var first sync.Once
	for _, m := range c.members {
		group.Go(func() {
			for c.act(m) {
				first.Do(func() { time.AfterFunc(rand.N(1500*time.Millisecond), c.s.kill) })
			}
		})
	}
	group.Wait()
}

// act does one thing with the member's ticket. false: no answer came.
func (c *crowd) act(m *member) bool {
	before := m.ticket()
	deed, count := m.choose(before != "", c)
	a, err := deed()
	switch {
	case err != nil, a.status == http.StatusServiceUnavailable:
		if before != "" {
			m.tickets[before] = either
		}
		if !refused(err) {
			c.lost.Add(1)
		}
		return err == nil
	case a.status == http.StatusTooManyRequests:
		// Tries that a kill has cut short count as failed, so some have to wait.
		time.Sleep(100 * time.Millisecond)
		return true
	case a.status != http.StatusOK:
		c.s.t.Errorf("%s is told %s", m.user.Username, a)
		return false
	}
	count.Add(1)
	if before != "" {
		m.tickets[before] = fails
	}
	if after := m.ticket(); after != "" {
		m.tickets[after] = passes
	}
	return true
}

func (m *member) choose(signedIn bool, c *crowd) (deed func() (answer, error), count *atomic.Int64) {
	switch n := rand.IntN(4); {
	case !signedIn, n == 0:
		return c.inTurn(func() (answer, error) { return m.signIn(m.user.Username, goodPassword) }), &c.ins
	case n == 1:
		return c.inTurn(func() (answer, error) { return m.reauthenticate(goodPassword) }), &c.rotations
	}
	return m.signOut, &c.outs
}

func (c *crowd) inTurn(deed func() (answer, error)) func() (answer, error) {
	return func() (answer, error) {
		c.passwords <- struct{}{}
		defer func() { <-c.passwords }()
		return persist(deed)
	}
}

// check asks for the tickets of all members, and settles what was in doubt.
func (c *crowd) check(which func(*member) map[string]fate) {
	var group sync.WaitGroup
	for _, m := range c.members {
		group.Go(func() {
			for ticket, fate := range which(m) {
				m.settle(ticket, fate)
			}
		})
	}
	group.Wait()
}

func (m *member) settle(ticket string, f fate) {
	a, err := m.s.holding(ticket).me()
	alive := err == nil && a.status == http.StatusOK
	switch {
	case err != nil || (!alive && a.status != http.StatusUnauthorized):
		m.s.t.Errorf("/api/me after a restart: %s, %v", a, err)
	case alive && f == fails:
		m.s.t.Errorf("a session of %s that had ended is alive after the restart", m.user.Username)
	case !alive && f == passes:
		m.s.t.Errorf("%s was signed in, and is not after the restart: %s", m.user.Username, a)
	}
	if alive {
		m.tickets[ticket] = passes
		return
	}
	delete(m.tickets, ticket)
	m.buried = append(m.buried, ticket)
	if m.ticket() == ticket {
		delete(m.cookies, sessionCookie)
	}
}

// TestTicketsFromBeforeARotationStayDeadAfterAKill: the old ticket of a session was valid once, and a state restored
// from before would make it so again.
func TestTicketsFromBeforeARotationStayDeadAfterAKill(t *testing.T) {
	s := start(t)
	s.people("kim", 1)
	v := s.signedIn("kim0")
	old := v.ticket()
	if a := v.must(v.reauthenticate(goodPassword)); a.status != http.StatusOK || v.ticket() == old {
		t.Fatalf("no new ticket: %s", a)
	}
	s.kill()
	s.start()
	s.holding(old).demand(http.StatusUnauthorized, "the ticket from before")
	v.demand(http.StatusOK, "the new ticket")
}

// TestF7_FailuresAreCountedAcrossAKill: a guesser who could crash the server would have as many guesses as he likes.
func TestF7_FailuresAreCountedAcrossAKill(t *testing.T) {
	s := start(t)
	s.people("kim", 2)
	for range 10 {
		v := s.visitor() // from everywhere: the account counts
		if a := v.must(persist(func() (answer, error) { return v.signIn("kim0", "wrong, and wrong again") })); a.status != http.StatusUnauthorized {
			t.Fatalf("a wrong password is answered %s", a)
		}
	}
	s.kill()
	s.start()
	a := s.visitor().must(s.visitor().signIn("kim0", goodPassword))
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("the eleventh try, after a kill, is answered %s", a)
	}
	s.signedIn("kim1")
}
