package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestSignInHoweverTheNameIsTyped(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		for _, name := range []string{"ann", "ANN", "ａｎｎ", " ann\t", "ann@example.org", "Ann@EXAMPLE.org ", "ann＠example.org"} {
			began := time.Now().Unix()
			u := s.signsIn(name, good)
			if u.ID != id || u.Epoch != "the first epoch" || u.Password != goodHash() {
				t.Errorf("%q signed in as %+v", name, u)
			}
			if u.LastLogin < began || s.load(id).LastLogin != u.LastLogin {
				t.Errorf("last login %d, stored %d, and it began at %d", u.LastLogin, s.load(id).LastLogin, began)
			}
		}
	})
}

// hopeless are sign-ins that must fail, each for another reason. There is ann, with good as her password; bob, who is
// disabled; old, with an imported hash; and none and unusable, who have no password.
var hopeless = []struct{ why, login, password string }{
	{"unknown name", "nobody", good},
	{"no name", "", good},
	{"a name longer than any", strings.Repeat("a", 1<<20), good},
	{"wrong password", "ann", wrong},
	{"wrong password by e-mail", "ann@example.org", wrong},
	{"disabled user", "bob", good},
	{"disabled user, wrong password", "bob", wrong},
	{"no hash", "none", good},
	{"no hash, no password", "none", ""},
	{"unusable hash", "unusable", good},
	{"unusable hash as password", "unusable", "!"},
	{"weak hash, wrong password", "old", wrong},
	{"empty password", "ann", ""},
	{"blank password", "ann", " \t\u00a0 "},
	{"73 bytes", "ann", strings.Repeat("x", 73)},
	{"the password and 45 bytes more", "ann", good + strings.Repeat("x", 45)},
	{"1,025 bytes", "ann", strings.Repeat("x", 1025)},
	{"a megabyte", "ann", strings.Repeat("x", 1<<20)},
	{"a megabyte for nobody", "nobody", strings.Repeat("x", 1<<20)},
}

func (s service) enrolTheHopeless() {
	s.enrol(ann())
	s.enrol(&account.User{Username: "bob", Password: goodHash(), Epoch: "b"})
	s.enrol(&account.User{Username: "none", IsActive: true, Epoch: "n"})
	s.enrol(&account.User{Username: "unusable", Password: "!", IsActive: true, Epoch: "u"})
	s.enrol(&account.User{Username: "old", Password: djangoHash, IsActive: true, Epoch: "o"})
}

// djangoHash is of djangoPassword, made by Django with few iterations.
const (
	djangoHash     = "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$Y1l4AxQampzbfIDkhafiWgGzDjyK4Ozi7cm2zmEySLc="
	djangoPassword = "wonderland-42"
)

func TestG05_F2_UnknownDisabledAndWrongAreAnsweredAlike(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrolTheHopeless()
		for _, c := range hopeless {
			s.Guard = &throttle.Guard{Store: inMemory().Throttles} // each of them is the first
			if u, err := s.signIn(c.login, c.password); u != nil || err != account.ErrInvalidCredentials {
				t.Errorf("%s: user %v, error %v", c.why, u, err)
			}
		}
	})
}

// TestF1_F12_WhoeverFailsIsHashed leaves to the tests of package password that each hash costs the same work.
func TestF1_F12_WhoeverFailsIsHashed(t *testing.T) {
	s := newService(t, inMemory())
	s.enrolTheHopeless()
	s.Hasher = noRoom()
	for _, c := range hopeless {
		if _, err := s.signIn(c.login, c.password); !busy(err) {
			t.Errorf("%s: %v without the work of a hash", c.why, err)
		}
	}
}

func TestG05_UnknownDisabledAndWrongAreThrottledAlike(t *testing.T) {
	waits := map[string]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, inMemory())
		s.enrolTheHopeless()
		for _, name := range []string{"ann", "bob", "old", "none", "nobody", ""} {
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

func TestF5_OneCountHoweverTheNameIsTyped(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrol(ann())
		for _, names := range [][]string{
			{"ann", "ANN", "ａｎｎ", " ann ", "ann@example.org", "ANN@Example.ORG", "ann＠example.org"},
			{"nobody", "NOBODY", "ｎｏｂｏｄｙ", "\u2003nobody"},
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

func TestG02_F6_ParallelGuessesAreNeverMoreThanTheLimit(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
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
		// Those that found no room have given their tries back, to nobody's use but whoever comes later.
		for err := error(account.ErrInvalidCredentials); !throttled(err) && !t.Failed(); err = guess(0) {
			if n := verified.Load(); n > 10 {
				t.Fatalf("%d guesses were verified", n)
			}
		}
		if n := verified.Load(); n != 10 {
			t.Errorf("%d guesses were verified, want 10", n)
		}
	})
}

func TestG01_SuccessForgetsTheFailures(t *testing.T) {
	s := newService(t, inMemory())
	s.enrol(ann())
	for range 3 {
		for range 9 {
			s.refused("ann", wrong)
		}
		s.signsIn("ann", good)
	}
}

func TestG04_StrangersCannotLockOutAKnownDevice(t *testing.T) {
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
	a.Device = func(user string) string {
		asked = append(asked, user)
		return "laptop"
	}
	if _, err := s.Authenticate(t.Context(), a); err != nil {
		t.Errorf("from a known device: %v", err)
	}
	if _, err := s.Confirm(t.Context(), id, a); err != nil {
		t.Errorf("confirming from a known device: %v", err)
	}
	a.Login = "nobody"
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
		{"wrong password", "ann", wrong, 1, 3},
		{"unknown name", "nobody", good, 1, 3},
		{"no room", "ann", good, 2, 0},
	} {
		stores, plan := inMemory(), &storetest.Plan{}
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

func TestPasswordsThatWereNotLookedAtCountNothing(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
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

// hungUp is an attempt whose client goes away when the try has been reserved.
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

func TestP08_AWeakHashIsReplacedAtSignInAndNothingEnds(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrolTheHopeless()
		s.refused("old", wrong)
		u := s.signsIn("old", djangoPassword)
		if !strings.HasPrefix(u.Password, "$argon2id$v=19$m=19456,t=2,p=1$") || u.Epoch != "o" {
			t.Errorf("after sign-in: hash %q, epoch %q", u.Password, u.Epoch)
		}
		if stored := s.load(u.ID); stored.Password != u.Password || stored.Epoch != "o" {
			t.Errorf("stored: hash %q, epoch %q", stored.Password, stored.Epoch)
		}
		if again := s.signsIn("old", djangoPassword); again.Password != u.Password {
			t.Errorf("a current hash was replaced by %q", again.Password)
		}
	})
}

func TestReplacingAHashNeverOverwritesANewPassword(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrolTheHopeless()
		old, err := s.Lookup(t.Context(), "old")
		must(t, err)
		u, err := s.with(&between{beforeChange: func() { must(t, s.SetPassword(t.Context(), old.ID, better)) }}).
			signIn("old", djangoPassword)
		must(t, err)
		if stored := s.load(old.ID); u.Epoch != old.Epoch || stored.Epoch == old.Epoch {
			t.Errorf("signed in with epoch %q, stored is %q", u.Epoch, stored.Epoch)
		}
		s.refused("old", djangoPassword)
		s.signsIn("old", better)
	})
}

func TestS13_ASignInThatOverlapsAChangeHasTheEpochOfWhatItProved(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		for what, change := range map[string]func() error{
			"password set": func() error { return s.SetPassword(t.Context(), id, good) },
			"signed out":   func() error { return s.EndEverything(t.Context(), id) },
			"disabled and enabled": func() error {
				return errors.Join(s.SetActive(t.Context(), id, false), s.SetActive(t.Context(), id, true))
			},
		} {
			before := s.load(id).Epoch
			u, err := s.with(&between{afterFind: func() { must(t, change()) }}).signIn("ann", good)
			if err == nil && u.Epoch != before {
				t.Errorf("%s meanwhile: epoch %q, was %q", what, u.Epoch, before)
			}
			if after := s.load(id).Epoch; after == before {
				t.Errorf("%s: the epoch stayed", what)
			}
		}
	})
}

func TestB11_ADisabledUserGetsInNowhere(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		u, err := s.with(&between{beforeChange: func() { must(t, s.SetActive(t.Context(), id, false)) }}).signIn("ann", good)
		if err == nil && u.Epoch == s.load(id).Epoch {
			t.Error("disabled while signing in, and the session would live")
		}
		s.refused("ann", good)
		if _, err := s.Confirm(t.Context(), id, attempt("", good)); err != account.ErrInvalidCredentials {
			t.Errorf("Confirm: %v", err)
		}
		if _, err := s.ChangePassword(t.Context(), id, attempt("", good), better); err != account.ErrInvalidCredentials {
			t.Errorf("ChangePassword: %v", err)
		}
		must(t, s.SetPassword(t.Context(), id, better))
		s.refused("ann", better)
		if s.load(id).IsActive {
			t.Error("one of these enabled the user")
		}
	})
}

func TestAUserDeletedMeanwhileIsNobody(t *testing.T) {
	for name, b := range map[string]*between{"after Find": {}, "before Change": {}} {
		s := newService(t, inMemory())
		id := s.enrol(ann()).ID
		remove := func() { must(t, s.Delete(t.Context(), id)) }
		if name == "after Find" {
			b.afterFind = remove
		} else {
			b.beforeChange = remove
		}
		if u, err := s.with(b).signIn("ann", good); u != nil || err != account.ErrInvalidCredentials {
			t.Errorf("%s: user %v, error %v", name, u, err)
		}
		if u, err := s.Confirm(t.Context(), id, attempt("", good)); u != nil || err != account.ErrMoved {
			t.Errorf("%s: Confirm: user %v, error %v", name, u, err)
		}
	}
}

func TestB1_WhoWasSignedOutMeanwhileConfirmsNothing(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		a := attempt("", good)
		a.Epoch = "the first epoch"
		if _, err := s.Confirm(t.Context(), id, a); err != nil {
			t.Errorf("with the epoch as it is: %v", err)
		}
		must(t, s.EndEverything(t.Context(), id))
		if u, err := s.Confirm(t.Context(), id, a); u != nil || err != account.ErrMoved {
			t.Errorf("Confirm: user %v, error %v", u, err)
		}
		if u, err := s.ChangePassword(t.Context(), id, a, better); u != nil || err != account.ErrMoved {
			t.Errorf("ChangePassword: user %v, error %v", u, err)
		}
		s.signsIn("ann", good)
	})
}

func TestConfirmLooksAtTheIDAlone(t *testing.T) {
	s := newService(t, inMemory())
	s.enrolTheHopeless()
	old, err := s.Lookup(t.Context(), "old")
	must(t, err)
	if _, err := s.Confirm(t.Context(), old.ID, attempt("ann", good)); err != account.ErrInvalidCredentials {
		t.Errorf("another's password: %v", err)
	}
	u, err := s.Confirm(t.Context(), old.ID, attempt("ann", djangoPassword))
	if err != nil || u.ID != old.ID || u.LastLogin != 0 || u.Password != djangoHash {
		t.Errorf("confirmed %+v, error %v", u, err)
	}
}
