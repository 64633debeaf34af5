package events_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// page records the names of the events that it gets.
type page struct {
	mu     sync.Mutex
	events []string
}

func (p *page) Send(e events.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e.Name())
	return nil
}

func (p *page) Close() {}

// want fails the test unless the page got exactly these events so far.
func (p *page) want(t *testing.T, when string, events ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.events, events) {
		t.Errorf("%s: the page got %q, want %q", when, p.events, events)
	}
}

// TestAUsersOwnChangeClosesAPageAtTheSecondCheck: between the commit of a change and that of the new ticket, the session in
// which the account was changed looks ended, like all other sessions of the user.
func TestAUsersOwnChangeClosesAPageAtTheSecondCheck(t *testing.T) {
	for name, change := range map[string]func(*account.Service, *account.User) error{
		"a new password": func(s *account.Service, u *account.User) error {
			_, err := s.Store.Change(t.Context(), u.ID, func(u *account.User) error { u.Epoch, u.Password = "2", "after"; return nil })
			return err
		},
		"another factor": func(s *account.Service, u *account.User) error {
			_, err := s.RenewEpoch(t.Context(), u.ID, u.Epoch)
			return err
		},
	} {
		t.Run(name+", the session that made it", func(t *testing.T) { closesAtTheSecondCheck(t, change, true) })
		t.Run(name+", another", func(t *testing.T) { closesAtTheSecondCheck(t, change, false) })
	}
}

func closesAtTheSecondCheck(t *testing.T, change func(*account.Service, *account.User) error, own bool) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New()
		u := &account.User{Username: "ada", IsActive: true, Epoch: "1", Password: "before"}
		must(t, db.Accounts.Create(t.Context(), u))
		m := &session.Manager{Store: db.Sessions}
		hub := &events.Hub{Auth: auth.New(auth.Config{Sessions: m, Accounts: db.Accounts})}
		s, err := m.SignIn(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: "1", Method: "password"})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = hub.Run(ctx) }()
		p := &page{}
		_, err = hub.Open(ctx, &auth.Identity{User: u, Session: s}, p)
		must(t, err)

		must(t, change(&account.Service{Store: db.Accounts}, u))
		hub.Wake(u.ID)
		p.want(t, "right after the change")
		time.Sleep(200 * time.Millisecond)
		if own {
			renew(t, db.Sessions, db.Accounts, u.ID)
		}
		time.Sleep(2 * time.Second)
		if own {
			p.want(t, "with its new ticket")
		} else {
			p.want(t, "at the second check", "session.ended")
		}
	})
}

// renew gives the session the account's new epoch, under another ticket.
func renew(t *testing.T, sessions session.Store, accounts account.Store, user string) {
	t.Helper()
	records, err := sessions.List(t.Context(), session.Query{User: user})
	must(t, err)
	u, err := accounts.Load(t.Context(), user)
	must(t, err)
	renewed := *records[0]
	renewed.ID, renewed.Epoch = session.ID{7}, u.Epoch
	must(t, sessions.Replace(t.Context(), records[0], &renewed))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
