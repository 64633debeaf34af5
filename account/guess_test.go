package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestUnknownDisabledAndWrongAreThrottledAlike(t *testing.T) {
	t.Attr("threat", "G05")
	waits := map[string]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, inMemory())
		s.enrolTheHopeless()
		for _, name := range []string{"ann", "bob", "old", "none", "unknown", ""} {
			s.Guard = &throttle.Guard{Store: inMemory().Throttles}
			for range 10 {
				s.refused(name, wrong)
			}
			_, err := s.signIn(name, good)
			e, ok := errors.AsType[*throttle.Error](err)
			if !ok {
				t.Fatalf("%q: the 11th try: %v", name, err)
			}
			waits[name] = e.RetryAfter
		}
		time.Sleep(time.Minute) // lets the Hasher's memory go
	})
	for name, wait := range waits {
		if wait != time.Minute {
			t.Errorf("%q waits %v", name, wait)
		}
	}
}

func TestOneCountHoweverTheNameIsTyped(t *testing.T) {
	t.Attr("threat", "F5")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.enrol(ann())
		for _, names := range [][]string{
			{"ann", "ANN", "ａｎｎ", " ann "},
			{"unknown", "UNKNOWN", "ｕｎｋｎｏｗｎ", "\u2003unknown"},
		} {
			for i := range 10 {
				s.refused(names[i%len(names)], wrong)
			}
			for _, name := range names {
				if _, err := s.signIn(name, good); !throttled(err) {
					t.Errorf("%q, after ten failures under other forms of the name: %v", name, err)
				}
			}
		}
	})
}

func TestParallelGuessesAreNeverMoreThanTheLimit(t *testing.T) {
	t.Attr("threat", "G02")
	t.Attr("threat", "F6")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.enrol(ann())
		var verified atomic.Int32
		guess := func(n int) error {
			for {
				_, err := s.signIn([]string{"ann", "ann@example.org"}[n%2], fmt.Sprint(wrong, n))
				switch {
				case busy(err):
					time.Sleep(20 * time.Millisecond)
					continue
				case errors.Is(err, account.ErrSilentLimit):
				case err == account.ErrInvalidCredentials:
					verified.Add(1)
				case !throttled(err):
					t.Errorf("error %v", err)
				}
				return err
			}
		}
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() { _ = guess(n) })
		}
		all.Wait()
		// Attempts that found the pool full have given their tries back, so some are left for later attempts.
		for err := error(account.ErrInvalidCredentials); !throttled(err) && !errors.Is(err, account.ErrSilentLimit) && !t.Failed(); err = guess(0) {
			if n := verified.Load(); n > 10 {
				t.Fatalf("%d guesses were verified", n)
			}
		}
		if n := verified.Load(); n != 10 {
			t.Errorf("%d guesses were verified, want 10", n)
		}
	})
}

func TestSuccessForgetsTheFailures(t *testing.T) {
	t.Attr("threat", "G01")
	s := newService(t, inMemory())
	s.enrol(ann())
	for range 3 {
		for range 9 {
			s.refused("ann", wrong)
		}
		s.signsIn("ann", good)
	}
}

func TestStrangersCannotLockOutAKnownDevice(t *testing.T) {
	t.Attr("threat", "G04")
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	for range 10 {
		s.refused("ann", wrong)
	}
	if _, err := s.signIn("ann", good); !throttled(err) {
		t.Fatalf("the 11th try: %v", err)
	}
	var asked []string
	a := attempt("ann", good)
	a.Device = func(u *account.User) string {
		asked = append(asked, u.ID)
		return "laptop"
	}
	if _, err := s.Authenticate(t.Context(), a); err != nil {
		t.Errorf("from a known device: %v", err)
	}
	if _, err := s.Confirm(t.Context(), id, a); err != nil {
		t.Errorf("confirming from a known device: %v", err)
	}
	a.Login = "unknown"
	if _, err := s.Authenticate(t.Context(), a); err != account.ErrInvalidCredentials {
		t.Errorf("unknown name: %v", err)
	}
	if !slices.Equal(asked, []string{id, id}) {
		t.Errorf("asked for the devices of %q", asked)
	}
}

func TestATryIsSettledExactlyOnce(t *testing.T) {
	for _, c := range []struct {
		how, login, password string
		updates, left        int // of the throttle store; counters that remain
	}{
		{"right password", "ann", good, 2, 0},
		{"wrong password", "ann", wrong, 1, 5},
		{"unknown name", "unknown", good, 1, 5},
		{"no room", "ann", good, 2, 0},
	} {
		stores, plan := inMemory(), &storetest.FaultPlan{}
		s := newService(t, storetest.Faulty(stores, plan))
		s.enrol(ann())
		if c.how == "no room" {
			s.Hasher = noRoom()
		}
		_, _ = s.signIn(c.login, c.password)
		updates := 0
		for _, call := range plan.Calls() {
			if call == "throttle.Update" {
				updates++
			}
		}
		left, err := stores.Throttles.DeleteExpired(t.Context(), 1<<60, 100)
		if err != nil || updates != c.updates || left != c.left {
			t.Errorf("%s: %d updates and %d counters left, want %d and %d (%v)", c.how, updates, left, c.updates, c.left, err)
		}
	}
}

func TestUncheckedPasswordsAreNotCounted(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		hasher := s.Hasher
		s.Hasher = noRoom()
		for range 30 {
			if _, err := s.signIn("ann", wrong); !busy(err) {
				t.Fatal(err)
			}
		}
		s.Hasher = hasher
		for range 30 {
			if _, err := s.hungUp(id); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		for range 10 {
			s.refused("ann", wrong)
		}
	})
}

// hungUp is an attempt whose client disconnects after the try has been reserved.
func (s service) hungUp(id string) (*account.User, error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	other := *s.Service
	other.Guard = &throttle.Guard{Store: afterUpdate{s.Guard.Store, cancel}}
	return other.Confirm(ctx, id, attempt("", wrong))
}

type afterUpdate struct {
	throttle.Store
	do func()
}

func (a afterUpdate) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	err := a.Store.Update(ctx, keys, change)
	a.do()
	return err
}
