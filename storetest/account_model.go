package storetest

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/account"
)

var accountModelCases = []testCase[account.Store]{
	{
		"any sequence of calls has the results of a map", "all promises together, one call after the other",
		func(t *testing.T, s account.Store) {
			rapid.Check(t, func(rt *rapid.T) {
				ok(rt, clearAccounts(t, s))
				m := &accountModel{store: s, context: t, groups: map[string][]string{}}
				rt.Repeat(map[string]func(*rapid.T){
					"": m.compare, "create": m.create, "change": m.change, "delete": m.delete, "find": m.find,
					"setGroup": m.setGroup, "createGroup": m.createGroup, "deleteGroup": m.deleteGroup,
				})
			})
		},
	},
}

func clearAccounts(t *testing.T, s account.Store) error {
	users, err := s.List(t.Context(), account.Query{})
	for _, u := range users {
		err = cmp.Or(err, s.Delete(t.Context(), u.ID))
	}
	groups, listErr := s.Groups(t.Context())
	for _, g := range groups {
		err = cmp.Or(err, s.DeleteGroup(t.Context(), g.Name))
	}
	return cmp.Or(err, listErr)
}

// accountModel is what the store should hold. There are few names, in all their spellings, so that they collide.
type accountModel struct {
	store   account.Store
	context *testing.T
	users   []*account.User // in the order of their creation, which is that of their IDs
	groups  map[string][]string
	former  []string // IDs of deleted users
}

func (m *accountModel) drawName(rt *rapid.T, label string) string {
	return rapid.SampledFrom(slices.Concat(alikes[0], alikes[1], alikes[6], []string{"bob", "cy"})).Draw(rt, label)
}

func drawSet(rt *rapid.T, label string, from ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID[string]).Draw(rt, label)
}

// alter draws new fields for a user. Fields without rules are drawn from few values.
func (m *accountModel) alter(rt *rapid.T, u *account.User) {
	u.Username = m.drawName(rt, "username")
	if u.Email = ""; rapid.Bool().Draw(rt, "with e-mail") {
		u.Email = m.drawName(rt, "e-mail")
	}
	u.Epoch = rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "epoch")
	u.IsActive = rapid.Bool().Draw(rt, "active")
	u.Groups = drawSet(rt, "groups", "g", "h", "i")
	u.UserPermissions = drawSet(rt, "permissions", "a.p", "a.q", "b.p")
}

// refusal returns the field that is taken, and whether all groups exist.
func (m *accountModel) refusal(u *account.User) (field string, known bool) {
	owners := map[string]string{}
	for _, other := range m.users {
		owners[account.CanonicalLogin(other.Username)] = other.ID
		if other.Email != "" {
			owners[account.CanonicalLogin(other.Email)] = other.ID
		}
	}
	if owner, there := owners[account.CanonicalLogin(u.Username)]; there && owner != u.ID {
		field = "username"
	} else if owner, there := owners[account.CanonicalLogin(u.Email)]; there && owner != u.ID && u.Email != "" {
		field = "email"
	}
	known = !slices.ContainsFunc(u.Groups, func(name string) bool { _, there := m.groups[name]; return !there })
	return field, known
}

// permitted reports whether the answer to a write of u is right, and whether the write was done.
func (m *accountModel) permitted(rt *rapid.T, u *account.User, err error) bool {
	field, known := m.refusal(u)
	switch {
	case field != "" && !known: // either may be found first
		if err == nil {
			rt.Fatal("was not refused")
		}
		return false
	case field != "":
		taken(rt, err, field)
		return false
	case !known:
		fails(rt, err, account.ErrNotFound)
		return false
	}
	ok(rt, err)
	return true
}

func (m *accountModel) create(rt *rapid.T) {
	u := &account.User{}
	m.alter(rt, u)
	err := m.make(rt, u)
	given := u.ID
	u.ID = ""
	if !m.permitted(rt, u, err) {
		return
	}
	if u.ID = given; slices.Contains(m.former, given) {
		rt.Fatalf("ID %q was given again", given)
	}
	m.users = append(m.users, m.whole(u))
}

// make creates a user by one of the two ways.
func (m *accountModel) make(rt *rapid.T, u *account.User) error {
	if rapid.Bool().Draw(rt, "in a step") {
		return m.store.Transact(m.context.Context(), func(tx account.Tx) error { return tx.Create(u) })
	}
	return m.store.Create(m.context.Context(), u)
}

// write changes a user by one of the two ways.
func (m *accountModel) write(rt *rapid.T, id string, change func(*account.User) error) (u *account.User, err error) {
	if !rapid.Bool().Draw(rt, "in a step") {
		return m.store.Change(m.context.Context(), id, change)
	}
	err = m.store.Transact(m.context.Context(), func(tx account.Tx) error {
		if u, err = tx.Load(id); err != nil {
			return err
		}
		if err := change(u); err != nil {
			return err
		}
		if err := tx.Change(u); err != nil {
			return err
		}
		u, err = tx.Load(id)
		return err
	})
	return u, err
}

func (m *accountModel) draw(rt *rapid.T) int {
	if len(m.users) == 0 {
		return -1
	}
	return rapid.IntRange(0, len(m.users)-1).Draw(rt, "user")
}

func (m *accountModel) change(rt *rapid.T) {
	n := m.draw(rt)
	if n < 0 {
		return
	}
	next := *m.users[n]
	m.alter(rt, &next)
	got, err := m.write(rt, next.ID, func(u *account.User) error {
		if !sameUser(u, m.whole(m.users[n])) {
			rt.Fatalf("change sees %+v, want %+v", *u, *m.users[n])
		}
		*u = next
		return nil
	})
	if !m.permitted(rt, &next, err) {
		return
	}
	if m.users[n] = m.whole(&next); !sameUser(got, m.users[n]) {
		rt.Fatalf("Change returned %+v, want %+v", *got, *m.users[n])
	}
}

func (m *accountModel) delete(rt *rapid.T) {
	n := m.draw(rt)
	if n < 0 {
		return
	}
	id := m.users[n].ID
	if rapid.Bool().Draw(rt, "in a step") {
		ok(rt, m.store.Transact(m.context.Context(), func(tx account.Tx) error { return tx.Delete(id) }))
	} else {
		ok(rt, m.store.Delete(m.context.Context(), id))
	}
	m.former = append(m.former, m.users[n].ID)
	m.users = slices.Delete(m.users, n, n+1)
}

func (m *accountModel) find(rt *rapid.T) {
	key := account.CanonicalLogin(m.drawName(rt, "name"))
	got, err := m.store.Find(m.context.Context(), key)
	for _, u := range m.users {
		if account.CanonicalLogin(u.Username) == key || u.Email != "" && account.CanonicalLogin(u.Email) == key {
			ok(rt, err)
			if !sameUser(got, m.whole(u)) {
				rt.Fatalf("found %+v, want %+v", *got, *u)
			}
			return
		}
	}
	fails(rt, err, account.ErrNotFound)
}

func (m *accountModel) setGroup(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"g", "h"}).Draw(rt, "group")
	permissions := drawSet(rt, "permissions", "a.p", "c.p", "c.q")
	ok(rt, m.store.SetGroup(m.context.Context(), account.Group{Name: name, Permissions: permissions}))
	m.groups[name] = sortedSet(permissions)
}

// createGroup creates a group in a transaction, or changes it if it exists.
func (m *accountModel) createGroup(rt *rapid.T) {
	g := account.Group{Name: rapid.SampledFrom([]string{"g", "h"}).Draw(rt, "group"), Permissions: drawSet(rt, "permissions", "a.p", "c.p", "c.q")}
	_, there := m.groups[g.Name]
	fresh := rapid.Bool().Draw(rt, "to be new")
	err := m.store.Transact(m.context.Context(), func(tx account.Tx) error {
		if fresh {
			return tx.CreateGroup(g)
		}
		return tx.ChangeGroup(g)
	})
	switch {
	case fresh && there:
		fails(rt, err, account.ErrGroupExists)
	case !fresh && !there:
		fails(rt, err, account.ErrNotFound)
	default:
		ok(rt, err)
		m.groups[g.Name] = sortedSet(g.Permissions)
	}
}

func (m *accountModel) deleteGroup(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"g", "h"}).Draw(rt, "group")
	err := m.store.DeleteGroup(m.context.Context(), name)
	if _, there := m.groups[name]; !there {
		fails(rt, err, account.ErrNotFound)
		return
	}
	ok(rt, err)
	delete(m.groups, name)
	for _, u := range m.users {
		u.Groups = slices.DeleteFunc(u.Groups, func(group string) bool { return group == name })
	}
}

// whole returns a copy of u as the store should return it now.
func (m *accountModel) whole(u *account.User) *account.User {
	next := *u
	next.Groups, next.UserPermissions = sortedSet(u.Groups), sortedSet(u.UserPermissions)
	all := slices.Clone(next.UserPermissions)
	for _, group := range next.Groups {
		all = append(all, m.groups[group]...)
	}
	next.Permissions = sortedSet(all)
	return &next
}

func sortedSet(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func (m *accountModel) compare(rt *rapid.T) {
	got, err := m.store.List(m.context.Context(), account.Query{})
	ok(rt, err)
	var want []*account.User
	for _, u := range m.users {
		want = append(want, m.whole(u))
	}
	if !slices.EqualFunc(got, want, sameUser) {
		rt.Fatalf("the store has %s, want %s", usernames(got), usernames(want))
	}
	groups, err := m.store.Groups(m.context.Context())
	ok(rt, err)
	names := slices.Sorted(maps.Keys(m.groups))
	if len(groups) != len(names) {
		rt.Fatalf("there are %d groups, want %d", len(groups), len(names))
	}
	for i, g := range groups {
		if g.Name != names[i] || !slices.Equal(g.Permissions, m.groups[g.Name]) {
			rt.Fatalf("a group is %+v, want %q with %q", g, names[i], m.groups[names[i]])
		}
	}
}
