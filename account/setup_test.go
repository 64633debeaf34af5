package account_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

var first = account.NewUser{Username: "root", Email: "root@example.org", Password: good}

func TestTheFirstUserIsAnAdministratorAndTheOnlyOneOfItsKind(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.needsSetup(true)
		secret, err := s.SetupSecret(t.Context())
		must(t, err)
		for _, guess := range []string{"", secret[:25], secret + "A", strings.ToLower(secret), strings.Repeat("A", 26)} {
			if u, err := s.CreateFirst(t.Context(), guess, first); u != nil || err != account.SpentErrors.Setup {
				t.Errorf("with %q: user %v, error %v", guess, u, err)
			}
		}
		u, err := s.CreateFirst(t.Context(), secret, first)
		must(t, err)
		if !u.IsActive || !u.IsStaff || !u.IsSuperuser || u.ID == "" {
			t.Errorf("created %+v", u)
		}
		s.signsIn("root", good)
		s.needsSetup(false)
		s.Hasher = noRoom()
		for _, again := range []string{secret, "wrong"} {
			if u, err := s.CreateFirst(t.Context(), again, account.NewUser{Username: "eve", Password: good}); u != nil || err != account.SpentErrors.Setup {
				t.Errorf("once more: user %v, error %v", u, err)
			}
		}
	})
}

func (s service) needsSetup(want bool) {
	s.t.Helper()
	if needed, err := s.NeedsSetup(s.t.Context()); err != nil || needed != want {
		s.t.Errorf("needs set-up: %v, error %v", needed, err)
	}
}

func TestOneOfManyWithTheSetUpSecretGetsIn(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		secret, err := s.SetupSecret(t.Context())
		must(t, err)
		var created, spent atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				n := first
				n.Username, n.Email = strings.Repeat("r", i+1), ""
				for {
					switch _, err := s.CreateFirst(t.Context(), secret, n); {
					case busy(err):
						continue
					case err == nil:
						created.Add(1)
					case errors.Is(err, account.SpentErrors.Setup):
						spent.Add(1)
					default:
						t.Errorf("error %v", err)
					}
					return
				}
			})
		}
		all.Wait()
		users, err := s.Store.List(t.Context(), account.Query{})
		if created.Load() != 1 || spent.Load() != 7 || len(users) != 1 || err != nil {
			t.Errorf("%d created, %d refused, %d users, error %v", created.Load(), spent.Load(), len(users), err)
		}
	})
}

func TestTheSetUpSecretLastsThirtyMinutesOrUntilTheNext(t *testing.T) {
	for after, want := range map[time.Duration]error{30*time.Minute - time.Second: nil, 30 * time.Minute: account.SpentErrors.Setup} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, inMemory())
			former, err := s.SetupSecret(t.Context())
			must(t, err)
			time.Sleep(29 * time.Minute)
			secret, err := s.SetupSecret(t.Context())
			must(t, err)
			if _, err := s.CreateFirst(t.Context(), former, first); err != account.SpentErrors.Setup {
				t.Errorf("with the former secret: %v", err)
			}
			time.Sleep(after)
			if _, err := s.CreateFirst(t.Context(), secret, first); err != want {
				t.Errorf("after %v: %v", after, err)
			}
			time.Sleep(time.Minute) // lets the Hasher's memory go
		})
	}
}

func TestAMistypedFormUsesUpNoSecret(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		secret, err := s.SetupSecret(t.Context())
		must(t, err)
		u, err := s.CreateFirst(t.Context(), secret, account.NewUser{Username: "two words", Email: "@", Password: "short"})
		wantCodes(t, err, "email invalid", "password password_too_short", "username invalid")
		if u != nil {
			t.Errorf("created %+v", u)
		}
		if _, err := s.CreateFirst(t.Context(), secret, first); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestTheStoreNeverSeesTheSetUpSecret(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		stores := inMemory()
		kept := &setupSpy{Store: stores.Accounts}
		stores.Accounts = kept
		secret, err := newService(t, stores).SetupSecret(t.Context())
		must(t, err)
		if len(secret)*5 < 128 || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || seen[secret] {
			t.Fatalf("secret %q", secret)
		}
		seen[secret] = true
		if kept.hash != sha256.Sum256([]byte(secret)) {
			t.Fatalf("stored %x for %q", kept.hash, secret)
		}
	}
}

type setupSpy struct {
	account.Store
	hash [32]byte
}

func (s *setupSpy) SetSetup(ctx context.Context, hash [32]byte, expires int64) error {
	s.hash = hash
	return s.Store.SetSetup(ctx, hash, expires)
}

func TestThereAreNoDefaultAccounts(t *testing.T) {
	t.Attr("threat", "G09")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.needsSetup(true)
		for _, login := range []string{"admin", "root", "cloakroom", "guest", "1"} {
			s.refused(login, login)
		}
		if u, err := s.CreateFirst(t.Context(), "", first); u != nil || err != account.SpentErrors.Setup {
			t.Errorf("without a secret: user %v, error %v", u, err)
		}
	})
}

// TestASecondFirstUserLearnsNothingOfTheFirst: another request has made the first user while this one was being read, and has taken
// its address. The answer doesn't say so.
func TestASecondFirstUserLearnsNothingOfTheFirst(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		other := newService(t, stores)
		secret, err := other.SetupSecret(t.Context())
		must(t, err)
		late := newService(t, stores)
		late.Service.Store = &overtaken{Store: stores.Accounts, meanwhile: func() {
			if _, err := other.CreateFirst(t.Context(), secret, first); err != nil {
				t.Error(err)
			}
		}}
		second := first
		second.Username = "eve"
		if u, err := late.CreateFirst(t.Context(), secret, second); u != nil || err != account.SpentErrors.Setup {
			t.Errorf("user %v, error %v; want ErrSetupSpent", u, err)
		}
	})
}

// overtaken is a store that something else is done to after the first List.
type overtaken struct {
	account.Store
	meanwhile func()
}

func (s *overtaken) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	users, err := s.Store.List(ctx, q)
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile = nil
		meanwhile()
	}
	return users, err
}
