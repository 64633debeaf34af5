package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/federation"
)

// grantOf is the n-th grant, with something in every field.
func grantOf(n int, user string) *federation.Grant {
	return &federation.Grant{
		Session: fmt.Sprint("session", n), Pending: true, User: user, Issuer: issuer, Box: []byte{0, 0xff, byte(n)},
		Version: 7, Lease: 1_000, Due: int64(2_000 + n), Ended: 3_000,
	}
}

// regranted returns a grant as a change makes it.
func regranted(g *federation.Grant, change func(g *federation.Grant)) *federation.Grant {
	c := *g
	c.Version++
	change(&c)
	return &c
}

// granted ends the test unless the grant is stored so.
func granted(t testing.TB, s federation.GrantStore, want *federation.Grant) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Session)
	ok(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("the grant is %+v\nwant        %+v", got, want)
	}
}

// sessionsOf ends the test unless these are the sessions of the grants, in this order.
func sessionsOf(t testing.TB, got []*federation.Grant, err error, want ...string) {
	t.Helper()
	ok(t, err)
	var sessions []string
	for _, g := range got {
		sessions = append(sessions, g.Session)
	}
	if !reflect.DeepEqual(sessions, want) {
		t.Fatalf("the grants of %q, want %q", sessions, want)
	}
}

var grantCases = []testCase[federation.GrantStore]{
	{
		"a grant is found as it was put, and put once", "Put: ErrGrantExists; Get: ErrNoGrant",
		func(t *testing.T, s federation.GrantStore) {
			whole := grantOf(1, "a\x00n\xffn")
			empty := &federation.Grant{Session: "s\x00\xff", Box: []byte{0}}
			ok(t, s.Put(t.Context(), whole))
			ok(t, s.Put(t.Context(), empty))
			granted(t, s, whole)
			granted(t, s, empty)
			fails(t, s.Put(t.Context(), grantOf(1, "bob")), federation.ErrGrantExists)
			granted(t, s, whole)
			_, err := s.Get(t.Context(), "SESSION1")
			fails(t, err, federation.ErrNoGrant)
		},
	},
	{
		"a grant is replaced if it is still the one that was read", "Swap: ErrGrantChanged",
		func(t *testing.T, s federation.GrantStore) {
			old := grantOf(1, "ann")
			fails(t, s.Swap(t.Context(), old, regranted(old, func(*federation.Grant) {})), federation.ErrGrantChanged)
			ok(t, s.Put(t.Context(), old))
			other := grantOf(2, "ann")
			ok(t, s.Put(t.Context(), other))
			next := &federation.Grant{Session: "session1", User: "bob", Issuer: "x", Box: []byte("new"), Version: 8, Lease: 1, Due: 2}
			ok(t, s.Swap(t.Context(), old, next))
			granted(t, s, next)
			granted(t, s, other)
			fails(t, s.Swap(t.Context(), old, regranted(old, func(g *federation.Grant) { g.Version = 9 })), federation.ErrGrantChanged)
			granted(t, s, next)
		},
	},
	{
		"a grant moves to another session, unless that has one", "Swap replaces a grant, also by one of another session",
		func(t *testing.T, s federation.GrantStore) {
			pending, taken := grantOf(1, "ann"), grantOf(2, "ann")
			ok(t, s.Put(t.Context(), pending))
			ok(t, s.Put(t.Context(), taken))
			fails(t, s.Swap(t.Context(), pending, regranted(pending, func(g *federation.Grant) { g.Session = "session2" })), federation.ErrGrantChanged)
			granted(t, s, pending)
			granted(t, s, taken)
			moved := regranted(pending, func(g *federation.Grant) { g.Session, g.Pending = "session3", false })
			ok(t, s.Swap(t.Context(), pending, moved))
			granted(t, s, moved)
			_, err := s.Get(t.Context(), pending.Session)
			fails(t, err, federation.ErrNoGrant)
		},
	},
	{
		"of many who change the same grant at once one succeeds", "Swap is one step",
		func(t *testing.T, s federation.GrantStore) {
			old := grantOf(1, "ann")
			ok(t, s.Put(t.Context(), old))
			var done atomic.Int32
			together(16, func(i int) {
				switch err := s.Swap(t.Context(), old, regranted(old, func(g *federation.Grant) { g.Lease = int64(i) })); {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, federation.ErrGrantChanged):
					t.Error(err)
				}
			})
			if done.Load() != 1 {
				t.Fatalf("changed %d times, want once", done.Load())
			}
		},
	},
	{
		"a grant is deleted if it is still the one that was read", "Delete: ErrGrantChanged",
		func(t *testing.T, s federation.GrantStore) {
			old := grantOf(1, "ann")
			ok(t, s.Put(t.Context(), old))
			ok(t, s.Put(t.Context(), grantOf(2, "ann")))
			next := regranted(old, func(*federation.Grant) {})
			ok(t, s.Swap(t.Context(), old, next))
			fails(t, s.Delete(t.Context(), old), federation.ErrGrantChanged)
			granted(t, s, next)
			ok(t, s.Delete(t.Context(), next))
			fails(t, s.Delete(t.Context(), next), federation.ErrGrantChanged)
			_, err := s.Get(t.Context(), next.Session)
			fails(t, err, federation.ErrNoGrant)
			granted(t, s, grantOf(2, "ann"))
		},
	},
	{
		"grants are listed by their sessions, and those that are due by their time", "List, Due",
		func(t *testing.T, s federation.GrantStore) {
			for _, n := range []int{3, 1, 2} {
				g := grantOf(n, "ann")
				g.Due = int64(2_010 - n)
				ok(t, s.Put(t.Context(), g))
			}
			ok(t, s.Put(t.Context(), grantOf(9, "bob")))
			list := func(user, after string, limit int) ([]*federation.Grant, error) {
				return s.List(t.Context(), user, after, limit)
			}
			got, err := list("", "", 9)
			sessionsOf(t, got, err, "session1", "session2", "session3", "session9")
			got, err = list("", "session1", 2)
			sessionsOf(t, got, err, "session2", "session3")
			got, err = list("ann", "session1", 9)
			sessionsOf(t, got, err, "session2", "session3")
			got, err = list("ann", "", 1)
			sessionsOf(t, got, err, "session1")
			for _, limit := range []int{0, -1} {
				got, err = list("ann", "", limit)
				sessionsOf(t, got, err)
			}
			got, err = list("eve", "", 9)
			sessionsOf(t, got, err)
			got, err = s.Due(t.Context(), 2_008, 9)
			sessionsOf(t, got, err, "session3", "session2")
			got, err = s.Due(t.Context(), 9_999, 3)
			sessionsOf(t, got, err, "session3", "session2", "session1")
			got, err = s.Due(t.Context(), 9_999, -1)
			sessionsOf(t, got, err)
			got, err = s.Due(t.Context(), 2_006, 9)
			sessionsOf(t, got, err)
		},
	},
	{
		"the grants passed and returned are the caller's own", "a GrantStore copies",
		func(t *testing.T, s federation.GrantStore) {
			g := grantOf(1, "ann")
			ok(t, s.Put(t.Context(), g))
			g.Box[0], g.User = 9, "x"
			granted(t, s, grantOf(1, "ann"))
			got, err := s.Get(t.Context(), "session1")
			ok(t, err)
			got.Box[0] = 9
			listed, err := s.List(t.Context(), "", "", 9)
			ok(t, err)
			listed[0].Box[0] = 9
			granted(t, s, grantOf(1, "ann"))
			next := regranted(grantOf(1, "ann"), func(*federation.Grant) {})
			ok(t, s.Swap(t.Context(), grantOf(1, "ann"), next))
			next.Box[0] = 9
			granted(t, s, regranted(grantOf(1, "ann"), func(*federation.Grant) {}))
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "each method is done whole or not at all",
		func(t *testing.T, s federation.GrantStore) {
			g := grantOf(1, "ann")
			ok(t, s.Put(t.Context(), g))
			for name, call := range map[string]func(ctx context.Context) error{
				"Put":    func(ctx context.Context) error { return s.Put(ctx, grantOf(2, "ann")) },
				"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "session1"); return err },
				"Swap":   func(ctx context.Context) error { return s.Swap(ctx, g, regranted(g, func(*federation.Grant) {})) },
				"Delete": func(ctx context.Context) error { return s.Delete(ctx, g) },
				"List":   func(ctx context.Context) error { _, err := s.List(ctx, "", "", 9); return err },
				"Due":    func(ctx context.Context) error { _, err := s.Due(ctx, 9_999, 9); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, federation.ErrNoGrant) || errors.Is(err, federation.ErrGrantExists) || errors.Is(err, federation.ErrGrantChanged) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			granted(t, s, g)
			got, err := s.List(t.Context(), "", "", 9)
			sessionsOf(t, got, err, "session1")
		},
	},
}

var grantPersistenceCases = []testCase[Stores]{
	{
		"a grant outlives the process", "a GrantStore keeps grants",
		func(t *testing.T, s Stores) {
			ok(t, s.Grants.Put(t.Context(), grantOf(1, "ann")))
			granted(t, s.Reopen(t).Grants, grantOf(1, "ann"))
		},
	},
}
