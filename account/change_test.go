package account_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

func TestWhateverEndsSessionsMovesTheEpochAndNothingElseDoes(t *testing.T) {
	t.Attr("threat", "B7")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		present := good
		seen := []string{s.load(id).Epoch}
		for _, step := range []struct {
			name  string
			moves bool
			do    func() error
		}{
			{"sign-in", false, func() error { _, err := s.signIn("ann", good); return err }},
			{"ChangePassword", true, func() error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", present), better)
				present = better
				return err
			}},
			{"ChangePassword to the same", true, func() error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", present), better)
				return err
			}},
			{"SetPassword", true, func() error { return s.SetPassword(t.Context(), id, good) }},
			{"RevokeAll", true, func() error { return s.RevokeAll(t.Context(), id) }},
			{"enable the enabled", false, func() error { return s.SetActive(t.Context(), id, true) }},
			{"disable", true, func() error { return s.SetActive(t.Context(), id, false) }},
			{"disable the disabled", false, func() error { return s.SetActive(t.Context(), id, false) }},
			{"enable", true, func() error { return s.SetActive(t.Context(), id, true) }},
			{"edit to disabled", true, s.edit(id, func(u *account.User) { u.IsActive = false })},
			{"edit to enabled", true, s.edit(id, func(u *account.User) { u.IsActive = true })},
			{"edit names and flags", false, s.edit(id, func(u *account.User) { u.Username, u.Email, u.IsStaff = "anne", "", true })},
			{"edit nothing", false, s.edit(id, func(*account.User) {})},
		} {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			now := s.load(id).Epoch
			if moved := now != seen[len(seen)-1]; moved != step.moves || moved && slices.Contains(seen, now) {
				t.Errorf("%s: epoch %q after %q", step.name, now, seen)
			}
			seen = append(seen, now)
		}
	})
}

func TestANewPasswordReplacesTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		u, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
		must(t, err)
		if stored := s.load(id); u.ID != id || u.Epoch != stored.Epoch || u.Password != stored.Password {
			t.Errorf("changed to %+v, stored is %+v", u, stored)
		}
		s.refused("ann", good)
		s.signsIn("ann", better)
		must(t, s.SetPassword(t.Context(), id, good))
		s.refused("ann", better)
		s.signsIn("ann", good)
	})
}

func TestOfTwoChangesOfOnePasswordOneCounts(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		for what, first := range map[string]func(s service, id string) error{
			"changed": func(s service, id string) error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
				return err
			},
			"set":        func(s service, id string) error { return s.SetPassword(t.Context(), id, better) },
			"signed-out": func(s service, id string) error { return s.RevokeAll(t.Context(), id) },
			"disabled":   func(s service, id string) error { return s.SetActive(t.Context(), id, false) },
			"deleted":    func(s service, id string) error { return s.Delete(t.Context(), id) },
		} {
			s := newService(t, stores)
			u := ann()
			u.Username, u.Email = "ann-"+what, ""
			id := s.enrol(u).ID
			b := &between{beforeChange: func() { must(t, first(s, id)) }}
			changed, err := s.with(b).ChangePassword(t.Context(), id, attempt("", good), "a third horse battery staple")
			if changed != nil || err != account.ErrEpochChanged {
				t.Errorf("%s meanwhile: user %v, error %v", what, changed, err)
			}
			if what == "changed" || what == "set" {
				s.signsIn(u.Username, better)
			}
		}
	})
}

func TestAConcurrentEditDoesNotPreventAPasswordChange(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	meanwhile := s.edit(id, func(u *account.User) { u.FirstName = "Ann" })
	u, err := s.with(&between{beforeChange: func() { must(t, meanwhile()) }}).
		ChangePassword(t.Context(), id, attempt("", good), better)
	if err != nil || u.FirstName != "Ann" {
		t.Errorf("changed to %+v, error %v", u, err)
	}
}

func TestAChangeNeedsThePresentPasswordAndIsThrottled(t *testing.T) {
	t.Attr("threat", "P06")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		before := s.enrol(ann())
		for range 10 {
			u, err := s.ChangePassword(t.Context(), before.ID, attempt("", wrong), better)
			if u != nil || err != account.ErrInvalidCredentials {
				t.Fatalf("user %v, error %v", u, err)
			}
		}
		if _, err := s.ChangePassword(t.Context(), before.ID, attempt("", good), better); !throttled(err) {
			t.Errorf("after ten failures: %v", err)
		}
		if _, err := s.signIn("ann", good); !throttled(err) {
			t.Errorf("signing in after ten failures to change: %v", err)
		}
		if after := s.load(before.ID); after.Password != before.Password || after.Epoch != before.Epoch {
			t.Errorf("changed to %+v", after)
		}
	})
}

func TestABadNewPasswordChangesNothing(t *testing.T) {
	s := newService(t, inMemory())
	u := ann()
	u.Username = "anastasia"
	before := s.enrol(u)
	_, err := s.ChangePassword(t.Context(), before.ID, attempt("", good), "anastasia")
	wantCodes(t, err, "new_password password_too_common", "new_password password_too_short", "new_password password_too_similar")
	err = s.SetPassword(t.Context(), before.ID, "12341234")
	wantCodes(t, err, "password password_entirely_numeric", "password password_too_common", "password password_too_short")
	if after := s.load(before.ID); after.Password != before.Password || after.Epoch != before.Epoch {
		t.Errorf("changed to %+v", after)
	}
}

func TestNothingOfAPasswordIsCutOff(t *testing.T) {
	t.Attr("threat", "F11")
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	long := "Of all the words of tongue and pen, the saddest are these: it might have been, it might"
	long = long[:72] + "a"
	must(t, s.SetPassword(t.Context(), id, long))
	s.refused("ann", long[:72])
	s.refused("ann", long[:72]+"b")
	s.refused("ann", long+" ")
	s.signsIn("ann", long)
}

// TestAnAddressThatHasChangedMeanwhileIsLeftAlone: a change is from the address, the proof and the epoch that the caller has seen.
func TestAnAddressThatHasChangedMeanwhileIsLeftAlone(t *testing.T) {
	t.Attr("threat", "R10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		seen := s.load(s.enrol(ann()).ID)
		if err := s.edit(seen.ID, func(u *account.User) { u.Email = "administrator@example.com" })(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ChangeEmail(t.Context(), seen, "new@example.com"); !errors.Is(err, account.AddressErrors.Changed) {
			t.Errorf("from another address: got %v", err)
		}
		seen = s.load(seen.ID)
		if _, err := s.ProveEmail(t.Context(), seen.ID, seen.Epoch, seen.Email); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ChangeEmail(t.Context(), seen, "new@example.com"); !errors.Is(err, account.AddressErrors.Changed) {
			t.Errorf("from an address that wasn't proven: got %v", err)
		}
		seen = s.load(seen.ID)
		if err := s.RevokeAll(t.Context(), seen.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ChangeEmail(t.Context(), seen, "new@example.com"); !errors.Is(err, account.ErrEpochChanged) {
			t.Errorf("at another epoch: got %v", err)
		}
		if got := s.load(seen.ID); got.Email != "administrator@example.com" {
			t.Errorf("the address is %s", got.Email)
		}
		if got, err := s.ChangeEmail(t.Context(), s.load(seen.ID), "new@example.com"); err != nil || got.Email != "new@example.com" || !got.HasProvenEmail() {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// TestAnEpochTellsWhetherItsUserMovedIt, on each store: another process learns from it why the sessions ended.
func TestAnEpochTellsWhetherItsUserMovedIt(t *testing.T) {
	t.Attr("threat", "B10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		for _, act := range []struct {
			what string
			own  bool
			do   func(u *account.User) error
		}{
			{"a change of factors", true, func(u *account.User) error { _, err := s.RenewEpoch(t.Context(), id, u.Epoch); return err }},
			{"an administrator", false, func(*account.User) error { return s.RevokeAll(t.Context(), id) }},
			{"another address", true, func(u *account.User) error {
				_, err := s.ChangeEmail(t.Context(), u, "new@example.com")
				return err
			}},
			{"the operator, at the epoch seen", false, func(u *account.User) error {
				_, err := s.RevokeAllIfUnchanged(t.Context(), id, u.Epoch)
				return err
			}},
		} {
			before := s.load(id)
			must(t, act.do(before))
			if now := s.load(id); now.Epoch == before.Epoch || now.ChangedByOwner() != act.own {
				t.Errorf("%s: the epoch was %q and is %q: by its user %t, want %t", act.what, before.Epoch, now.Epoch, now.ChangedByOwner(), act.own)
			}
		}
		if _, err := s.RevokeAllIfUnchanged(t.Context(), id, "an earlier one"); !errors.Is(err, account.ErrEpochChanged) {
			t.Errorf("at another epoch: got %v", err)
		}
	})
}
