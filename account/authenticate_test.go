package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestSignInHoweverTheNameIsTyped(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
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

// hopeless are sign-ins that must fail, each for another reason. ann has the password good; bob is disabled; old has an
// imported hash; none and unusable have no password.
var hopeless = []struct{ why, login, password string }{
	{"unknown name", "unknown", good},
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
	{"a megabyte for an unknown name", "unknown", strings.Repeat("x", 1<<20)},
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

func TestUnknownDisabledAndWrongAreAnsweredAlike(t *testing.T) {
	t.Attr("threat", "G05")
	t.Attr("threat", "F2")
	each(t, func(t *testing.T, stores store.Set) {
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

// TestEveryFailureIsHashed checks that each failing sign-in computes a hash. That each hash costs the same work is checked
// by the tests of package password.
func TestEveryFailureIsHashed(t *testing.T) {
	t.Attr("threat", "F1")
	t.Attr("threat", "F12")
	s := newService(t, inMemory())
	s.enrolTheHopeless()
	s.Hasher = noRoom()
	for _, c := range hopeless {
		if _, err := s.signIn(c.login, c.password); !busy(err) {
			t.Errorf("%s: %v without the work of a hash", c.why, err)
		}
	}
}

func TestAWeakHashIsReplacedAtSignInAndNothingEnds(t *testing.T) {
	t.Attr("threat", "P08")
	each(t, func(t *testing.T, stores store.Set) {
		s := costlyService(t, stores)
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
	each(t, func(t *testing.T, stores store.Set) {
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

func TestASignInThatOverlapsAChangeHasTheEpochOfWhatItProved(t *testing.T) {
	t.Attr("threat", "W03")
	t.Attr("threat", "S13")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		for what, change := range map[string]func() error{
			"password set": func() error { return s.SetPassword(t.Context(), id, good) },
			"signed out":   func() error { return s.RevokeAll(t.Context(), id) },
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

func TestADisabledUserGetsInNowhere(t *testing.T) {
	t.Attr("threat", "B11")
	each(t, func(t *testing.T, stores store.Set) {
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

func TestAUserDeletedMeanwhileIsNotSignedIn(t *testing.T) {
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
		if u, err := s.Confirm(t.Context(), id, attempt("", good)); u != nil || err != account.ErrEpochChanged {
			t.Errorf("%s: Confirm: user %v, error %v", name, u, err)
		}
	}
}

func TestAUserSignedOutMeanwhileCannotConfirm(t *testing.T) {
	t.Attr("threat", "B1")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		a := attempt("", good)
		a.Epoch = "the first epoch"
		if _, err := s.Confirm(t.Context(), id, a); err != nil {
			t.Errorf("with the epoch as it is: %v", err)
		}
		must(t, s.RevokeAll(t.Context(), id))
		if u, err := s.Confirm(t.Context(), id, a); u != nil || err != account.ErrEpochChanged {
			t.Errorf("Confirm: user %v, error %v", u, err)
		}
		if u, err := s.ChangePassword(t.Context(), id, a, better); u != nil || err != account.ErrEpochChanged {
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
