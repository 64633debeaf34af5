package cloakroom_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestAProgramThatTakesAnAccountInHandEndsMailedLinks, and so does the command line, which needs no mail server for it.
func TestAProgramThatTakesAnAccountInHandEndsMailedLinks(t *testing.T) {
	t.Attr("threat", "R12")
	for name, measure := range map[string]func(s *cloakroom.Server, ctx context.Context, id string) error{
		"DeclareCompromised": func(s *cloakroom.Server, ctx context.Context, id string) error {
			_, _, err := s.DeclareCompromised(ctx, id, cloakroom.CompromiseOptions{})
			return err
		},
		"SetPassword": func(s *cloakroom.Server, ctx context.Context, id string) error {
			return s.Accounts.SetPassword(ctx, id, "a rather long password")
		},
		"Edit": func(s *cloakroom.Server, ctx context.Context, id string) error {
			_, err := s.Accounts.Edit(ctx, id, func(u *account.User) error { u.Email = "ada@example.net"; return nil })
			return err
		},
	} {
		set := memory.New().Set
		s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: "https://app.example.com", Data: t.TempDir(), Stores: &set})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		u, err := s.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Email: "ada@example.com", NoPassword: true})
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256([]byte(name))
		err = set.Mail.PutSecret(t.Context(), &mail.LinkSecret{Hash: hash, Kind: "revert", User: u.ID, Expires: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		if err := measure(s, t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := set.Mail.FindSecret(t.Context(), hash); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("%s: the secret of a former address gives %v, want none", name, err)
		}
	}
}

// waiting returns the kinds of the messages that wait.
func waiting(t *testing.T, s *cloakroom.Server) []string {
	t.Helper()
	all, err := s.WaitingMail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, m := range all {
		kinds = append(kinds, m.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// TestAnOperatorsNewPasswordIsTold by the server that runs, and so is a removal of factors: a command has no mail server.
func TestAnOperatorsNewPasswordIsTold(t *testing.T) {
	t.Attr("threat", "MA05")
	t.Attr("threat", "X11")
	set, data := memory.New().Set, t.TempDir()
	open := func(c cloakroom.Config) *cloakroom.Server {
		c.URL, c.Data, c.Stores = "https://app.example.com", data, &set
		s, err := cloakroom.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	running, command := open(cloakroom.Config{SMTP: "smtps://mail.example.com", MailFrom: "no-reply@example.com"}), open(cloakroom.Config{})
	if err := running.PublishURL(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := command.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Email: "ada@example.com", NoPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.SetPassword(t.Context(), u, cloakroom.PasswordOptions{Password: "short"}); err == nil {
		t.Error("a short password was set")
	}
	if got := waiting(t, command); len(got) > 0 {
		t.Errorf("after a refusal %v wait", got)
	}
	err = set.Factors.Add(t.Context(), &factor.Factor{ID: "app", User: u.ID, Kind: factor.TOTP, State: factor.Active})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.SetPassword(t.Context(), u, cloakroom.PasswordOptions{Password: "a rather long password"}); err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, command); !slices.Equal(got, []string{"factor_removed", "password_changed"}) {
		t.Errorf("%v wait", got)
	}
	if p, err := set.Factors.Load(t.Context(), u.ID); err != nil || len(p.Factors) > 0 {
		t.Errorf("%v, %v are left", p, err)
	}
	if err := command.RemoveFactors(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	_, err = command.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { u.Email = "ada@example.net"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, command); !slices.Equal(got, []string{"email_moved", "factor_removed", "factor_removed", "password_changed"}) {
		t.Errorf("%v wait", got)
	}
}

// TestNothingIsStoredThatNoServerSends: it would wait until it expires.
func TestNothingIsStoredThatNoServerSends(t *testing.T) {
	t.Attr("threat", "MA06")
	for _, url := range []string{"https://app.example.com", "http://localhost:8000"} {
		set := memory.New().Set
		s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: url, Data: t.TempDir(), Stores: &set})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if url == "https://app.example.com" { // a server that sends no mail has run
			if err := s.PublishURL(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		u, err := s.Accounts.Create(t.Context(), account.NewUser{Username: "ada", Email: "ada@example.com", NoPassword: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetPassword(t.Context(), u, cloakroom.PasswordOptions{Password: "a rather long password"}); err != nil {
			t.Fatal(err)
		}
		_, err = s.Accounts.Edit(t.Context(), u.ID, func(u *account.User) error { u.Email = "ada@example.net"; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := waiting(t, s); len(got) > 0 {
			t.Errorf("%s: %v wait", url, got)
		}
	}
}

// TestLimitsOfSignUpNeedSignUp: who limits sign-up and hasn't opened it believes something that isn't so.
func TestLimitsOfSignUpNeedSignUp(t *testing.T) {
	for field, c := range map[string]cloakroom.Config{
		"Config.SignupDomains": {SignupDomains: []string{"example.com"}},
		"Config.AllowSignup":   {AllowSignup: func(context.Context, string) (bool, error) { return true, nil }},
	} {
		for _, signup := range []string{"", "closed"} {
			c.URL, c.Data, c.Signup = "https://app.example.com", t.TempDir(), signup
			s, err := cloakroom.New(t.Context(), c)
			if err == nil {
				s.Close()
			}
			if err == nil || err.Error() != field+" has an effect with Config.Signup open alone" {
				t.Errorf("%s with Signup %q: %v", field, signup, err)
			}
		}
	}
}
