package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var (
	secret      = sha256.Sum256([]byte("secret"))
	otherSecret = sha256.Sum256([]byte("another secret"))
)

// spent ends the test unless the first user can't be made with this hash at this time.
func spent(t testing.TB, s account.Store, hash [32]byte, now int64) {
	t.Helper()
	u := user("late")
	fails(t, s.CreateFirst(t.Context(), u, hash, now), account.SpentErrors.Setup)
	absent(t, s, "late")
	if u.ID != "" {
		t.Fatalf("ID is %q", u.ID)
	}
}

var accountSetupCases = []testCase[account.Store]{
	{
		"the set-up secret makes the first user, once", "CreateFirst adds the first user and spends the secret in one step",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			u := user("ann")
			u.Email, u.IsSuperuser = "ann@example.org", true
			ok(t, s.CreateFirst(t.Context(), u, secret, 1_000))
			has(t, s, u)
			spent(t, s, secret, 1_000)
			ok(t, s.Delete(t.Context(), u.ID))
			spent(t, s, secret, 1_000)
		},
	},
	{
		"without a set-up secret there is no first user", "ErrSetupSpent if the secret is not valid",
		func(t *testing.T, s account.Store) {
			spent(t, s, secret, 1_000)
			spent(t, s, [32]byte{}, 0)
		},
	},
	{
		"a wrong secret creates no user and leaves the right one valid", "the set-up secret with this hash",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			spent(t, s, otherSecret, 1_000)
			spent(t, s, [32]byte{}, 1_000)
			ok(t, s.CreateFirst(t.Context(), user("ann"), secret, 1_000))
		},
	},
	{
		"a secret ends at the moment it expires", "… is valid at now",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			spent(t, s, secret, 2_001)
			spent(t, s, secret, 2_000)
			ok(t, s.CreateFirst(t.Context(), user("ann"), secret, 1_999))
		},
	},
	{
		"while there is a user the secret creates no user", "in one step with checking that there is none yet",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			u := enrolled(t, s, user("ann"))
			spent(t, s, secret, 1_000)
			has(t, s, u)
			picks(t, s, account.Query{}, "ann")
		},
	},
	{
		"a new secret replaces the old one", "SetSetup stores the hash in place of any earlier one",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			ok(t, s.SetSetup(t.Context(), otherSecret, 3_000))
			spent(t, s, secret, 1_000)
			ok(t, s.CreateFirst(t.Context(), user("ann"), otherSecret, 2_500))
		},
	},
	{
		"a deleted set-up secret creates no user", "DeleteAllSecrets removes the set-up secret",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			deletesLinks(t, s, 1)
			spent(t, s, secret, 1_000)
			deletesLinks(t, s, 0)
			ok(t, s.SetSetup(t.Context(), otherSecret, 2_000))
			ok(t, s.CreateFirst(t.Context(), user("ann"), otherSecret, 1_000))
		},
	},
	{
		"a first user who is refused does not spend the secret", "CreateFirst takes effect in one step or not at all",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			u := user("ann")
			u.Groups = []string{"nowhere"}
			fails(t, s.CreateFirst(t.Context(), u, secret, 1_000), account.ErrNotFound)
			picks(t, s, account.Query{})
			u.Groups = nil
			ok(t, s.CreateFirst(t.Context(), u, secret, 1_000))
		},
	},
	{
		"of 32 concurrent set-ups one creates the first user", "CreateFirst is one step",
		func(t *testing.T, s account.Store) {
			ok(t, s.SetSetup(t.Context(), secret, 2_000))
			var first atomic.Pointer[account.User]
			together(32, func(i int) {
				u := user(fmt.Sprintf("admin%d", i))
				switch err := s.CreateFirst(t.Context(), u, secret, 1_000); {
				case err == nil && !first.CompareAndSwap(nil, u):
					t.Error("two were first")
				case err != nil && !errors.Is(err, account.SpentErrors.Setup):
					t.Error(err)
				}
			})
			if first.Load() == nil {
				t.Fatal("no call succeeded")
			}
			has(t, s, first.Load())
			picks(t, s, account.Query{}, first.Load().Username)
		},
	},
	{
		"of a concurrent CreateFirst and Create only one can be the first", "in one step with checking that there is none yet",
		func(t *testing.T, s account.Store) {
			for round := range 10 {
				ok(t, s.SetSetup(t.Context(), secret, 2_000))
				var firstErr error
				together(2, func(i int) {
					if i == 0 {
						firstErr = s.CreateFirst(t.Context(), user("first"), secret, 1_000)
					} else if err := s.Create(t.Context(), user("other")); err != nil {
						t.Error(err)
					}
				})
				all, err := s.List(t.Context(), account.Query{})
				ok(t, err)
				// If both were made, the first one was there before the other.
				if firstErr == nil && all[0].Username != "first" || firstErr != nil && len(all) != 1 {
					t.Fatalf("round %d: CreateFirst returned %v, and then there were %s", round, firstErr, usernames(all))
				}
				for _, u := range all {
					ok(t, s.Delete(t.Context(), u.ID))
				}
			}
		},
	},
}

func usernames(all []*account.User) string {
	var names []string
	for _, u := range all {
		names = append(names, u.Username)
	}
	return strings.Join(names, ", ")
}
