package account_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

// declareCompromised takes an account back and returns the secret that opens it.
func (s service) declareCompromised(id string) string {
	s.t.Helper()
	secret, _, err := s.DeclareCompromised(s.t.Context(), id)
	must(s.t, err)
	return secret
}

func TestOnlyTheNewLinkOpensACompromisedAccount(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		var told []string
		s.OnChange = func(id string) { told = append(told, id) }
		u := s.enrol(ann())
		other := s.enrol(&account.User{Username: "bob", Password: goodHash(), IsActive: true, Epoch: "bob's"})
		before := s.resetSecret(u.ID)
		secret := s.declareCompromised(u.ID)
		if len(told) != 1 || told[0] != u.ID {
			t.Errorf("OnChange was called for %q", told)
		}
		now := s.load(u.ID)
		if now.HasPassword() || len(now.Password) != 41 || now.Epoch == u.Epoch || !now.IsActive {
			t.Errorf("the user is %+v", now)
		}
		s.refused("ann", good)
		s.refused("ann", now.Password)
		s.voidReset("a link from before", before)

		again := s.declareCompromised(u.ID)
		s.voidReset("the first link", secret)
		if next := s.load(u.ID); next.Password == now.Password || next.Epoch == now.Epoch {
			t.Errorf("the second time changed nothing of %+v", now)
		}
		if _, err := s.ResetPassword(t.Context(), again, better, home); err != nil {
			t.Fatal(err)
		}
		s.voidReset("the used link", again)
		s.refused("ann", good)
		s.signsIn("ann", better)
		if now := s.load(other.ID); now.Epoch != other.Epoch || now.Password != other.Password {
			t.Errorf("another user changed: %+v", now)
		}
		if _, _, err := s.DeclareCompromised(t.Context(), "999"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("for an unknown ID: %v", err)
		}
	})
}

func TestEnablingACompromisedAccountOpensItByTheLinkAlone(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		must(t, s.SetActive(t.Context(), u.ID, false))
		secret := s.declareCompromised(u.ID)
		if s.load(u.ID).IsActive {
			t.Error("the user was enabled")
		}
		s.voidReset("a disabled user's link", secret)
		epoch := s.load(u.ID).Epoch
		must(t, s.SetActive(t.Context(), u.ID, true))
		if s.load(u.ID).Epoch == epoch {
			t.Error("enabling has left the epoch as it was")
		}
		s.refused("ann", good)
		if _, err := s.ResetPassword(t.Context(), secret, better, home); err != nil {
			t.Fatalf("the link, once the user is enabled: %v", err)
		}
		s.voidReset("the used link", secret)
		s.refused("ann", good)
		s.signsIn("ann", better)

		link := s.declareCompromised(u.ID)
		must(t, s.SetActive(t.Context(), u.ID, false))
		must(t, s.SetActive(t.Context(), u.ID, true))
		s.voidReset("a link from before the user was disabled", link)
	})
}

// TestEnablingKeepsNoLinkBesideAPassword: another program, such as Django, may have disabled the user without moving the epoch.
func TestEnablingKeepsNoLinkBesideAPassword(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		secret := s.resetSecret(u.ID)
		if _, err := s.Store.Change(t.Context(), u.ID, func(u *account.User) error { u.IsActive = false; return nil }); err != nil {
			t.Fatal(err)
		}
		must(t, s.SetActive(t.Context(), u.ID, true))
		s.voidReset("a link from before the user was disabled", secret)
	})
}

func TestAnActorMayDeclareWhoseAccountCompromised(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		actor := s.enrol(&account.User{
			Username: "helper", Password: goodHash(), IsActive: true, IsStaff: true, Epoch: "e", UserPermissions: []string{"auth.change_user"},
		})
		by := s.By(account.Actor{ID: actor.ID, Epoch: actor.Epoch, Permission: "auth.change_user"})
		for name, row := range map[string]struct {
			alter func(*account.User)
			want  error
		}{
			"plain":     {func(*account.User) {}, nil},
			"disabled":  {func(u *account.User) { u.IsActive = false }, nil},
			"superuser": {func(u *account.User) { u.IsSuperuser, u.IsStaff = true, true }, account.DeniedErrors.Outranked},
			"able":      {func(u *account.User) { u.UserPermissions = []string{"app.rule"} }, account.DeniedErrors.Outranked},
		} {
			u := &account.User{Username: name, Password: goodHash(), IsActive: true, Epoch: "e"}
			row.alter(u)
			u = s.enrol(u)
			_, _, err := by.DeclareCompromised(t.Context(), u.ID)
			if !errors.Is(err, row.want) || (row.want == nil) == s.load(u.ID).HasPassword() {
				t.Errorf("%s: %v, and the user is %+v", name, err, s.load(u.ID))
			}
		}
		if _, _, err := by.DeclareCompromised(t.Context(), actor.ID); !errors.Is(err, account.DeniedErrors.OwnAccount) || !s.load(actor.ID).HasPassword() {
			t.Errorf("the actor's own account: %v", err)
		}
		must(t, s.RevokeAll(t.Context(), actor.ID))
		u := s.enrol(ann())
		if _, _, err := by.DeclareCompromised(t.Context(), u.ID); !errors.Is(err, account.ErrEpochChanged) || !s.load(u.ID).HasPassword() {
			t.Errorf("an actor whose sessions have ended: %v", err)
		}
	})
}

// TestASignInThatOverlapsTheMeasureProvesNothing: the password was right when it was checked, and the session or token that is
// made of it carries the epoch of then.
func TestASignInThatOverlapsTheMeasureProvesNothing(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.enrolTheHopeless()
		for login, typed := range map[string]string{"ann": good, "old": djangoPassword} { // the hash of old's is to be replaced
			u, err := s.Lookup(t.Context(), login)
			must(t, err)
			got, err := s.with(&between{beforeChange: func() { s.declareCompromised(u.ID) }}).signIn(login, typed)
			if err == nil && got.Epoch != u.Epoch {
				t.Errorf("%s: signed in at the epoch %q of now", login, got.Epoch)
			}
			if now := s.load(u.ID); now.HasPassword() || now.Epoch == u.Epoch {
				t.Errorf("%s: the sign-in has changed the user to %+v", login, now)
			}
			s.refused(login, typed)
		}
	})
}
