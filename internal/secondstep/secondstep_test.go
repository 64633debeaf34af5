package secondstep_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/signin"
)

func newService(t *testing.T) (*secondstep.Service, *account.User) {
	t.Helper()
	db := memory.New()
	u := &account.User{Username: "ada", IsActive: true, Epoch: "first"}
	if err := db.Accounts.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return &secondstep.Service{Factors: db.Factors, Signins: db.Signins, Accounts: db.Accounts}, u
}

// TestARemovalEndsASignInWithoutAnEpoch: where the epoch can't say it, a sign-in that began before a removal is done has no session, in
// whatever state the removal is when it looks again.
func TestARemovalEndsASignInWithoutAnEpoch(t *testing.T) {
	t.Attr("threat", "M06")
	for began, states := range map[factor.State][]factor.State{factor.Active: {factor.Active, factor.Removing, ""}, factor.Removing: {factor.Removing, ""}} {
		for _, now := range states {
			s, u := newService(t)
			s.LookAgain = true
			f := &factor.Factor{ID: "app", User: u.ID, Kind: factor.TOTP, State: began}
			if err := s.Factors.Add(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			demand, err := s.Needs(t.Context(), u.ID)
			switch {
			case now == "":
				err = errors.Join(err, s.Factors.Delete(t.Context(), f.ID))
			case now != began:
				err = errors.Join(err, s.Factors.SetState(t.Context(), f.ID, began, now, ""))
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Unchanged(t.Context(), u.ID, demand); errors.Is(err, secondstep.ErrEnded) == (now == factor.Active) {
				t.Errorf("began while the factor is %s, looks again while it is %q: %v", began, now, err)
			}
		}
	}
}

// TestWhatDemandsASecondStep goes through each set of factors in each state.
func TestWhatDemandsASecondStep(t *testing.T) {
	t.Attr("threat", "M01")
	add := func(kind factor.Kind, state factor.State) *factor.Factor {
		return &factor.Factor{Kind: kind, State: state}
	}
	for name, c := range map[string]struct {
		factors    []*factor.Factor
		codes      int
		secondStep bool
		want       []secondstep.Way
	}{
		"nothing":                           {},
		"recovery codes alone":              {codes: 10},
		"the wish alone":                    {secondStep: true, codes: 10},
		"a passkey":                         {factors: []*factor.Factor{add(factor.Passkey, factor.Active)}, codes: 10},
		"a passkey and the wish":            {factors: []*factor.Factor{add(factor.Passkey, factor.Active)}, secondStep: true, want: []secondstep.Way{secondstep.Passkey}},
		"an app":                            {factors: []*factor.Factor{add(factor.TOTP, factor.Active)}, want: []secondstep.Way{secondstep.TOTP}},
		"an app that is being added":        {factors: []*factor.Factor{add(factor.TOTP, factor.Adding)}, want: []secondstep.Way{secondstep.TOTP}},
		"an app that is being removed":      {factors: []*factor.Factor{add(factor.TOTP, factor.Removing)}, codes: 10},
		"a passkey being removed, wished":   {factors: []*factor.Factor{add(factor.Passkey, factor.Removing)}, secondStep: true},
		"a security key":                    {factors: []*factor.Factor{add(factor.SecurityKey, factor.Active)}, codes: 1, want: []secondstep.Way{secondstep.SecurityKey, secondstep.RecoveryCode}},
		"two security keys and a passkey":   {factors: []*factor.Factor{add(factor.SecurityKey, factor.Active), add(factor.Passkey, factor.Active), add(factor.SecurityKey, factor.Active)}, want: []secondstep.Way{secondstep.Passkey, secondstep.SecurityKey}},
		"an app removed, a key being added": {factors: []*factor.Factor{add(factor.TOTP, factor.Removing), add(factor.SecurityKey, factor.Adding)}, want: []secondstep.Way{secondstep.SecurityKey}},
	} {
		t.Run(name, func(t *testing.T) {
			s, u := newService(t)
			for i, f := range c.factors {
				f.ID, f.User, f.Credential = fmt.Sprint(i), u.ID, []byte(fmt.Sprint(i))
				if err := s.Factors.Add(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			hashes := make([][32]byte, c.codes)
			for i := range hashes {
				hashes[i][0] = byte(i)
			}
			if err := errors.Join(s.Factors.SetRecoveryCodes(t.Context(), u.ID, hashes), s.Factors.SetSecondStep(t.Context(), u.ID, c.secondStep)); err != nil {
				t.Fatal(err)
			}
			got, err := s.Needs(t.Context(), u.ID)
			if err != nil || !slices.Equal(got.Ways, c.want) {
				t.Errorf("Needs = %q, %v; want %q", got.Ways, err, c.want)
			}
		})
	}
}

func TestWithoutStoresAPasswordIsEnough(t *testing.T) {
	s := &secondstep.Service{}
	if d, err := s.Needs(t.Context(), "1"); d.Ways != nil || err != nil {
		t.Errorf("Needs = %q, %v; want none", d.Ways, err)
	}
	if _, _, err := s.Find(t.Context(), "secret"); !errors.Is(err, secondstep.ErrEnded) {
		t.Errorf("Find: %v; want ErrEnded", err)
	}
	if err := s.Cancel(t.Context(), "secret"); err != nil {
		t.Error(err)
	}
}

// TestWhatEndsAPendingSignIn: after each of these, Find returns ErrEnded.
func TestWhatEndsAPendingSignIn(t *testing.T) {
	t.Attr("threat", "M02")
	for name, end := range map[string]func(t *testing.T, s *secondstep.Service, u *account.User, secret string) error{
		"cancelled": func(t *testing.T, s *secondstep.Service, u *account.User, secret string) error {
			return s.Cancel(t.Context(), secret)
		},
		"expired": func(*testing.T, *secondstep.Service, *account.User, string) error {
			time.Sleep(secondstep.Lifetime)
			return nil
		},
		"disabled": change(func(u *account.User) { u.IsActive = false }),
		"epoch":    change(func(u *account.User) { u.Epoch = "second" }),
		"deleted": func(t *testing.T, s *secondstep.Service, u *account.User, _ string) error {
			return s.Accounts.Delete(t.Context(), u.ID)
		},
		"five wrong tries": func(t *testing.T, s *secondstep.Service, u *account.User, secret string) error {
			p, _, err := s.Find(t.Context(), secret)
			for range 5 {
				_, failed := s.Signins.Fail(t.Context(), p.ID)
				err = errors.Join(err, failed)
			}
			return err
		},
		"five newer ones": func(t *testing.T, s *secondstep.Service, u *account.User, _ string) (err error) {
			for range 5 {
				_, begun := s.Begin(t.Context(), new(pendingOf(u)))
				err = errors.Join(err, begun)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, u := newService(t)
				secret, err := s.Begin(t.Context(), new(pendingOf(u)))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(secondstep.Lifetime - time.Second)
				if p, _, err := s.Find(t.Context(), secret); err != nil || p.User != u.ID {
					t.Fatalf("before its end: Find = %v, %v", p, err)
				}
				if err := end(t, s, u, secret); err != nil {
					t.Fatal(err)
				}
				if p, _, err := s.Find(t.Context(), secret); !errors.Is(err, secondstep.ErrEnded) {
					t.Errorf("after it: Find = %v, %v; want ErrEnded", p, err)
				}
			})
		})
	}
}

func pendingOf(u *account.User) signin.Pending {
	return signin.Pending{Kind: signin.SecondStep, Proof: signin.Proof{User: u.ID, Epoch: u.Epoch}}
}

func change(do func(*account.User)) func(*testing.T, *secondstep.Service, *account.User, string) error {
	return func(t *testing.T, s *secondstep.Service, u *account.User, _ string) error {
		_, err := s.Accounts.Change(t.Context(), u.ID, func(u *account.User) error {
			do(u)
			return nil
		})
		return err
	}
}

func TestTheSecretIsRandomAndNotStored(t *testing.T) {
	t.Attr("threat", "M03")
	s, u := newService(t)
	seen := map[string]bool{}
	for _, app := range []bool{false, true, false, true} {
		p := pendingOf(u)
		p.App = app
		secret, err := s.Begin(t.Context(), &p)
		if err != nil {
			t.Fatal(err)
		}
		if rest, isApp := strings.CutPrefix(secret, secondstep.AppPrefix); isApp != app || len(rest) != 43 || seen[secret] {
			t.Errorf("the secret is %q; want a new one of 256 bits, with the prefix only for a program", secret)
		}
		seen[secret] = true
		stored, _, err := s.Find(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%s", stored.ID), secret[:16]) || strings.Contains(fmt.Sprintf("%+v", stored), secret) {
			t.Error("the secret is stored")
		}
	}
}
