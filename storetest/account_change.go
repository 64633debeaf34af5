package storetest

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var errRefused = errors.New("refused by the callback")

var accountChangeCases = []testCase[account.Store]{
	{
		"Change writes every field and returns the user as stored", "Change reads a user, lets change alter it, and writes it back",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := enrolled(t, s, user("ann"))
			other := enrolled(t, s, user("bob"))
			want := &account.User{
				ID: u.ID, Username: "Anne", Email: "Anne@example.org", FirstName: "Anne", LastName: "Other", Language: "pt-BR", Password: "!", PasswordWithheld: true, EmailProven: "Anne@example.org",
				Extra:    account.Extra{Public: `{"plan":"pro"}`, Private: `{"notes":"\u0000 é"}`},
				IsActive: false, IsStaff: true, IsSuperuser: true, DateJoined: 2_000, LastLogin: 2_001, Epoch: "second",
				Groups: []string{"staff"}, UserPermissions: []string{"app.do"}, Permissions: []string{"app.do", "app.see"},
			}
			got := alters(t, s, u.ID, func(u *account.User) { *u = *want })
			if !sameUser(got, want) {
				t.Fatalf("Change returned %+v\nwant %+v", *got, *want)
			}
			has(t, s, want)
			has(t, s, other)
		},
	},
	{
		"change gets the stored user", "Change reads the user",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := user("ann")
			u.Groups = []string{"staff"}
			enrolled(t, s, u)
			u.Permissions = []string{"app.see"}
			alters(t, s, u.ID, func(got *account.User) {
				if !sameUser(got, u) {
					t.Errorf("change sees %+v, want %+v", *got, *u)
				}
			})
			has(t, s, u)
		},
	},
	{
		"an error of change is returned unchanged, and nothing is written", "an error of change is returned as it is, and nothing is written",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			_, err := s.Change(t.Context(), u.ID, func(u *account.User) error {
				u.Username, u.Epoch, u.UserPermissions = "eve", "second", []string{"app.do"}
				return errRefused
			})
			if err != errRefused { //nolint:errorlint // as it is
				t.Fatalf("error is %v", err)
			}
			has(t, s, u)
			absent(t, s, "eve")
		},
	},
	{
		"a panic of change writes nothing and blocks no other call", "no step is taken halfway",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				_, err := s.Change(t.Context(), u.ID, func(u *account.User) error { u.Username = "eve"; panic("oh") })
				t.Errorf("Change returned %v", err)
			}()
			has(t, s, u)
			has(t, s, alters(t, s, u.ID, func(u *account.User) { u.Epoch = "second" }))
		},
	},
	{
		"a refused change writes nothing at all", "Change takes effect in one step or not at all",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			enrolled(t, s, user("bob"))
			u := user("ann")
			u.Groups, u.UserPermissions = []string{"staff"}, []string{"app.do"}
			enrolled(t, s, u)
			u.Permissions = []string{"app.do", "app.see"}
			_, err := s.Change(t.Context(), u.ID, func(u *account.User) error {
				u.Epoch, u.Email, u.Username, u.Groups, u.UserPermissions = "second", "a@example.org", "BOB", nil, nil
				return nil
			})
			taken(t, err, "username")
			_, err = s.Change(t.Context(), u.ID, func(u *account.User) error {
				u.Epoch, u.Username, u.UserPermissions, u.Groups = "second", "anne", nil, []string{"nowhere", "staff"}
				return nil
			})
			fails(t, err, account.ErrNotFound)
			has(t, s, u)
			absent(t, s, "a@example.org")
			absent(t, s, "anne")
		},
	},
	{
		"Change of a missing user is not found, and calls nothing", "Change: ErrNotFound",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			ok(t, s.Delete(t.Context(), u.ID))
			_, err := s.Change(t.Context(), u.ID, func(*account.User) error { t.Error("change was called"); return nil })
			fails(t, err, account.ErrNotFound)
			picks(t, s, account.Query{})
		},
	},
	{
		"a user's ID can't be changed", "IDs are assigned by the Store",
		func(t *testing.T, s account.Store) {
			a, b := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			got := alters(t, s, a.ID, func(u *account.User) { u.ID, u.Epoch = b.ID, "second" })
			if got.ID != a.ID || got.Epoch != "second" {
				t.Fatalf("Change returned %+v", *got)
			}
			has(t, s, got)
			has(t, s, b)
		},
	},
	{
		"writing Permissions gives no permission", "Permissions is computed on reading, ignored on writing",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			u.Permissions = []string{"app.do"}
			enrolled(t, s, u)
			got := alters(t, s, u.ID, func(u *account.User) { u.Permissions = []string{"app.do"} })
			u.Permissions = nil
			if !sameUser(got, u) {
				t.Fatalf("Change returned %+v", *got)
			}
			has(t, s, u)
		},
	},
	{
		"a sign-in is recorded, and its time never goes back", "NoteSignIn applies a sign-in; LastLogin never goes back",
		func(t *testing.T, s account.Store) {
			u, other := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			for _, at := range []int64{u.LastLogin + 10, u.LastLogin, 0} {
				got, err := s.NoteSignIn(t.Context(), u.ID, account.SignInUpdate{At: at})
				ok(t, err)
				u.LastLogin = max(u.LastLogin, at)
				if !sameUser(got, u) {
					t.Fatalf("NoteSignIn returned %+v\nwant %+v", *got, *u)
				}
				has(t, s, u)
			}
			has(t, s, other)
			for _, id := range []string{"", "0", "unknown", "999999"} {
				_, err := s.NoteSignIn(t.Context(), id, account.SignInUpdate{At: 1})
				fails(t, err, account.ErrNotFound)
			}
		},
	},
	{
		"the first sign-in says the language of a user who has none", "SignIn.Language becomes the language of a user who has none, at the first sign-in",
		func(t *testing.T, s account.Store) {
			fresh := func(name string) *account.User {
				u := user(name)
				u.LastLogin = 0
				return enrolled(t, s, u)
			}
			signsIn := func(u *account.User, note account.SignInUpdate, want string) {
				t.Helper()
				got, err := s.NoteSignIn(t.Context(), u.ID, note)
				ok(t, err)
				u.LastLogin, u.Language = max(u.LastLogin, note.At), want
				if !sameUser(got, u) {
					t.Fatalf("NoteSignIn returned %+v\nwant %+v", *got, *u)
				}
				has(t, s, u)
			}
			u := fresh("ann")
			signsIn(u, account.SignInUpdate{}, "")
			signsIn(u, account.SignInUpdate{At: 5, Language: "pt-BR"}, "pt-BR")
			signsIn(u, account.SignInUpdate{At: 6, Language: "de"}, "pt-BR")
			u = alters(t, s, u.ID, func(u *account.User) { u.Language = "" }) // the user wants none
			signsIn(u, account.SignInUpdate{At: 7, Language: "de"}, "")
			u = fresh("bob")
			signsIn(u, account.SignInUpdate{At: 5}, "")
			signsIn(u, account.SignInUpdate{At: 6, Language: "de"}, "")
			u = alters(t, s, fresh("eve").ID, func(u *account.User) { u.Language = "pt-BR" })
			signsIn(u, account.SignInUpdate{At: 5, Language: "de"}, "pt-BR")
		},
	},
	{
		"a stronger hash replaces the one that was verified, and no other", "SignIn.Rehash replaces Verified if that is still stored",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			_, err := s.NoteSignIn(t.Context(), u.ID, account.SignInUpdate{Verified: u.Password + " of before", Rehash: "stronger"})
			ok(t, err)
			has(t, s, u)
			_, err = s.NoteSignIn(t.Context(), u.ID, account.SignInUpdate{Verified: u.Password, Rehash: "stronger"})
			ok(t, err)
			u.Password = "stronger"
			has(t, s, u)
		},
	},
}
