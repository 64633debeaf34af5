package storetest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// void ends the test if the secret with this hash is valid.
func void(t testing.TB, s account.Store, hash [32]byte, now int64) {
	t.Helper()
	_, err := s.FindReset(t.Context(), hash, now)
	fails(t, err, account.SpentErrors.Reset)
	_, err = s.SpendReset(t.Context(), hash, now, func(*account.User) error {
		t.Error("change was called")
		return nil
	})
	fails(t, err, account.SpentErrors.Reset)
}

// resets ends the test unless the secret with this hash resets this user's password.
func resets(t testing.TB, s account.Store, hash [32]byte, now int64, id string) {
	t.Helper()
	found, err := s.FindReset(t.Context(), hash, now)
	ok(t, err)
	if found.ID != id {
		t.Fatalf("FindReset returns the user %q, want %q", found.ID, id)
	}
	has(t, s, found)
	u, err := s.SpendReset(t.Context(), hash, now, func(u *account.User) error {
		u.Password, u.Epoch = "reset", u.Epoch+" reset"
		return nil
	})
	ok(t, err)
	if u.ID != id || u.Password != "reset" {
		t.Fatalf("reset the password of %+v", u)
	}
	has(t, s, u)
}

// deletesLinks ends the test unless DeleteAllSecrets removes so many secrets.
func deletesLinks(t testing.TB, s account.Store, want int) {
	t.Helper()
	n, err := s.DeleteAllSecrets(t.Context())
	ok(t, err)
	if n != want {
		t.Fatalf("DeleteAllSecrets removed %d secrets, want %d", n, want)
	}
}

var accountResetCases = []testCase[account.Store]{
	{
		"deleted reset secrets reset nothing", "DeleteAllSecrets removes all reset secrets",
		func(t *testing.T, s account.Store) {
			u, other := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			ok(t, s.SetReset(t.Context(), other.ID, otherSecret, 2_000))
			deletesLinks(t, s, 2)
			void(t, s, secret, 1_000)
			void(t, s, otherSecret, 1_000)
			deletesLinks(t, s, 0)
			has(t, s, u)
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			resets(t, s, secret, 1_000, u.ID)
		},
	},
	{
		"a reset secret works once", "SpendReset changes the user and spends the secret in the same step",
		func(t *testing.T, s account.Store) {
			enrolled(t, s, user("bob"))
			u := enrolled(t, s, user("ann"))
			void(t, s, secret, 1_000)
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			void(t, s, otherSecret, 1_000)
			resets(t, s, secret, 1_000, u.ID)
			void(t, s, secret, 1_000)
		},
	},
	{
		"of 20 concurrent uses of a reset secret one succeeds", "SpendReset spends the secret in the same step",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			var won atomic.Int32
			together(20, func(int) {
				_, err := s.SpendReset(t.Context(), secret, 1_000, func(*account.User) error { return nil })
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, account.SpentErrors.Reset) {
					t.Error(err)
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d were accepted", won.Load())
			}
		},
	},
	{
		"a reset secret ends at its time", "valid at now (seconds)",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			void(t, s, secret, 2_000)
			void(t, s, secret, 2_001)
			resets(t, s, secret, 1_999, u.ID)
		},
	},
	{
		"a newer reset secret makes the older one invalid", "SetReset replaces an earlier one of the user",
		func(t *testing.T, s account.Store) {
			u, other := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			ok(t, s.SetReset(t.Context(), other.ID, [32]byte{1}, 2_000))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			ok(t, s.SetReset(t.Context(), u.ID, otherSecret, 3_000))
			void(t, s, secret, 1_000)
			resets(t, s, otherSecret, 2_500, u.ID)
			resets(t, s, [32]byte{1}, 1_000, other.ID) // each user has one
		},
	},
	{
		"a reset secret is invalid once the epoch has changed", "the secret becomes invalid when the user's epoch changes",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			alters(t, s, u.ID, func(u *account.User) { u.FirstName, u.LastLogin = "Ann", 900 })
			alters(t, s, u.ID, func(u *account.User) { u.Epoch += " moved" })
			void(t, s, secret, 1_000)
			ok(t, s.SetReset(t.Context(), u.ID, otherSecret, 2_000))
			resets(t, s, otherSecret, 1_000, u.ID)
		},
	},
	{
		"a step reads the reset secret of a user", "Reset returns the hash and the expiry of the user's valid reset secret",
		func(t *testing.T, s account.Store) {
			u, other := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			has := func(want error, id string, now int64, hash [32]byte) {
				t.Helper()
				transacts(t, s, func(tx account.Tx) error {
					got, expires, err := tx.Reset(id, now)
					fails(t, err, want)
					if want == nil && (got != hash || expires != 2_000) {
						t.Errorf("the secret %x until %d, want %x until 2000", got, expires, hash)
					}
					return nil
				})
			}
			has(account.SpentErrors.Reset, u.ID, 1_000, secret)
			ok(t, s.SetReset(t.Context(), other.ID, otherSecret, 2_000))
			has(account.SpentErrors.Reset, u.ID, 1_000, secret)
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			has(nil, u.ID, 1_999, secret)
			has(account.SpentErrors.Reset, u.ID, 2_000, secret)
			alters(t, s, u.ID, func(u *account.User) { u.IsStaff = true })
			has(account.SpentErrors.Reset, u.ID, 1_000, secret)
			alters(t, s, u.ID, func(u *account.User) { u.IsStaff = false })
			has(nil, u.ID, 1_000, secret)
			alters(t, s, u.ID, func(u *account.User) { u.Epoch += " moved" })
			has(account.SpentErrors.Reset, u.ID, 1_000, secret)
			resets(t, s, otherSecret, 1_000, other.ID)
			has(account.SpentErrors.Reset, other.ID, 1_000, otherSecret)
			for _, id := range []string{"", "0", "unknown", "999999", "+1"} {
				has(account.SpentErrors.Reset, id, 1_000, secret)
			}
		},
	},
	{
		"a step moves a user's reset secret to a new epoch", "a step sees its own writes",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			move := func(end error) error {
				return s.Transact(t.Context(), func(tx account.Tx) error {
					u, err := tx.Load(u.ID)
					if err != nil {
						return err
					}
					hash, expires, err := tx.Reset(u.ID, 1_000)
					if err != nil {
						return err
					}
					u.Epoch += " moved"
					if err := tx.Change(u); err != nil {
						return err
					}
					if _, _, err := tx.Reset(u.ID, 1_000); !errors.Is(err, account.SpentErrors.Reset) {
						t.Errorf("the secret outlives the change: %v", err)
					}
					if err := tx.SetReset(u.ID, hash, expires); err != nil {
						return err
					}
					return end
				})
			}
			fails(t, move(errUndo), errUndo)
			ok(t, move(nil))
			resets(t, s, secret, 1_999, u.ID)
		},
	},
	{
		"a change that is refused doesn't use up the secret", "if change fails, the secret stays valid",
		func(t *testing.T, s account.Store) {
			u, other := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			_, err := s.SpendReset(t.Context(), secret, 1_000, func(u *account.User) error {
				u.Password = "other"
				return errRefused
			})
			if err != errRefused { //nolint:errorlint // as it is
				t.Fatalf("error is %v", err)
			}
			has(t, s, u)
			_, err = s.SpendReset(t.Context(), secret, 1_000, func(u *account.User) error { u.Username = other.Username; return nil })
			var taken *account.TakenError
			if !errors.As(err, &taken) {
				t.Fatalf("error is %v", err)
			}
			resets(t, s, secret, 1_000, u.ID)
		},
	},
	{
		"the step that spends a reset secret sees the user of that moment", "SpendReset changes, like Change, the user",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			found, err := s.FindReset(t.Context(), secret, 1_000)
			ok(t, err)
			has(t, s, found)
			alters(t, s, u.ID, func(u *account.User) { u.Email = "moved@example.org" })
			_, err = s.SpendReset(t.Context(), secret, 1_000, func(u *account.User) error {
				if u.Email != "moved@example.org" {
					t.Errorf("change sees the address %q", u.Email)
				}
				return errRefused
			})
			fails(t, err, errRefused)
			resets(t, s, secret, 1_000, u.ID)
		},
	},
	{
		"a missing user has no reset secret", "SetReset: ErrNotFound",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			ok(t, s.Delete(t.Context(), u.ID))
			void(t, s, secret, 1_000)
			for _, id := range []string{u.ID, "", "0", "unknown", "999999", "+1"} {
				fails(t, s.SetReset(t.Context(), id, secret, 2_000), account.ErrNotFound)
			}
		},
	},
}
