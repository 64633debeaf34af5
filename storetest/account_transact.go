package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var errUndo = errors.New("undo it")

// transacts ends the test if the step fails.
func transacts(t testing.TB, s account.Store, do func(tx account.Tx) error) {
	t.Helper()
	ok(t, s.Transact(t.Context(), do))
}

// every returns a step that makes every kind of change to a user and to the groups "staff" and "others", and makes a user
// "new" and a group "new".
func every(id string) func(tx account.Tx) error {
	return func(tx account.Tx) error {
		made := user("new")
		made.Groups = []string{"staff"}
		u, err := tx.Load(id)
		if err != nil {
			return err
		}
		u.Username, u.Groups, u.UserPermissions = "anna", []string{"staff", "new"}, []string{"app.do"}
		return errors.Join(
			tx.CreateGroup(account.Group{Name: "new", Permissions: []string{"app.new"}}), tx.Create(made), tx.Change(u),
			tx.ChangeGroup(account.Group{Name: "staff", Permissions: []string{"app.hear"}}), tx.DeleteGroup("others"),
			tx.SetReset(id, secret, 2_000),
		)
	}
}

var accountTransactCases = []testCase[account.Store]{
	{
		"a step writes all that it has done", "Transact keeps what do has written, all of it",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			grouped(t, s, "others", "app.list")
			u := user("ann")
			u.Groups = []string{"staff", "others"}
			enrolled(t, s, u)
			transacts(t, s, every(u.ID))
			u.Username, u.Groups, u.UserPermissions, u.Permissions = "anna", []string{"new", "staff"}, []string{"app.do"}, []string{"app.do", "app.hear", "app.new"}
			has(t, s, u)
			absent(t, s, "ann")
			made, err := s.Find(t.Context(), "new")
			ok(t, err)
			may(t, s, made.ID, "app.hear")
			resets(t, s, secret, 1_000, u.ID)
			transacts(t, s, func(tx account.Tx) error { return tx.Delete(u.ID) })
			absent(t, s, "anna")
		},
	},
	{
		"a step that fails writes nothing", "an error of do is returned as it is, and nothing is written",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			grouped(t, s, "others", "app.list")
			u := user("ann")
			u.Groups = []string{"staff", "others"}
			enrolled(t, s, u)
			fails(t, s.Transact(t.Context(), func(tx account.Tx) error {
				if err := every(u.ID)(tx); err != nil {
					return err
				}
				return errUndo
			}), errUndo)
			fails(t, s.Transact(t.Context(), func(tx account.Tx) error { return errors.Join(tx.Delete(u.ID), errUndo) }), errUndo)
			u.Groups, u.Permissions = []string{"others", "staff"}, []string{"app.list", "app.see"}
			has(t, s, u)
			absent(t, s, "anna")
			absent(t, s, "new")
			void(t, s, secret, 1_000)
			groups, err := s.Groups(t.Context())
			ok(t, err)
			if len(groups) != 2 || groups[0].Name != "others" || !slices.Equal(groups[1].Permissions, []string{"app.see"}) {
				t.Fatalf("the groups are %+v", groups)
			}
		},
	},
	{
		"a step sees what it has written", "a Tx sees what it has written",
		func(t *testing.T, s account.Store) {
			transacts(t, s, func(tx account.Tx) error {
				if err := tx.CreateGroup(account.Group{Name: "staff", Permissions: []string{"b.x", "a.x", "b.x"}}); err != nil {
					return err
				}
				u := user("ann")
				u.Groups = []string{"staff"}
				if err := tx.Create(u); err != nil {
					return err
				}
				g, err := tx.Group("staff")
				if err != nil {
					return err
				}
				got, err := tx.Load(u.ID)
				if err != nil {
					return err
				}
				want := []string{"a.x", "b.x"}
				if !slices.Equal(g.Permissions, want) || !slices.Equal(got.Permissions, want) {
					return fmt.Errorf("the group has %q, the user %q", g.Permissions, got.Permissions)
				}
				if err := tx.ChangeGroup(account.Group{Name: "staff", Permissions: []string{"b.x", "c.x"}}); err != nil {
					return err
				}
				if got, err = tx.Load(u.ID); err == nil && !slices.Equal(got.Permissions, []string{"b.x", "c.x"}) {
					err = fmt.Errorf("the user has %q", got.Permissions)
				}
				return err
			})
		},
	},
	{
		"a step returns which names are missing or taken", "ErrNotFound, ErrGroupExists, *TakenError",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := enrolled(t, s, user("ann"))
			enrolled(t, s, user("bob"))
			gone := enrolled(t, s, user("eve")).ID
			ok(t, s.Delete(t.Context(), gone))
			with := func(alter func(u *account.User)) func(tx account.Tx) error {
				return func(tx account.Tx) error {
					next, err := tx.Load(u.ID)
					if err != nil {
						return err
					}
					alter(next)
					return tx.Change(next)
				}
			}
			for what, row := range map[string]struct {
				do   func(tx account.Tx) error
				want error
			}{
				"load of no user":               {func(tx account.Tx) error { _, err := tx.Load(gone); return err }, account.ErrNotFound},
				"load of no ID":                 {func(tx account.Tx) error { _, err := tx.Load("ann"); return err }, account.ErrNotFound},
				"change of no user":             {func(tx account.Tx) error { next := *u; next.ID = gone; return tx.Change(&next) }, account.ErrNotFound},
				"deletion of no user":           {func(tx account.Tx) error { return tx.Delete(gone) }, account.ErrNotFound},
				"reset of no user":              {func(tx account.Tx) error { return tx.SetReset(gone, secret, 2_000) }, account.ErrNotFound},
				"a group that isn't there":      {func(tx account.Tx) error { _, err := tx.Group("STAFF"); return err }, account.ErrNotFound},
				"a group that no name can be":   {func(tx account.Tx) error { _, err := tx.Group("a\x00b"); return err }, account.ErrNotFound},
				"change of no group":            {func(tx account.Tx) error { return tx.ChangeGroup(account.Group{Name: "nowhere"}) }, account.ErrNotFound},
				"deletion of no group":          {func(tx account.Tx) error { return tx.DeleteGroup("nowhere") }, account.ErrNotFound},
				"a group that is there":         {func(tx account.Tx) error { return tx.CreateGroup(account.Group{Name: "staff"}) }, account.ErrGroupExists},
				"membership of no group":        {with(func(u *account.User) { u.Groups = []string{"nowhere"} }), account.ErrNotFound},
				"a new member of no group":      {func(tx account.Tx) error { n := user("cy"); n.Groups = []string{"nowhere"}; return tx.Create(n) }, account.ErrNotFound},
				"a step of a call that is over": {func(account.Tx) error { return context.Canceled }, context.Canceled},
			} {
				if err := s.Transact(t.Context(), row.do); !errors.Is(err, row.want) {
					t.Errorf("%s: %v", what, err)
				}
			}
			taken(t, s.Transact(t.Context(), with(func(u *account.User) { u.Username = "BOB" })), "username")
			taken(t, s.Transact(t.Context(), func(tx account.Tx) error { return tx.Create(user("Bob")) }), "username")
			has(t, s, u)
		},
	},
	{
		"many users are read and disabled at once", "LoadEach leaves out IDs that no user has; Disable writes IsActive and Epoch",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			ann, bob := user("ann"), user("bob")
			ann.Groups, ann.UserPermissions = []string{"staff"}, []string{"app.do"}
			enrolled(t, s, ann)
			enrolled(t, s, bob)
			other := enrolled(t, s, user("cy"))
			ok(t, s.SetReset(t.Context(), bob.ID, secret, 2_000))
			ann.Permissions = []string{"app.do", "app.see"}
			ids := []string{bob.ID, "", "0", "0" + ann.ID, "x", "a\x00b", "99999999999", "99999999999999999999", ann.ID}
			transacts(t, s, func(tx account.Tx) error {
				got, err := tx.LoadEach(ids)
				if err != nil {
					return err
				}
				if len(got) != 2 || !sameUser(got[ann.ID], ann) || !sameUser(got[bob.ID], bob) {
					return fmt.Errorf("read %+v", got)
				}
				for _, u := range got {
					u.IsActive, u.Epoch, u.FirstName, u.Groups = false, "after "+u.ID, "Another", nil
				}
				if err := tx.Disable([]*account.User{got[bob.ID], got[ann.ID]}); err != nil {
					return err
				}
				again, err := tx.LoadEach([]string{ann.ID})
				one, loading := tx.Load(bob.ID)
				if err != nil || loading != nil || again[ann.ID].IsActive || one.IsActive {
					return fmt.Errorf("after the write %+v, %v; %+v, %v", again[ann.ID], err, one, loading)
				}
				none, err := tx.LoadEach([]string{"x", "77777"})
				if len(none) > 0 || err != nil {
					return fmt.Errorf("of no user's IDs it has read %+v, %v", none, err)
				}
				return tx.Disable(nil)
			})
			for _, u := range []*account.User{ann, bob} {
				u.IsActive, u.Epoch = false, "after "+u.ID
				has(t, s, u)
			}
			has(t, s, other)
			void(t, s, secret, 1_000)
		},
	},
	{
		"of users who are disabled at once all are or none is", "Disable: ErrNotFound if one of them doesn't exist; nothing is written then",
		func(t *testing.T, s account.Store) {
			ann, bob := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			fails(t, s.Transact(t.Context(), func(tx account.Tx) error {
				got, err := tx.LoadEach([]string{ann.ID, bob.ID})
				if err == nil {
					err = tx.Delete(bob.ID)
				}
				if err != nil {
					return err
				}
				for _, u := range got {
					u.IsActive, u.Epoch = false, "after"
				}
				return tx.Disable([]*account.User{got[ann.ID], got[bob.ID]})
			}), account.ErrNotFound)
			has(t, s, ann)
			has(t, s, bob)
		},
	},
	{
		"of 20 concurrent steps that disable the same users each has its turn", "Transact: one step that no other write comes between",
		func(t *testing.T, s account.Store) {
			var ids []string
			for n := range 10 {
				ids = append(ids, enrolled(t, s, user(fmt.Sprint("u", n))).ID)
			}
			together(20, func(n int) {
				mine := slices.Clone(ids)
				if n%2 == 1 {
					slices.Reverse(mine)
				}
				if n >= 16 { // a single user's row is locked by other means
					_, err := s.NoteSignIn(t.Context(), mine[0], account.SignInUpdate{At: 5_000})
					if err != nil {
						t.Error(err)
					}
					return
				}
				err := s.Transact(t.Context(), func(tx account.Tx) error {
					got, err := tx.LoadEach(mine)
					if err != nil {
						return err
					}
					var all []*account.User
					for _, id := range mine {
						got[id].IsActive, got[id].Epoch = false, fmt.Sprint("step ", n)
						all = append(all, got[id])
					}
					return tx.Disable(all)
				})
				if err != nil {
					t.Error(err)
				}
			})
			first, err := s.Load(t.Context(), ids[0])
			ok(t, err)
			for _, id := range ids {
				u, err := s.Load(t.Context(), id)
				if ok(t, err); u.IsActive || u.Epoch != first.Epoch {
					t.Errorf("user %s is %t at %q, the first at %q", id, u.IsActive, u.Epoch, first.Epoch)
				}
			}
		},
	},
	{
		"of 20 concurrent creations of one group one succeeds", "CreateGroup: ErrGroupExists",
		func(t *testing.T, s account.Store) {
			var won atomic.Int32
			together(20, func(n int) {
				err := s.Transact(t.Context(), func(tx account.Tx) error {
					return tx.CreateGroup(account.Group{Name: "staff", Permissions: []string{fmt.Sprint("app.", n)}})
				})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, account.ErrGroupExists) {
					t.Error(err)
				}
			})
			groups, err := s.Groups(t.Context())
			ok(t, err)
			if won.Load() != 1 || len(groups) != 1 || len(groups[0].Permissions) != 1 {
				t.Fatalf("%d were made: %+v", won.Load(), groups)
			}
		},
	},
	{
		"of 20 concurrent changes of a user's groups and permissions none is lost", "Change and Transact: one step that no other write comes between",
		func(t *testing.T, s account.Store) {
			for n := range 20 {
				grouped(t, s, fmt.Sprint("g", n))
			}
			u := enrolled(t, s, user("ann"))
			together(20, func(n int) {
				join := func(u *account.User) error {
					u.Groups, u.UserPermissions = append(u.Groups, fmt.Sprint("g", n)), append(u.UserPermissions, fmt.Sprint("app.", n))
					return nil
				}
				var err error
				if n%2 == 0 {
					_, err = s.Change(t.Context(), u.ID, join)
				} else {
					err = s.Transact(t.Context(), func(tx account.Tx) error {
						u, err := tx.Load(u.ID)
						if err == nil {
							err = errors.Join(join(u), tx.Change(u))
						}
						return err
					})
				}
				if err != nil {
					t.Error(err)
				}
			})
			got, err := s.Load(t.Context(), u.ID)
			ok(t, err)
			if len(got.Groups) != 20 || len(got.UserPermissions) != 20 {
				t.Fatalf("left are %q and %q", got.Groups, got.UserPermissions)
			}
		},
	},
	{
		"of 20 concurrent changes of one group none is lost", "Transact: nothing that do has read is changed by another write",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff")
			together(20, func(n int) {
				err := s.Transact(t.Context(), func(tx account.Tx) error {
					g, err := tx.Group("staff")
					if err != nil {
						return err
					}
					g.Permissions = append(g.Permissions, fmt.Sprint("app.", n))
					return tx.ChangeGroup(g)
				})
				if err != nil {
					t.Error(err)
				}
			})
			groups, err := s.Groups(t.Context())
			ok(t, err)
			if len(groups[0].Permissions) != 20 {
				t.Fatalf("left are %q", groups[0].Permissions)
			}
		},
	},
	{
		"a condition that a step has checked still holds when it writes", "Transact: nothing that do has read is changed by another write",
		func(t *testing.T, s account.Store) {
			// Two members of a group each remove the other, as long as they are members themselves. One stays.
			// Meanwhile the group is taken and given back; a user without its rights must not have removed another.
			grouped(t, s, "staff", "app.rule")
			grouped(t, s, "left")
			var both [2]*account.User
			for n := range both {
				both[n] = user(fmt.Sprint("u", n))
				both[n].Groups = []string{"left", "staff"}
				enrolled(t, s, both[n])
			}
			for range 10 {
				var won atomic.Int32
				together(4, func(n int) {
					if n >= 2 {
						for _, permissions := range [][]string{{"app.see"}, {"app.rule"}} {
							if err := s.SetGroup(t.Context(), account.Group{Name: "staff", Permissions: permissions}); err != nil {
								t.Error(err)
							}
						}
						return
					}
					err := s.Transact(t.Context(), func(tx account.Tx) error {
						actor, err := tx.Load(both[n].ID)
						if err != nil {
							return err
						}
						if !slices.Contains(actor.Groups, "staff") {
							return errUndo
						}
						other, err := tx.Load(both[1-n].ID)
						if err != nil {
							return err
						}
						other.Groups = []string{"left"}
						return tx.Change(other)
					})
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, errUndo) {
						t.Error(err)
					}
				})
				members, err := s.List(t.Context(), account.Query{Group: "staff"})
				ok(t, err)
				if won.Load() != 1 || len(members) != 1 {
					t.Fatalf("%d took the other out, and %d are left", won.Load(), len(members))
				}
				for _, u := range both {
					alters(t, s, u.ID, func(u *account.User) { u.Groups = []string{"left", "staff"} })
				}
			}
		},
	},
	{
		"a right that was taken away isn't given back by a user who had it", "Transact: nothing that do has read is changed by another write",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			grouped(t, s, "staff", "app.rule")
			u.Groups = []string{"staff"}
			enrolled(t, s, u)
			for n := range 10 {
				grouped(t, s, "staff", "app.rule")
				var removed atomic.Bool
				together(4, func(k int) {
					if k == 0 {
						if err := s.SetGroup(t.Context(), account.Group{Name: "staff"}); err != nil {
							t.Error(err)
						}
						removed.Store(true)
						return
					}
					for after := 0; after < 3; {
						late := removed.Load()
						if late {
							after++
						}
						err := s.Transact(t.Context(), func(tx account.Tx) error {
							actor, err := tx.Load(u.ID)
							if err != nil {
								return err
							}
							if !slices.Contains(actor.Permissions, "app.rule") {
								return errUndo
							}
							return tx.ChangeGroup(account.Group{Name: "staff", Permissions: []string{"app.rule", fmt.Sprint("app.", k)}})
						})
						if late && err == nil {
							t.Error("a step that began after the removal was still allowed")
						}
						if err != nil {
							if !errors.Is(err, errUndo) {
								t.Error(err)
							}
							return
						}
					}
				})
				groups, err := s.Groups(t.Context())
				ok(t, err)
				if len(groups[0].Permissions) != 0 {
					t.Fatalf("round %d: the group has %q again", n, groups[0].Permissions)
				}
			}
		},
	},
	{
		"a reset secret is invalid while the user has more rights", "invalid while the user exceeds the rights that the user had",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			grouped(t, s, "chiefs", "app.rule")
			for what, gain := range map[string]func(id string){
				"made staff":               func(id string) { alters(t, s, id, func(u *account.User) { u.IsStaff = true }) },
				"made a superuser":         func(id string) { alters(t, s, id, func(u *account.User) { u.IsSuperuser = true }) },
				"given a permission":       func(id string) { alters(t, s, id, func(u *account.User) { u.UserPermissions = []string{"app.do"} }) },
				"put into a group":         func(id string) { alters(t, s, id, func(u *account.User) { u.Groups = []string{"staff", "chiefs"} }) },
				"in a group that got more": func(string) { grouped(t, s, "staff", "app.see", "app.hear") },
				"in a group that got more, in a step": func(string) {
					transacts(t, s, func(tx account.Tx) error {
						return tx.ChangeGroup(account.Group{Name: "staff", Permissions: []string{"app.see", "app.rule"}})
					})
				},
			} {
				grouped(t, s, "staff", "app.see")
				u := user("ann")
				u.Groups = []string{"staff"}
				enrolled(t, s, u)
				ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
				gain(u.ID)
				if _, err := s.SpendReset(t.Context(), secret, 1_000, func(*account.User) error { return nil }); !errors.Is(err, account.SpentErrors.Reset) {
					t.Errorf("%s: %v", what, err)
				}
				ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
				alters(t, s, u.ID, func(u *account.User) { u.IsStaff, u.IsSuperuser, u.Groups, u.UserPermissions = false, false, nil, nil })
				resets(t, s, secret, 1_000, u.ID) // a user with fewer rights can still use it
				ok(t, s.Delete(t.Context(), u.ID))
			}
		},
	},
}
