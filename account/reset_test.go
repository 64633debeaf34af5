package account_test

import (
	"context"
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

// resetSecret makes a reset secret for a user.
func (s service) resetSecret(id string) string {
	s.t.Helper()
	secret, expires, err := s.ResetSecret(s.t.Context(), id)
	must(s.t, err)
	if left := time.Until(expires); len(secret) != 26 || left < 59*time.Minute || left > time.Hour {
		s.t.Fatalf("a secret of %d characters for %v", len(secret), left)
	}
	return secret
}

// voidReset checks that a secret resets nothing, and that nothing is hashed for it.
func (s service) voidReset(about, secret string) {
	s.t.Helper()
	other := *s.Service
	other.Hasher = noRoom()
	if u, err := other.ResetPassword(s.t.Context(), secret, better, home); u != nil || err != account.SpentErrors.Reset {
		s.t.Errorf("%s: user %v, error %v", about, u, err)
	}
}

func TestAResetSecretIsGoodOnceForItsUserAndItsTime(t *testing.T) {
	t.Attr("threat", "R01")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		other := s.enrol(&account.User{Username: "bob", Password: goodHash(), IsActive: true, Epoch: "bob's"})
		first := s.resetSecret(u.ID)
		secret := s.resetSecret(u.ID)
		s.voidReset("an older one", first)
		for _, guess := range []string{"", secret[:25], secret + "A", strings.ToLower(secret), u.ID} {
			s.voidReset("a guess", guess)
		}
		if _, err := s.ResetPassword(t.Context(), secret, "short", home); len(codes(t, err)) != 1 {
			t.Errorf("a short password: %v", err)
		}
		changed, err := s.ResetPassword(t.Context(), secret, better, home)
		must(t, err)
		if changed.ID != u.ID || changed.Epoch == u.Epoch {
			t.Errorf("the epoch is still %q, of %+v", changed.Epoch, changed)
		}
		s.voidReset("a spent one", secret)
		s.signsIn("ann", better)
		s.signsIn("bob", good)
		if s.load(other.ID).Epoch != other.Epoch {
			t.Error("another user's epoch moved")
		}

		for name, move := range map[string]func(id string) error{
			"a password change": func(id string) error {
				_, err := s.ChangePassword(t.Context(), id, attempt("ann", better), good+"!")
				return err
			},
			"a new password":        func(id string) error { return s.SetPassword(t.Context(), id, better) },
			"the end of everything": func(id string) error { return s.RevokeAll(t.Context(), id) },
			"disabling":             func(id string) error { return s.SetActive(t.Context(), id, false) },
		} {
			secret := s.resetSecret(u.ID)
			must(t, move(u.ID))
			s.voidReset(name, secret)
			must(t, s.SetActive(t.Context(), u.ID, true))
			must(t, s.SetPassword(t.Context(), u.ID, better))
		}
		must(t, s.SetActive(t.Context(), u.ID, false))
		if _, _, err := s.ResetSecret(t.Context(), u.ID); err != account.ErrDisabled {
			t.Errorf("for a disabled user: %v", err)
		}
		if _, _, err := s.ResetSecret(t.Context(), "999"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("ResetSecret for an unknown ID returned %v, want ErrNotFound", err)
		}
	})
}

func TestAResetSecretLastsAnHour(t *testing.T) {
	t.Attr("threat", "R01")
	for _, off := range []time.Duration{-time.Second, 0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, inMemory())
			u := s.enrol(ann())
			secret := s.resetSecret(u.ID)
			time.Sleep(time.Hour + off)
			if off >= 0 {
				s.voidReset("late", secret)
			} else if _, err := s.ResetPassword(t.Context(), secret, better, home); err != nil {
				t.Errorf("%v before the end: %v", -off, err)
			}
		})
	}
}

func TestOneOfManyWithTheResetSecretSetsThePassword(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		secret := s.resetSecret(s.enrol(ann()).ID)
		var won atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := s.ResetPassword(t.Context(), secret, better, home)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, account.SpentErrors.Reset) && !busy(err) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d were accepted", won.Load())
		}
	})
}

func TestGuessesAtResetSecretsAreThrottled(t *testing.T) {
	s := newService(t, inMemory())
	secret := s.resetSecret(s.enrol(ann()).ID)
	tries := 0
	for ; tries < 200; tries++ {
		_, err := s.ResetPassword(t.Context(), strings.Repeat("A", tries), better, home)
		if throttled(err) {
			break
		}
	}
	if tries != 100 {
		t.Errorf("throttled after %d guesses from one address", tries)
	}
	if _, err := s.ResetPassword(t.Context(), secret, better, home); !throttled(err) {
		t.Errorf("the right one from there: %v", err)
	}
}

func TestGroupsAreMadeAndChanged(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		var told []string
		s.OnChange = func(id string) { told = append(told, id) }
		must(t, second(s.AddGroup(t.Context(), account.Group{Name: "editors", Permissions: []string{"b.x", "a.x", "b.x"}})))
		wantCodes(t, second(s.AddGroup(t.Context(), account.Group{Name: "editors"})), "name unique")
		for name, code := range map[string]string{
			"": "blank", "  ": "blank", " a": "invalid", "a\n": "invalid", "a\x00b": "invalid", "\xff": "invalid",
			strings.Repeat("é", 151): "max_length",
		} {
			wantCodes(t, second(s.AddGroup(t.Context(), account.Group{Name: name, Permissions: []string{"x"}})), "name "+code, "permissions invalid")
		}
		must(t, second(s.AddGroup(t.Context(), account.Group{Name: strings.Repeat("é", 150)})))
		g, err := s.EditGroup(t.Context(), "editors", func(g *account.Group) error {
			g.Name, g.Permissions = "others", append(g.Permissions, "c.x", "a.x")
			return nil
		})
		must(t, err)
		if again, err := s.Group(t.Context(), "editors"); err != nil || strings.Join(again.Permissions, " ") != "a.x b.x c.x" || strings.Join(g.Permissions, " ") != "a.x b.x c.x" {
			t.Errorf("%+v, %+v, %v", g, again, err)
		}
		_, err = s.EditGroup(t.Context(), "editors", func(g *account.Group) error { g.Permissions = []string{"nonsense"}; return nil })
		wantCodes(t, err, "permissions invalid")
		if _, err := s.EditGroup(t.Context(), "editors", func(*account.Group) error { return context.Canceled }); err != context.Canceled {
			t.Error(err)
		}
		must(t, s.DeleteGroup(t.Context(), "editors"))
		for _, err := range []error{s.DeleteGroup(t.Context(), "editors"), second(s.Group(t.Context(), "editors")), second(s.EditGroup(t.Context(), "editors", nil))} {
			if !errors.Is(err, account.ErrNotFound) {
				t.Error(err)
			}
		}
		if len(told) != 4 || strings.Join(told, "") != "" {
			t.Errorf("told of %q", told)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// movedMeanwhile gives a user another address right before a reset secret is spent.
type movedMeanwhile struct {
	account.Store
	user string
}

func (m movedMeanwhile) SpendReset(ctx context.Context, hash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	if _, err := m.Change(ctx, m.user, func(u *account.User) error { u.Email = "new@example.org"; return nil }); err != nil {
		return nil, err
	}
	return m.Store.SpendReset(ctx, hash, now, change)
}

// TestAMailedResetEndsWithItsAddress, also while it is under way. One that was not mailed lives on.
func TestAMailedResetEndsWithItsAddress(t *testing.T) {
	t.Attr("threat", "R01")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		secret := s.resetSecret(u.ID)
		late := *s.Service
		late.Store = movedMeanwhile{s.Store, u.ID}
		if got, err := late.ResetMailedPassword(t.Context(), secret, u.Email, better, home); got != nil || !errors.Is(err, account.SpentErrors.Reset) {
			t.Errorf("the address changes meanwhile: user %v, error %v", got, err)
		}
		unhashed := *s.Service
		unhashed.Hasher = noRoom()
		if got, err := unhashed.ResetMailedPassword(t.Context(), secret, u.Email, better, home); got != nil || !errors.Is(err, account.SpentErrors.Reset) {
			t.Errorf("the address has changed: user %v, error %v", got, err)
		}
		_, err := s.ResetPassword(t.Context(), secret, better, home)
		must(t, err)
	})
}

// TestAResetSecretIsMadeForTheUserWhoWasReadBefore, or not at all.
func TestAResetSecretIsMadeForTheUserWhoWasReadBefore(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := s.enrol(ann())
		secret, _, err := s.ResetSecretIfUnchanged(t.Context(), u)
		must(t, err)
		for what, change := range map[string]func(*account.User){
			"another epoch":     func(u *account.User) { u.Epoch = "another" },
			"another address":   func(u *account.User) { u.Email = "new@example.org" },
			"unproven":          func(u *account.User) { u.EmailProven = "other@example.org" },
			"no password":       func(u *account.User) { u.Password = "!" },
			"password withheld": func(u *account.User) { u.PasswordWithheld = true },
		} {
			before := *u
			change(&before)
			if _, _, err := s.ResetSecretIfUnchanged(t.Context(), &before); !errors.Is(err, account.ErrEpochChanged) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err = s.ResetPassword(t.Context(), secret, better, home)
		must(t, err)
	})
}
