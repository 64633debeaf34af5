package cloakroom_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestAProgramThatTakesAnAccountInHandEndsMailedLinks, and so does the command line, which needs no mail server for it.
func TestAProgramThatTakesAnAccountInHandEndsMailedLinks(t *testing.T) {
	t.Attr("threat", "R12")
	for name, measure := range map[string]func(s *cloakroom.Server, ctx context.Context, id string) error{
		"DeclareCompromised": func(s *cloakroom.Server, ctx context.Context, id string) error {
			_, _, err := s.DeclareCompromised(ctx, id, cloakroom.Compromised{})
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
		err = set.Mail.PutSecret(t.Context(), &mail.Secret{Hash: hash, Kind: "revert", User: u.ID, Expires: 1 << 40})
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
