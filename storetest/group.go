package storetest

import (
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// may ends the test unless the user has exactly these permissions.
func may(t testing.TB, s account.Store, id string, want ...string) {
	t.Helper()
	u, err := s.Load(t.Context(), id)
	ok(t, err)
	if !slices.Equal(u.Permissions, want) {
		t.Fatalf("permissions are %q, want %q", u.Permissions, want)
	}
}

var groupCases = []testCase[account.Store]{
	{
		"a group's permissions are its members'", "Permissions: UserPermissions and the groups' together, sorted",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "writers", "app.write", "app.read")
			grouped(t, s, "readers", "app.read", "app.list")
			u := user("ann")
			u.Groups, u.UserPermissions = []string{"writers", "readers"}, []string{"app.read", "app.zoom", "app.admin"}
			enrolled(t, s, u)
			other := enrolled(t, s, user("bob"))
			may(t, s, u.ID, "app.admin", "app.list", "app.read", "app.write", "app.zoom")
			may(t, s, other.ID)
		},
	},
	{
		"lists come back sorted and with each name once", "Groups, UserPermissions, Permissions: sorted",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "b", "x.2", "x.1", "x.2")
			grouped(t, s, "a")
			u := user("ann")
			u.Groups, u.UserPermissions = []string{"b", "a", "b"}, []string{"y.2", "y.1", "Y.3", "y.2"}
			enrolled(t, s, u)
			u.Groups, u.UserPermissions, u.Permissions = []string{"a", "b"}, []string{"Y.3", "y.1", "y.2"}, []string{"Y.3", "x.1", "x.2", "y.1", "y.2"}
			has(t, s, u)
			has(t, s, alters(t, s, u.ID, func(u *account.User) {
				u.Groups, u.UserPermissions = []string{"b", "a", "a"}, []string{"y.2", "y.1", "y.1", "Y.3"}
			}))
		},
	},
	{
		"the caller's lists stay in their order", "a Store copies what it takes",
		func(t *testing.T, s account.Store) {
			group := account.Group{Name: "a", Permissions: []string{"x.2", "x.1"}}
			ok(t, s.SetGroup(t.Context(), group))
			u := user("ann")
			u.UserPermissions = []string{"y.2", "y.1"}
			enrolled(t, s, u)
			if group.Permissions[0] != "x.2" || u.UserPermissions[0] != "y.2" {
				t.Fatalf("the lists are now %q and %q", group.Permissions, u.UserPermissions)
			}
		},
	},
	{
		"a change of a group's permissions counts for its members at once", "SetGroup gives it exactly these permissions",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see", "app.do")
			u := user("ann")
			u.Groups = []string{"staff"}
			enrolled(t, s, u)
			grouped(t, s, "staff", "app.do", "app.undo")
			may(t, s, u.ID, "app.do", "app.undo")
			grouped(t, s, "staff")
			may(t, s, u.ID)
		},
	},
	{
		"groups are listed in the order of their names", "Groups returns all groups in the order of their names",
		func(t *testing.T, s account.Store) {
			groups, err := s.Groups(t.Context())
			ok(t, err)
			if len(groups) != 0 {
				t.Fatalf("there are %+v", groups)
			}
			for _, name := range []string{"b", "a", "Z", "é", "👩", "a b"} {
				grouped(t, s, name, "app."+name, "app.a")
			}
			grouped(t, s, "none")
			groups, err = s.Groups(t.Context())
			ok(t, err)
			var names []string
			for _, g := range groups {
				names = append(names, g.Name)
				want := []string{"app." + g.Name, "app.a"}
				slices.Sort(want)
				want = slices.Compact(want)
				if g.Name == "none" {
					want = nil
				}
				if !slices.Equal(g.Permissions, want) {
					t.Fatalf("group %q has %q, want %q", g.Name, g.Permissions, want)
				}
			}
			if want := []string{"Z", "a", "a b", "b", "none", "é", "👩"}; !slices.Equal(names, want) {
				t.Fatalf("groups are %q, want %q", names, want)
			}
		},
	},
	{
		"a user who leaves a group loses its permissions", "Change writes groups and permissions as it does fields",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			grouped(t, s, "others", "app.hear")
			u := user("ann")
			u.Groups, u.UserPermissions = []string{"staff", "others"}, []string{"app.do"}
			enrolled(t, s, u)
			alters(t, s, u.ID, func(u *account.User) { u.Groups = []string{"others"} })
			may(t, s, u.ID, "app.do", "app.hear")
			alters(t, s, u.ID, func(u *account.User) { u.UserPermissions = nil })
			may(t, s, u.ID, "app.hear")
		},
	},
	{
		"a deleted group has no members", "DeleteGroup removes a group; its members lose it",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			grouped(t, s, "others", "app.hear")
			u := user("ann")
			u.Groups = []string{"staff", "others"}
			enrolled(t, s, u)
			ok(t, s.DeleteGroup(t.Context(), "staff"))
			u.Groups, u.Permissions = []string{"others"}, []string{"app.hear"}
			has(t, s, u)
			groups, err := s.Groups(t.Context())
			ok(t, err)
			if len(groups) != 1 || groups[0].Name != "others" {
				t.Fatalf("left are %+v", groups)
			}
			grouped(t, s, "staff", "app.see")
			has(t, s, u) // a group made anew has no members
		},
	},
	{
		"a missing group can't be deleted or joined", "DeleteGroup: ErrNotFound; groups that don't exist: ErrNotFound",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff")
			fails(t, s.DeleteGroup(t.Context(), "Staff"), account.ErrNotFound)
			fails(t, s.DeleteGroup(t.Context(), ""), account.ErrNotFound)
			u := user("ann")
			u.Groups = []string{"staff", "STAFF"}
			fails(t, s.Create(t.Context(), u), account.ErrNotFound)
			absent(t, s, "ann")
		},
	},
	{
		"changing groups after a call doesn't change the store", "a Store copies what it takes and gives",
		func(t *testing.T, s account.Store) {
			given := []string{"app.see"}
			grouped(t, s, "staff", given...)
			given[0] = "app.eve"
			groups, err := s.Groups(t.Context())
			ok(t, err)
			groups[0].Permissions[0] = "app.eve"
			u := user("ann")
			u.Groups = []string{"staff"}
			may(t, s, enrolled(t, s, u).ID, "app.see")
		},
	},
}
