package httpapi_test

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// postbox gets the mail of a server.
type postbox struct {
	mu       sync.Mutex
	messages []mail.Message
	arrived  chan struct{} // closed at the next message
	idle     bool          // the server does no background work, so it sends nothing
	perHour  int           // 0: 600
	signUps  letters.SignUps
	codes    bool // people can sign in with a mailed code

	blocked chan struct{} // not nil: Send waits until it is closed
}

func newPostbox() *postbox { return &postbox{arrived: make(chan struct{})} }

// Send is called by the outbox.
func (p *postbox) Send(_ context.Context, m *mail.Message) error {
	p.mu.Lock()
	blocked := p.blocked
	p.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, *m)
	close(p.arrived)
	p.arrived = make(chan struct{})
	return nil
}

// configure makes a server send its mail here. A server without a postbox sends none: it has no store for it.
func (p *postbox) configure(c *cloakroom.Config) {
	if p == nil {
		c.Stores.Mail = nil
		return
	}
	c.SendMail, c.MailPerHour, c.MailCode, c.SignupDomains = p, p.perHour, p.codes, p.signUps.Domains
	switch {
	case p.signUps.Open:
		c.Signup, c.AllowSignup = "open", p.signUps.Allow
	case p.signUps.Invite:
		c.Signup = "invite"
	}
}

// outbox returns an outbox of the server with another store.
func (s *server) outbox(store mail.Store) *outbox.Service {
	return outbox.New(store, s.api.Sealer, s.box, s.api.Letters.Write, s.api.Audit, s.api.Log)
}

// all returns the messages so far.
func (p *postbox) all() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mail.Message(nil), p.messages...)
}

// next waits for the n-th message, counted from 0, and returns it.
func (p *postbox) next(t testing.TB, n int) mail.Message {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		p.mu.Lock()
		messages, arrived := p.messages, p.arrived
		p.mu.Unlock()
		if len(messages) > n {
			return messages[n]
		}
		select {
		case <-arrived:
		case <-timeout:
			t.Fatalf("%d messages have arrived, want %d", len(messages), n+1)
		}
	}
}

// ofKind waits for the n-th message of a kind, counted from 0, and returns it.
func (p *postbox) ofKind(t testing.TB, kind string, n int) mail.Message {
	t.Helper()
	for i := 0; ; i++ {
		if m := p.next(t, i); m.Kind == kind {
			if n--; n < 0 {
				return m
			}
		}
	}
}

// count returns how many messages of a kind have been sent. Other kinds can be under way: each message has its own delay.
func (p *postbox) count(kind string) (n int) {
	for _, m := range p.all() {
		if m.Kind == kind {
			n++
		}
	}
	return n
}

// to waits for a message to an address, and returns the first one.
func (p *postbox) to(t testing.TB, address string) mail.Message {
	t.Helper()
	for n := 0; ; n++ {
		if m := p.next(t, n); m.To == address {
			return m
		}
	}
}

// sent waits until no message waits.
func (s *server) sent() {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		all, err := s.stores.Mail.List(s.t.Context(), "", 1)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(all) == 0 {
			return
		}
		if time.Since(began) > time.Minute {
			s.t.Fatal("messages still wait")
		}
	}
}

var mailedSecret = regexp.MustCompile(`(?m)^(http\S+)#([A-Z2-7]{26})$`)

// link returns the address and the secret of the only link with a secret in a message.
func (s *server) link(m mail.Message) (address, secret string) {
	s.t.Helper()
	found := mailedSecret.FindAllStringSubmatch(m.Text, -1)
	if len(found) != 1 {
		s.t.Fatalf("%d links in\n%s", len(found), m.Text)
	}
	s.secret.add(found[0][2])
	return found[0][1], found[0][2]
}

// about returns what a test says about a message.
func about(m mail.Message) string { return fmt.Sprintf("%s to %s about %q", m.Kind, m.To, m.User) }

// TestAChangeOfThePasswordIsToldByMail, in the language of the browser.
func TestAChangeOfThePasswordIsToldByMail(t *testing.T) {
	box := newPostbox()
	s := start(t, options{mail: box})
	u, nameless := s.user("ada"), s.with(s.user("bob"), func(u *account.User) { u.Email = "" })
	ok(t, s.as(nameless).send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
	ok(t, s.as(u).send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}, "Accept-Language: de"))
	first := box.next(t, 0)
	if about(first) != fmt.Sprintf("password_changed to %s about %q", u.Email, u.ID) || first.Subject != "Dein Passwort für "+s.host()+" wurde geändert" {
		t.Errorf("the message is %s: %s", about(first), first.Subject)
	}
	ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(s.resetSecret(u), goodPassword)))
	if second := box.next(t, 1); second.Kind != "password_changed" || second.User != u.ID {
		t.Errorf("after a reset: %s", about(second))
	}
}

// TestAPasswordIsChangedAlsoIfItCantBeTold: the change is committed by then.
func TestAPasswordIsChangedAlsoIfItCantBeTold(t *testing.T) {
	s := start(t, options{mail: newPostbox(), stores: func(t *testing.T) stores {
		st := inMemory(t)
		st.Mail = brokenMail{st.Mail}
		return st
	}})
	ok(t, s.as(s.user("ada")).send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
	ok(t, s.client().login("ada", newPassword))
}

type brokenMail struct{ mail.Store }

func (brokenMail) Put(context.Context, *mail.Queued) error { return fmt.Errorf("the disk is full") }

// keptSecrets is a store that keeps a copy of each secret.
type keptSecrets struct {
	mail.Store
	mu  sync.Mutex
	all []mail.LinkSecret
}

func (k *keptSecrets) PutSecret(ctx context.Context, s *mail.LinkSecret) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, *s)
	return k.Store.PutSecret(ctx, s)
}

// lastsFor ends the test unless the only link of its kind expires after life, to within an hour. It deletes the link.
func lastsFor(t *testing.T, life time.Duration, deleteExpired func(ctx context.Context, now int64, limit int) (int, error)) {
	t.Helper()
	for n, at := range []time.Duration{life - time.Hour, life + time.Hour} {
		deleted, err := deleteExpired(t.Context(), time.Now().Add(at).Unix(), 100)
		must(t, err)
		if deleted != n {
			t.Fatalf("%d links have expired after %v, want %d", deleted, at, n)
		}
	}
}
