package account_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// TestAnOutageIsNoVerdict makes each store call of each method fail, one at a time.
func TestAnOutageIsNoVerdict(t *testing.T) {
	type deed func(s service, id string) (*account.User, error)
	without := func(do func(s service, id string) error) deed {
		return func(s service, id string) (*account.User, error) { return nil, do(s, id) }
	}
	for name, do := range map[string]deed{
		"sign-in":     func(s service, _ string) (*account.User, error) { return s.signIn("ann", good) },
		"wrong":       func(s service, _ string) (*account.User, error) { return s.signIn("ann", wrong) },
		"unknown":     func(s service, _ string) (*account.User, error) { return s.signIn("unknown", good) },
		"weak hash":   func(s service, _ string) (*account.User, error) { return s.signIn("old", djangoPassword) },
		"Lookup":      func(s service, id string) (*account.User, error) { return s.Lookup(t.Context(), id) },
		"SetPassword": without(func(s service, id string) error { return s.SetPassword(t.Context(), id, better) }),
		"disable":     without(func(s service, id string) error { return s.SetActive(t.Context(), id, false) }),
		"compromised": without(func(s service, id string) error { _, _, err := s.DeclareCompromised(t.Context(), id); return err }),
		"RevokeAll":   without(func(s service, id string) error { return s.RevokeAll(t.Context(), id) }),
		"Delete":      without(func(s service, id string) error { return s.Delete(t.Context(), id) }),
		"SetupSecret": without(func(s service, _ string) error { _, err := s.SetupSecret(t.Context()); return err }),
		"NeedsSetup":  without(func(s service, _ string) error { _, err := s.NeedsSetup(t.Context()); return err }),
		"Confirm": func(s service, id string) (*account.User, error) {
			return s.Confirm(t.Context(), id, attempt("", good))
		},
		"ChangePassword": func(s service, id string) (*account.User, error) {
			return s.ChangePassword(t.Context(), id, attempt("", good), better)
		},
		"Edit": func(s service, id string) (*account.User, error) {
			return s.Edit(t.Context(), id, func(u *account.User) error { u.Groups = []string{"missing"}; return nil })
		},
		"Create": func(s service, _ string) (*account.User, error) {
			return s.Create(t.Context(), account.NewUser{Username: "dan", Email: "dan@example.org", Password: good})
		},
		"CreateFirst": func(s service, _ string) (*account.User, error) {
			return s.CreateFirst(t.Context(), "secret", account.NewUser{Username: "dan", Password: good})
		},
	} {
		for n := 1; ; n++ {
			stores, plan := inMemory(), &storetest.FaultPlan{Call: n}
			safe, s := newService(t, stores), newService(t, storetest.Faulty(stores, plan))
			safe.enrolTheHopeless()
			u, err := safe.Lookup(t.Context(), "ann")
			must(t, err)
			got, err := do(s, u.ID)
			if len(plan.Calls()) < n {
				break
			}
			if got != nil || !errors.Is(err, storetest.ErrFault) || errors.Is(err, account.ErrInvalidCredentials) || errors.Is(err, account.ErrNotFound) {
				t.Errorf("%s, call %d of %q failed: user %v, error %v", name, n, plan.Calls(), got, err)
			}
			if now := safe.load(u.ID); now.Password != u.Password || now.Epoch != u.Epoch {
				t.Errorf("%s, call %d of %q failed, and changed %+v", name, n, plan.Calls(), now)
			}
		}
	}
}

func TestAFullPoolChangesNothing(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	s.Hasher = noRoom()
	for name, do := range map[string]func() error{
		"Create": func() error {
			_, err := s.Create(t.Context(), account.NewUser{Username: "dan", Password: good})
			return err
		},
		"ChangePassword": func() error {
			_, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
			return err
		},
		"SetPassword": func() error { return s.SetPassword(t.Context(), id, better) },
	} {
		if err := do(); !busy(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if u := s.load(id); u.Password != goodHash() || u.Epoch != "the first epoch" {
		t.Errorf("changed to %+v", u)
	}
	if _, err := s.Lookup(t.Context(), "dan"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("created: %v", err)
	}
}
