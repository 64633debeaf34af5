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

// page keeps the names of the events that it was told.
type page struct {
	mu   sync.Mutex
	told []string
}

func (p *page) Tell(e events.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, e.Name())
	return nil
}

func (p *page) Close() {}

func (p *page) demand(t *testing.T, when string, events ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.told, events) {
		t.Errorf("%s the page was told %q, want %q", when, p.told, events)
	}
}

// TestAPasswordChangeIsBelievedAtTheSecondLook: between the commit of a new password and that of the new ticket, the session
// in which it was changed looks like all the others that it has ended.
func TestAPasswordChangeIsBelievedAtTheSecondLook(t *testing.T) {
	for name, own := range map[string]bool{"the session that made it": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := memory.New()
				u := &account.User{Username: "ada", IsActive: true, Epoch: "1", Password: "before"}
				must(t, db.Accounts.Create(t.Context(), u))
				m := &session.Manager{Store: db.Sessions}
				hub := &events.Hub{Auth: auth.New(m, db.Accounts)}
				s, err := m.SignIn(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: "1", Method: "password"})
				must(t, err)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() { _ = hub.Run(ctx) }()
				p := &page{}
				_, err = hub.Open(ctx, &auth.Identity{User: u, Session: s}, p)
				must(t, err)

				_, err = db.Accounts.Change(ctx, u.ID, func(u *account.User) error { u.Epoch, u.Password = "2", "after"; return nil })
				must(t, err)
				hub.Wake(u.ID)
				p.demand(t, "right after the change")
				time.Sleep(200 * time.Millisecond)
				if own {
					renew(t, db.Sessions, u.ID)
				}
				time.Sleep(2 * time.Second)
				if own {
					p.demand(t, "with its new ticket")
				} else {
					p.demand(t, "at the second look", "session.ended")
				}
			})
		})
	}
}

// renew gives the session the account's new epoch, under another ticket.
func renew(t *testing.T, store session.Store, user string) {
	t.Helper()
	records, err := store.List(t.Context(), session.Query{User: user})
	must(t, err)
	renewed := *records[0]
	renewed.ID, renewed.Epoch = session.ID{7}, "2"
	must(t, store.Replace(t.Context(), records[0], &renewed))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
