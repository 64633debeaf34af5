package storetest

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

var persistenceCases = []testCase[Stores]{
	{
		"sessions are after a restart as they were acknowledged", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			kept, touchedOne := created(t, s.Sessions, 1, "ann"), created(t, s.Sessions, 2, "ann")
			old := created(t, s.Sessions, 3, "bob")
			created(t, s.Sessions, 5, "cy")
			created(t, s.Sessions, 6, "dan")
			touched(t, s.Sessions, 2, 1_100, 1_600)
			rotated := changed(old, func(r *session.Record) { r.ID = id(4) })
			ok(t, s.Sessions.Replace(t.Context(), old, rotated))
			ok(t, s.Sessions.Delete(t.Context(), id(5)))
			deletes(t, s.Sessions, "dan", session.ID{}, 1)

			s = s.Reopen(t)
			loads(t, s.Sessions, kept)
			loads(t, s.Sessions, changed(touchedOne, func(r *session.Record) { r.Seen, r.Expires = 1_100, 1_600 }))
			loads(t, s.Sessions, rotated)
			for _, n := range []int{3, 5, 6} {
				gone(t, s.Sessions, n)
			}
			fails(t, s.Sessions.Replace(t.Context(), old, changed(old, func(*session.Record) {})), session.ErrNotFound)
			next := changed(kept, func(r *session.Record) { r.Values = nil })
			ok(t, s.Sessions.Replace(t.Context(), kept, next))
		},
	},
	{
		"a session made anew after a restart is not its predecessor", "no version is used twice, restarts or not",
		func(t *testing.T, s Stores) {
			old := created(t, s.Sessions, 1, "ann")
			ok(t, s.Sessions.Delete(t.Context(), id(1)))
			s = s.Reopen(t)
			created(t, s.Sessions, 1, "ann")
			fails(t, s.Sessions.Replace(t.Context(), old, changed(old, func(*session.Record) {})), session.ErrConflict)
		},
	},
	{
		"users and groups are after a restart as they were acknowledged", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			grouped(t, s.Accounts, "staff", "app.see")
			u := user("ann")
			u.Groups = []string{"staff"}
			enrolled(t, s.Accounts, u)
			u = alters(t, s.Accounts, u.ID, func(u *account.User) { u.Email, u.UserPermissions = "ann@example.org", []string{"app.do"} })

			s = s.Reopen(t)
			has(t, s.Accounts, u)
			taken(t, s.Accounts.Create(t.Context(), user("ANN")), "username")
			grouped(t, s.Accounts, "staff")
			may(t, s.Accounts, u.ID, "app.do")
		},
	},
	{
		"the ID of a deleted user is not given again after a restart", "an ID is never used again",
		func(t *testing.T, s Stores) {
			enrolled(t, s.Accounts, user("bob"))
			former := enrolled(t, s.Accounts, user("ann")).ID
			ok(t, s.Accounts.Delete(t.Context(), former))
			s = s.Reopen(t)
			if anew := enrolled(t, s.Accounts, user("ann")).ID; anew == former {
				t.Fatalf("ID %q was given again", anew)
			}
		},
	},
	{
		"a spent set-up secret is spent after a restart, and a valid one is valid", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			ok(t, s.Accounts.SetSetup(t.Context(), secret, 2_000))
			s = s.Reopen(t)
			u := user("ann")
			ok(t, s.Accounts.CreateFirst(t.Context(), u, secret, 1_000))
			s = s.Reopen(t)
			ok(t, s.Accounts.Delete(t.Context(), u.ID))
			spent(t, s.Accounts, secret, 1_000)
		},
	},
	{
		"a spent reset secret is spent after a restart, and a valid one is valid", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			u := enrolled(t, s.Accounts, user("ann"))
			ok(t, s.Accounts.SetReset(t.Context(), u.ID, secret, 2_000))
			s = s.Reopen(t)
			resets(t, s.Accounts, secret, 1_000, u.ID)
			s = s.Reopen(t)
			void(t, s.Accounts, secret, 1_000)
		},
	},
	{
		"tries before a restart still count after it", "throttle.Store: survives a restart (CVE-2024-21652)",
		func(t *testing.T, s Stores) {
			setCounters(t, s.Throttles, []string{"a", "b"}, some, some)
			setCounters(t, s.Throttles, []string{"b"}, none)
			s = s.Reopen(t)
			counts(t, s.Throttles, []string{"a", "b"}, some, none)
			ok(t, s.Throttles.Update(t.Context(), []string{"a"}, tried))
			s = s.Reopen(t)
			counts(t, s.Throttles, []string{"a"}, throttle.Counter{Tries: 4, Since: 1_000, Until: 1_060, Level: 2, Ends: 1_900})
		},
	},
	{
		"sealed secrets are there after a restart", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			ok(t, s.Sealed.PutSealed(t.Context(), []sealed.Secret{secretOf("a", "1"), secretOf("b", "2")}))
			s = s.Reopen(t)
			holds(t, s.Sealed, secretOf("a", "1"), secretOf("b", "2"))
		},
	},
}
