package django_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// letterbox gets the mail of a Cloakroom.
type letterbox chan mail.Message

func (b letterbox) Send(ctx context.Context, m *mail.Message) error {
	select {
	case b <- *m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var sharedLink = regexp.MustCompile(`(?m)^http://\S+/auth/reset#(\S+)/(\S+)$`)

// TestEachAcceptsTheResetLinksOfTheOther: a link of Django's opens at Cloakroom, and one of Cloakroom's at Django.
func TestEachAcceptsTheResetLinksOfTheOther(t *testing.T) {
	t.Attr("threat", "R15")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		box := make(letterbox, 10)
		p := newPair(t, address(t), func(_ *djangoserver.Config, c *cloakroom.Config) { c.SendMail = box })
		p.stop()
		p.run = true
		p.start()
		reset := func(secret, password string) int {
			t.Helper()
			return p.person(t).ours.Do(t, "POST", "/api/auth/password/reset", map[string]any{"secret": secret, "new_password": password}, nil)
		}
		forgot := func(email string) mail.Message {
			t.Helper()
			if status := p.person(t).ours.Do(t, "POST", "/api/auth/password/forgot", map[string]any{"email": email}, nil); status != http.StatusAccepted {
				t.Fatalf("forgot: %d", status)
			}
			for {
				select {
				case m := <-box:
					if m.Kind == "reset_shared" || m.Kind == "no_password" {
						return m
					}
				case <-t.Context().Done():
					t.Fatal("no message has come")
				}
			}
		}
		name, id := p.user(t)
		p.person(t).signsIn("Django", name, good) // there is a last sign-in
		var token string
		p.site.Run(t, "reset_token", map[string]any{"name": name}, &token)
		uid := django.ResetTokens{}.UID(id)
		if status := reset(uid+"/"+token[:len(token)-1]+"x", better); status != http.StatusForbidden {
			t.Errorf("a forged link: %d", status)
		}
		_, other := p.user(t)
		if status := reset(django.ResetTokens{}.UID(other)+"/"+token, better); status != http.StatusForbidden {
			t.Errorf("another user's link: %d", status)
		}
		if status := reset(uid+"/"+token+"/", better); status != http.StatusOK {
			t.Fatalf("Django's link: %d", status)
		}
		if status := reset(uid+"/"+token, good); status != http.StatusForbidden {
			t.Errorf("Django's link again: %d", status)
		}
		p.person(t).signsIn("Django", name, better)
		p.person(t).signsIn("Cloakroom", name, better)

		// Several accounts have the address, one of them in another spelling, and one has no password.
		for n, extra := range []string{"shared@example.com", "shared@example.com", "Shared@example.com", "shared@example.com"} {
			user := fmt.Sprintf("%s-%d", name, n)
			p.site.Run(t, "add", map[string]any{"name": user, "password": good, "email": extra}, nil)
			if n == 3 {
				p.site.Run(t, "set_hash", map[string]any{"name": user, "encoded": "!"}, nil)
			}
		}
		m := forgot("shared@example.com")
		links := sharedLink.FindAllStringSubmatch(m.Text, -1)
		if m.To != "shared@example.com" || len(links) != 2 || !strings.Contains(m.Text, name+"-0:") || !strings.Contains(m.Text, name+"-1:") {
			t.Fatalf("to %s:\n%s", m.To, m.Text)
		}
		for n, link := range links {
			user := fmt.Sprintf("%s-%d", name, n)
			var right bool
			p.site.Run(t, "check_reset", map[string]any{"name": user, "token": link[2]}, &right)
			if !right {
				t.Errorf("Django refuses the link of %s: %s", user, link[0])
			}
		}
		if status := reset(links[0][1]+"/"+links[0][2], better); status != http.StatusOK {
			t.Errorf("our link: %d", status)
		}
		var right bool
		p.site.Run(t, "check_reset", map[string]any{"name": name + "-0", "token": links[0][2]}, &right)
		if right {
			t.Error("Django accepts the link once more")
		}
		p.site.Run(t, "set_active", map[string]any{"name": name + "-1", "active": false}, nil)
		if status := reset(links[1][1]+"/"+links[1][2], better); status != http.StatusForbidden {
			t.Errorf("of a disabled user: %d", status)
		}
	})
}

// TestOneMessageHasFiveLinksAtMost, however many accounts have the address.
func TestOneMessageHasFiveLinksAtMost(t *testing.T) {
	t.Attr("threat", "R15")
	box := make(letterbox, 10)
	p := newPair(t, sqliteAddress(t), func(_ *djangoserver.Config, c *cloakroom.Config) { c.SendMail = box })
	p.stop()
	p.run = true
	p.start()
	name, _ := p.user(t)
	for n := range 7 {
		p.site.Run(t, "add", map[string]any{"name": fmt.Sprintf("%s-%d", name, n), "password": good, "email": "shared@example.com"}, nil)
	}
	if status := p.person(t).ours.Do(t, "POST", "/api/auth/password/forgot", map[string]any{"email": "shared@example.com"}, nil); status != http.StatusAccepted {
		t.Fatal(status)
	}
	select {
	case m := <-box:
		if n := len(sharedLink.FindAllString(m.Text, -1)); n != 5 {
			t.Errorf("%d links in\n%s", n, m.Text)
		}
	case <-t.Context().Done():
		t.Fatal("no message has come")
	}
}

// TestBesideDjangoPeopleSignUpAtDjango: what needs addresses that are unique or proven is refused at start.
func TestBesideDjangoPeopleSignUpAtDjango(t *testing.T) {
	t.Attr("threat", "SU04")
	p := newPair(t, sqliteAddress(t), nil)
	for word, change := range map[string]func(c *cloakroom.Config){
		"Signup":   func(c *cloakroom.Config) { c.Signup = "open" },
		"invite":   func(c *cloakroom.Config) { c.Signup = "invite" },
		"MailCode": func(c *cloakroom.Config) { c.MailCode = true },
	} {
		c := p.config
		c.SendMail = make(letterbox)
		change(&c)
		if server, err := cloakroom.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "Django") {
			t.Errorf("%s: %v, %v", word, server, err)
		}
	}
}

// TestResetLinksKeepDjangosClockAndTimeout: Django dates a link by the wall clock of TIME_ZONE, which is eleven hours behind UTC here, also
// with USE_TZ on, and PASSWORD_RESET_TIMEOUT is an hour.
func TestResetLinksKeepDjangosClockAndTimeout(t *testing.T) {
	t.Attr("threat", "R15")
	const zone = "Pacific/Pago_Pago"
	clock, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t, sqliteAddress(t), func(d *djangoserver.Config, c *cloakroom.Config) {
		d.Clock, d.ResetAfter = zone, 3600
		c.Django.ResetTimeZone, c.Django.ResetTimeout = zone, time.Hour
	})
	name, id := p.user(t)
	u, err := p.server.Accounts.Store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	tokens := django.ResetTokens{Keys: keys, Zone: clock}
	for _, row := range []struct {
		age  time.Duration
		good bool
	}{{70 * time.Minute, false}, {50 * time.Minute, true}} {
		token := tokens.New(u, time.Now().Add(-row.age))
		var theirs bool
		p.site.Run(t, "check_reset", map[string]any{"name": name, "token": token}, &theirs)
		ours := p.server.Accounts.Resets.ValidReset(u, tokens.UID(id)+"/"+token, time.Now())
		if theirs != row.good || ours != row.good {
			t.Errorf("after %s Django says %v, Cloakroom %v; want %v", row.age, theirs, ours, row.good)
		}
	}
	_, mailed, _ := strings.Cut(p.server.Accounts.Resets.NewReset(u, time.Now()), "/")
	var right bool
	if p.site.Run(t, "check_reset", map[string]any{"name": name, "token": mailed}, &right); !right {
		t.Error("Django refuses a link of Cloakroom's")
	}
}
