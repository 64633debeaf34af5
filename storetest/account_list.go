package storetest

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var accountListCases = []testCase[account.Store]{
	{
		"an empty store lists no users", "List returns the selected users",
		func(t *testing.T, s account.Store) {
			picks(t, s, account.Query{})
			picks(t, s, account.Query{Search: "a", After: "1", Limit: 1})
		},
	},
	{
		"users are listed in the order of their IDs by value", "in the order of their IDs (decimal IDs by value)",
		func(t *testing.T, s account.Store) {
			crowd(t, s)
			picks(t, s, account.Query{}, "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10", "u11", "u12")
		},
	},
	{
		"pages add up to the whole list", "Query.After and Query.Limit are for paging",
		func(t *testing.T, s account.Store) {
			all := crowd(t, s)
			picks(t, s, account.Query{Limit: 5}, "u1", "u2", "u3", "u4", "u5")
			picks(t, s, account.Query{After: all[4].ID, Limit: 5}, "u6", "u7", "u8", "u9", "u10")
			ok(t, s.Delete(t.Context(), all[9].ID))
			picks(t, s, account.Query{After: all[9].ID, Limit: 5}, "u11", "u12")
			picks(t, s, account.Query{After: all[11].ID, Limit: 5})
		},
	},
	{
		"a search finds parts of names and addresses, without regard to case", "Query.Search: part of the username, e-mail or name, without regard to case",
		func(t *testing.T, s account.Store) {
			for _, u := range []account.User{
				{Username: "Miller7"}, {Username: "b", Email: "Sam.Millerton@example.org"}, {Username: "c", FirstName: "Emil"},
				{Username: "d", LastName: "Straße"}, {Username: "e", FirstName: "Zoé", LastName: "van Dyck"}, {Username: "f"},
			} {
				enrolled(t, s, &u)
			}
			for search, want := range map[string][]string{
				"mill": {"Miller7", "b"}, "MIL": {"Miller7", "b", "c"}, "@EXAMPLE": {"b"}, "strasse": {"d"}, "STRASS": {"d"},
				"zoe\u0301": {"e"}, "zoé van": {"e"}, "unknown": nil, "": {"Miller7", "b", "c", "d", "e", "f"},
			} {
				picks(t, s, account.Query{Search: search}, want...)
			}
			picks(t, s, account.Query{Search: "mil", Limit: 2}, "Miller7", "b")
		},
	},
	{
		"the members of a group are listed", "Query.Group: only members of this group",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff")
			grouped(t, s, "others")
			for _, name := range []string{"ann", "bob", "carl", "dora"} {
				u := user(name)
				if name != "bob" {
					u.Groups = []string{"others", "staff"}
				}
				enrolled(t, s, u)
			}
			picks(t, s, account.Query{Group: "staff"}, "ann", "carl", "dora")
			picks(t, s, account.Query{Group: "staff", Search: "CARL", Limit: 1}, "carl")
			picks(t, s, account.Query{Group: "staff", Limit: 2}, "ann", "carl")
			for _, missing := range []string{"Staff", "staff ", "unknown", "a\x00b", "\xff"} {
				picks(t, s, account.Query{Group: missing})
			}
			ok(t, s.DeleteGroup(t.Context(), "staff"))
			picks(t, s, account.Query{Group: "staff"})
			picks(t, s, account.Query{Group: "others"}, "ann", "carl", "dora")
		},
	},
	{
		"superusers are listed", "Query.Superusers: only superusers, also disabled ones",
		func(t *testing.T, s account.Store) {
			picks(t, s, account.Query{Superusers: true})
			var last string
			for _, name := range []string{"ann", "bob", "carl", "dora"} {
				u := user(name)
				u.IsSuperuser, u.IsActive, u.IsStaff = name != "bob", name != "carl", true
				last = enrolled(t, s, u).ID
			}
			picks(t, s, account.Query{Superusers: true}, "ann", "carl", "dora")
			picks(t, s, account.Query{Superusers: true, Limit: 2}, "ann", "carl")
			picks(t, s, account.Query{Superusers: true, Search: "DORA", Limit: 1}, "dora")
			picks(t, s, account.Query{Superusers: true, After: last})
			alters(t, s, last, func(u *account.User) { u.IsSuperuser = false })
			picks(t, s, account.Query{Superusers: true}, "ann", "carl")
		},
	},
	{
		"a search text is not a pattern", "Query.Search: part of …",
		func(t *testing.T, s account.Store) {
			for _, name := range []string{"50%", "a_b", `back\slash`, "axb", "a*b", "5000"} {
				enrolled(t, s, &account.User{Username: name})
			}
			for search, want := range map[string][]string{
				"%": {"50%"}, "_": {"a_b"}, `\`: {`back\slash`}, "*": {"a*b"}, "0%": {"50%"}, "a_b": {"a_b"}, "' OR ''='": nil,
			} {
				picks(t, s, account.Query{Search: search}, want...)
			}
		},
	},
	{
		"a search uses the present names", "List uses the users as stored now",
		func(t *testing.T, s account.Store) {
			u := enrolled(t, s, user("ann"))
			alters(t, s, u.ID, func(u *account.User) { u.Username, u.LastName = "anne", "Smith" })
			picks(t, s, account.Query{Search: "smith"}, "anne")
			picks(t, s, account.Query{Search: "last"})
		},
	},
	{
		"listed users have all fields", "List returns users like Load",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := user("ann")
			u.Email, u.Groups, u.UserPermissions = "ann@example.org", []string{"staff"}, []string{"app.do"}
			enrolled(t, s, u)
			u.Permissions = []string{"app.do", "app.see"}
			all, err := s.List(t.Context(), account.Query{})
			ok(t, err)
			if len(all) != 1 || !sameUser(all[0], u) {
				t.Fatalf("listed %+v, want %+v", *all[0], *u)
			}
		},
	},
}
