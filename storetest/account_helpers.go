package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// user returns a user with something in every field that says nothing about others.
func user(name string) *account.User {
	return &account.User{
		Username: name, FirstName: "First", LastName: "Last", Password: "hash",
		IsActive: true, DateJoined: 1_000, LastLogin: 1_001, Epoch: "first",
	}
}

// enrolled stores a new user and returns it as it was given.
func enrolled(t testing.TB, s account.Store, u *account.User) *account.User {
	t.Helper()
	ok(t, s.Create(t.Context(), u))
	return u
}

// grouped stores a group.
func grouped(t testing.TB, s account.Store, name string, permissions ...string) {
	t.Helper()
	ok(t, s.SetGroup(t.Context(), account.Group{Name: name, Permissions: permissions}))
}

// sameUser reports whether two users are equal in every field; a list without names is like none.
func sameUser(a, b *account.User) bool {
	x, y := *a, *b
	x.Groups, x.UserPermissions, x.Permissions, y.Groups, y.UserPermissions, y.Permissions = nil, nil, nil, nil, nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.UserPermissions, b.UserPermissions) &&
		slices.Equal(a.Permissions, b.Permissions)
}

// has ends the test unless the store has exactly this user, under its ID and under the keys of its names.
func has(t testing.TB, s account.Store, want *account.User) {
	t.Helper()
	got, err := s.Load(t.Context(), want.ID)
	ok(t, err)
	if !sameUser(got, want) {
		t.Fatalf("loaded %+v\nwant   %+v", *got, *want)
	}
	for _, name := range []string{want.Username, want.Email} {
		if name == "" {
			continue
		}
		got, err := s.Find(t.Context(), account.CanonicalLogin(name))
		ok(t, err)
		if !sameUser(got, want) {
			t.Fatalf("found under %q %+v\nwant %+v", name, *got, *want)
		}
	}
}

// absent ends the test if a user has the name.
func absent(t testing.TB, s account.Store, name string) {
	t.Helper()
	u, err := s.Find(t.Context(), account.CanonicalLogin(name))
	if err == nil {
		t.Fatalf("%q is %+v", name, *u)
	}
	fails(t, err, account.ErrNotFound)
}

// taken ends the test unless err is a TakenError of this field.
func taken(t tb, err error, field string) {
	t.Helper()
	var e *account.TakenError
	if !errors.As(err, &e) || e.Field != field {
		t.Fatalf("error is %v, want: %s is taken", err, field)
	}
}

// alters changes a user and ends the test at an error.
func alters(t testing.TB, s account.Store, id string, change func(u *account.User)) *account.User {
	t.Helper()
	u, err := s.Change(t.Context(), id, func(u *account.User) error {
		change(u)
		return nil
	})
	ok(t, err)
	return u
}

// picks ends the test unless the query finds exactly the users with these names in this order.
func picks(t testing.TB, s account.Store, q account.Query, want ...string) {
	t.Helper()
	all, err := s.List(t.Context(), q)
	ok(t, err)
	var got []string
	for _, u := range all {
		got = append(got, u.Username)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v found %q, want %q", q, got, want)
	}
}

// crowd stores twelve users, u1 to u12.
func crowd(t testing.TB, s account.Store) []*account.User {
	t.Helper()
	var all []*account.User
	for n := range 12 {
		all = append(all, enrolled(t, s, user(fmt.Sprintf("u%d", n+1))))
	}
	return all
}
