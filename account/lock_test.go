package account_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// cheap is a hash of good that is fast to verify, for tests of many guesses.
const cheap = "pbkdf2_sha256$1$salt$ouhwH5QjXU2O1gHvuMrHWhFGwGQ8zEmYRlu7N1suuDo="

// onAll runs a test on each kind of store, including databases of other programs.
func onAll(t *testing.T, test func(t *testing.T, stores store.Set)) {
	each(t, test)
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), pgserver.Test(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(t, store.Set{Accounts: db.Accounts, Throttles: db.Throttles})
	})
	t.Run("redis", func(t *testing.T) {
		server, err := redisserver.New(t.Context(), t.TempDir(), "--appendonly", "yes", "--appendfsync", "always")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Kill)
		db, err := redis.Open(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(t, store.Set{Accounts: inMemory().Accounts, Throttles: db.Throttles})
	})
}

// quick is a service with fast hashes, and with ann as a user.
func quick(t *testing.T, stores store.Set) (s service, id string) {
	t.Helper()
	s = newService(t, stores)
	s.Hasher = &password.Hasher{MinimumCost: cheap, Wait: time.Minute}
	u := ann()
	u.Password = cheap
	return s, s.enrol(u).ID
}

// told is what a client learns from an attempt.
func (s service) told(login, password string) string {
	s.t.Helper()
	_, err := s.signIn(login, password)
	if full, ok := errors.AsType[*throttle.Error](err); ok {
		return fmt.Sprint("wait ", full.RetryAfter.Round(time.Minute))
	}
	if !errors.Is(err, account.ErrInvalidCredentials) {
		s.t.Fatalf("%q: %v", login, err)
	}
	return "invalid"
}

// An attacker tries the names of a user, and names of the same shape that have no account, in the same order.
func TestAnAttackerLearnsTheSameWithAndWithoutAnAccount(t *testing.T) {
	t.Attr("threat", "G05")
	person := map[string]string{"name": "ann", "NAME": "ANN", "Name": "Ann", " name ": " ann ", "email": "ann@example.org", "EMAIL": "Ann@Example.ORG"}
	unknown := map[string]string{"name": "eve", "NAME": "EVE", "Name": "Eve", " name ": " eve ", "email": "eve@example.org", "EMAIL": "Eve@Example.ORG"}
	for what, order := range map[string][]string{
		"another spelling": append(slices.Repeat([]string{"name"}, 10), "NAME", "Name", " name ", "name"),
		"the other name":   append(slices.Repeat([]string{"name"}, 11), slices.Repeat([]string{"email", "EMAIL"}, 6)...),
		"taking turns":     slices.Repeat([]string{"name", "email", "NAME", "EMAIL"}, 6),
	} {
		t.Run(what, func(t *testing.T) {
			onAll(t, func(t *testing.T, stores store.Set) {
				s, _ := quick(t, stores)
				for _, as := range order {
					p, n := s.told(person[as], wrong), s.told(unknown[as], wrong)
					if p != n {
						t.Fatalf("%q, a user's name: %s; %q, no user's name: %s", person[as], p, unknown[as], n)
					}
				}
				if got := s.told(person["name"], wrong); got != "wait 1m0s" {
					t.Errorf("after all that: %s", got)
				}
			})
		})
	}
}

// The username and the e-mail address together allow as many guesses as either.
func TestTwoNamesOfOneAccountHaveOneCountOfGuesses(t *testing.T) {
	t.Attr("threat", "F5")
	onAll(t, func(t *testing.T, stores store.Set) {
		s, id := quick(t, stores)
		for range 10 {
			s.refused("ann@example.org", wrong)
		}
		if u, err := s.signIn("ann", good); u != nil || !errors.Is(err, account.ErrSilentLimit) {
			t.Errorf("the right password as an eleventh guess, by the other name: %v, %v", u, err)
		}
		// The account's own user learns of the lock.
		if _, err := s.Confirm(t.Context(), id, attempt("", good)); !throttled(err) {
			t.Errorf("who is signed in already: %v", err)
		}
	})
}

func TestAGuesserWithTwoNamesHasOneTryForEachWait(t *testing.T) {
	t.Attr("threat", "G01")
	synctest.Test(t, func(t *testing.T) {
		s, _ := quick(t, inMemory())
		verified := 0
		guess := func() {
			for _, login := range []string{"ann", "ann@example.org"} {
				if _, err := s.signIn(login, wrong); err == account.ErrInvalidCredentials {
					verified++
				}
			}
		}
		for range 12 {
			guess()
		}
		if verified != 10 {
			t.Fatalf("%d guesses were verified at first, want 10", verified)
		}
		for _, minutes := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			time.Sleep(minutes * time.Minute)
			guess()
		}
		if verified != 18 {
			t.Errorf("%d guesses were verified after eight waits, want 18", verified)
		}
		time.Sleep(time.Hour)
		s.signsIn("ann", good)
		s.signsIn("ann@example.org", good)
	})
}

// Suites of end-to-end tests sign in one user many times at once.
func TestAnyNumberOfRightPasswordsMayComeAtOnce(t *testing.T) {
	t.Attr("threat", "G02")
	onAll(t, func(t *testing.T, stores store.Set) {
		s, _ := quick(t, stores)
		for range 9 {
			s.refused("ann", wrong)
		}
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if _, err := s.signIn("ann", good); err != nil {
					t.Errorf("right password: %v", err)
				}
			})
		}
		all.Wait()
		if left, err := stores.Throttles.DeleteExpired(t.Context(), 1<<60, 100); err != nil || left != 1 {
			t.Errorf("%d counters are left, want the address's (%v)", left, err)
		}
	})
}
