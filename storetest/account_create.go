package storetest

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var accountCreateCases = []testCase[account.Store]{
	{
		"a created user is found by ID, username and e-mail", "Create adds a user and sets u.ID; Load and Find return it",
		func(t *testing.T, s account.Store) {
			u := user("Ann")
			u.Email, u.IsStaff, u.IsSuperuser = "Ann@Example.org", true, true
			enrolled(t, s, u)
			if u.ID == "" {
				t.Fatal("no ID")
			}
			has(t, s, u)
		},
	},
	{
		"a user may have a name and nothing else", "zero fields are kept as they are",
		func(t *testing.T, s account.Store) {
			has(t, s, enrolled(t, s, &account.User{Username: "ann"}))
		},
	},
	{
		"users have different IDs", "IDs are assigned by the Store",
		func(t *testing.T, s account.Store) {
			ids := map[string]bool{}
			for _, u := range crowd(t, s) {
				if ids[u.ID] {
					t.Fatalf("ID %q was given twice", u.ID)
				}
				ids[u.ID] = true
				has(t, s, u)
			}
		},
	},
	{
		"another spelling of an ID finds no user", "Load: ErrNotFound",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			for _, id := range []string{
				"", "0", "-1", "0" + u.ID, "+" + u.ID, " " + u.ID, u.ID + " ", u.ID + ".0", u.ID + "e0", u.ID + "\x00", "0x" + u.ID,
				u.ID + u.ID + u.ID, "ann", "99999999999999999999", "9223372036854775807", u.ID + " OR 1=1", "١", strings.Repeat("9", 10_000),
			} {
				if _, err := s.Load(t.Context(), id); err == nil {
					t.Fatalf("%q is an ID", id)
				} else {
					fails(t, err, account.ErrNotFound)
				}
				_, err := s.Change(t.Context(), id, func(*account.User) error { t.Errorf("changing %q", id); return nil })
				fails(t, err, account.ErrNotFound)
				fails(t, s.Delete(t.Context(), id), account.ErrNotFound)
			}
			has(t, s, u)
		},
	},
	{
		"Find compares the key, not the name", "Find returns the user whose username or e-mail has this key",
		func(t *testing.T, s account.Store) {
			enrolled(t, s, user("Ann"))
			for _, key := range []string{"Ann", "an", "ann ", "%", "ann%", "_nn", "", "ann\x00", "\xff"} {
				_, err := s.Find(t.Context(), key)
				fails(t, err, account.ErrNotFound)
			}
		},
	},
	{
		"unusual names and hashes are stored exactly", "texts are opaque to a Store",
		func(t *testing.T, s account.Store) {
			for _, text := range []string{
				"'; DROP TABLE users; --", `"quoted" \ %_`, "👩‍🚀", "Ærøskøbing", "שלום", "two\nlines", strings.Repeat("x", 150), "null", "[]",
			} {
				u := user(text)
				u.Email, u.FirstName, u.LastName, u.Epoch = text+"@example.org", text, text, text
				u.Password = "argon2$" + strings.Repeat("=", 1_000) + text
				has(t, s, enrolled(t, s, u))
			}
		},
	},
	{
		"numbers are stored exactly", "times are whole seconds in 64 bits",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			u.DateJoined, u.LastLogin = -1, 1<<53+1
			has(t, s, enrolled(t, s, u))
		},
	},
	{
		"a refused user leaves no trace", "Create takes effect in one step or not at all",
		func(t *testing.T, s account.Store) {
			first := user("ann")
			first.Email = "ann@example.org"
			enrolled(t, s, first)
			second := user("bob")
			second.Email = "ann@example.org"
			taken(t, s.Create(t.Context(), second), "email")
			third := user("cy")
			third.Groups = []string{"nowhere"}
			fails(t, s.Create(t.Context(), third), account.ErrNotFound)
			if second.ID != "" || third.ID != "" {
				t.Fatalf("IDs are %q and %q", second.ID, third.ID)
			}
			absent(t, s, "bob")
			absent(t, s, "cy")
			picks(t, s, account.Query{}, "ann")
			enrolled(t, s, user("bob"))
		},
	},
	{
		"after Delete the user is not found, and the names are free", "Delete removes a user",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := user("ann")
			u.Email, u.Groups, u.UserPermissions = "ann@example.org", []string{"staff"}, []string{"app.do"}
			enrolled(t, s, u)
			other := enrolled(t, s, user("bob"))
			ok(t, s.Delete(t.Context(), u.ID))
			_, err := s.Load(t.Context(), u.ID)
			fails(t, err, account.ErrNotFound)
			absent(t, s, "ann")
			absent(t, s, "ann@example.org")
			picks(t, s, account.Query{}, "bob")
			has(t, s, other)
			fails(t, s.Delete(t.Context(), u.ID), account.ErrNotFound)
		},
	},
	{
		"a name that is used again belongs to another user", "an ID is never used again, so what belonged to the former user doesn't belong to the new one",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			var ids []string
			for range 3 {
				u := user("ann")
				if len(ids) == 0 {
					u.Groups, u.UserPermissions = []string{"staff"}, []string{"app.do"}
				}
				enrolled(t, s, u)
				for _, id := range ids {
					if u.ID == id {
						t.Fatalf("ID %q was given again", id)
					}
					_, err := s.Load(t.Context(), id)
					fails(t, err, account.ErrNotFound)
				}
				if len(ids) > 0 {
					has(t, s, u) // without the former one's groups and permissions
				}
				ids = append(ids, u.ID)
				ok(t, s.Delete(t.Context(), u.ID))
			}
		},
	},
	{
		"changing a user after a call doesn't change the store", "a Store copies what it takes and gives",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff")
			given := user("ann")
			given.Groups, given.UserPermissions = []string{"staff"}, []string{"app.do"}
			enrolled(t, s, given)
			given.Username, given.Groups[0], given.UserPermissions[0] = "eve", "eve", "eve"
			want := func() *account.User {
				u := user("ann")
				u.ID, u.Groups, u.UserPermissions, u.Permissions = given.ID, []string{"staff"}, []string{"app.do"}, []string{"app.do"}
				return u
			}
			has(t, s, want())
			loaded, err := s.Load(t.Context(), given.ID)
			ok(t, err)
			listed, err := s.List(t.Context(), account.Query{})
			ok(t, err)
			var kept *account.User
			returned := alters(t, s, given.ID, func(u *account.User) { kept = u })
			for _, u := range []*account.User{loaded, listed[0], kept, returned} {
				u.Username, u.Groups[0], u.UserPermissions[0], u.Permissions[0] = "eve", "eve", "eve", "eve"
			}
			has(t, s, want())
		},
	},
}
