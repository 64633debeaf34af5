package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
)

// joinedView reads a session and its user in one step.
type joinedView = func(context.Context, session.ID) (*session.Record, *account.User, error)

// reading returns what reads sessions of the stores together with their users; nil if they can't do that.
func reading(sessions session.Store, accounts account.Store) joinedView {
	s, ok := sessions.(interface {
		JoinedView(account.Store) joinedView
	})
	if !ok {
		return nil
	}
	return s.JoinedView(accounts)
}

// JoinedView runs the cases of sessions that are read together with their users. open returns empty stores, whose Sessions have
// the method JoinedView.
func JoinedView(t *testing.T, open func(t *testing.T) store.Set) {
	run(t, open, togetherCases)
}

var togetherCases = []testCase[store.Set]{
	{
		"a session and its user are what both loads return", "JoinedView: the session and its user",
		func(t *testing.T, s store.Set) {
			grouped(t, s.Accounts, "staff", "app.see", "app.do")
			plain, rich := enrolled(t, s.Accounts, user("ann")), user("bob")
			rich.Groups, rich.UserPermissions = []string{"staff"}, []string{"app.more"}
			enrolled(t, s.Accounts, rich)
			for n, u := range []*account.User{plain, rich, plain} {
				readsBoth(t, s, created(t, s.Sessions, n+1, u.ID), true)
			}
		},
	},
	{
		"a change of the user is seen by the next read", "JoinedView: as of the call",
		func(t *testing.T, s store.Set) {
			u := enrolled(t, s.Accounts, user("ann"))
			r := created(t, s.Sessions, 1, u.ID)
			readsBoth(t, s, r, true)
			alters(t, s.Accounts, u.ID, func(u *account.User) { u.IsActive, u.Epoch = false, "second" })
			readsBoth(t, s, r, true)
			ok(t, s.Accounts.Delete(t.Context(), u.ID))
			readsBoth(t, s, r, false)
		},
	},
	{
		"groups and permissions come and go between reads", "JoinedView: as of the call",
		func(t *testing.T, s store.Set) {
			grouped(t, s.Accounts, "staff", "app.see", "app.do")
			u := enrolled(t, s.Accounts, user("ann"))
			r := created(t, s.Sessions, 1, u.ID)
			rights := func(groups, own, want []string) {
				t.Helper()
				alters(t, s.Accounts, u.ID, func(u *account.User) { u.Groups, u.UserPermissions = groups, own })
				for range 2 {
					readsBoth(t, s, r, true)
					_, got, err := reading(s.Sessions, s.Accounts)(t.Context(), r.ID)
					ok(t, err)
					if !slices.Equal(got.Groups, groups) || !slices.Equal(got.UserPermissions, own) || !slices.Equal(got.Permissions, want) {
						t.Fatalf("read the groups %q, the user's own permissions %q and all %q", got.Groups, got.UserPermissions, got.Permissions)
					}
				}
			}
			for range 2 {
				rights(nil, nil, nil)
				rights([]string{"staff"}, nil, []string{"app.do", "app.see"})
				rights(nil, []string{"app.more"}, []string{"app.more"})
			}
			grouped(t, s.Accounts, "guests")
			rights([]string{"guests"}, nil, nil)
			rights(nil, nil, nil)
		},
	},
	{
		"a user's ID counts only as it was given", "JoinedView: no user if there is none",
		func(t *testing.T, s store.Set) {
			id := enrolled(t, s.Accounts, user("ann")).ID
			for n, other := range []string{
				"0" + id, "+" + id, " " + id, id + " ", id + "x", id + ".0", id + "\x00", "x", "", "\xff", "-1", "é",
				"9223372036854775807", "9223372036854775808", "99999999999999999999999999",
			} {
				readsBoth(t, s, created(t, s.Sessions, n+1, other), false)
			}
		},
	},
	{
		"a session that doesn't exist is not found", "JoinedView: session.ErrNotFound",
		func(t *testing.T, s store.Set) {
			r := created(t, s.Sessions, 1, enrolled(t, s.Accounts, user("ann")).ID)
			_, _, err := reading(s.Sessions, s.Accounts)(t.Context(), id(2))
			fails(t, err, session.ErrNotFound)
			ok(t, s.Sessions.Delete(t.Context(), r.ID))
			_, _, err = reading(s.Sessions, s.Accounts)(t.Context(), r.ID)
			fails(t, err, session.ErrNotFound)
		},
	},
	{
		"reads at the same time each get their own", "JoinedView: the session and its user",
		func(t *testing.T, s store.Set) {
			grouped(t, s.Accounts, "staff", "app.see")
			var sessions []*session.Record
			for n, login := range []string{"ann", "bob", "cid"} {
				u := user(login)
				if n == 1 {
					u.Groups = []string{"staff"}
				}
				enrolled(t, s.Accounts, u)
				sessions = append(sessions, created(t, s.Sessions, 2*n+1, u.ID), created(t, s.Sessions, 2*n+2, u.ID))
			}
			absent := id(100)
			read := reading(s.Sessions, s.Accounts)
			var group sync.WaitGroup
			for i := range 90 {
				group.Go(func() {
					if i%9 == 0 {
						if _, _, err := read(t.Context(), absent); !errors.Is(err, session.ErrNotFound) {
							t.Errorf("a session that doesn't exist: %v", err)
						}
						return
					}
					want := sessions[i%len(sessions)]
					r, u, err := read(t.Context(), want.ID)
					if err != nil || !same(r, want) || u == nil || u.ID != want.User || slices.Contains(u.Groups, "staff") != (u.Username == "bob") {
						t.Errorf("read %+v, %+v, %v\nwant %+v", r, u, err, want)
						return
					}
					r.User, u.Username = "altered", "altered" // they are the caller's own
				})
			}
			group.Wait()
		},
	},
	{
		"a context that has ended is an outage", "JoinedView: the context",
		func(t *testing.T, s store.Set) {
			r := created(t, s.Sessions, 1, enrolled(t, s.Accounts, user("ann")).ID)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, err := reading(s.Sessions, s.Accounts)(ctx, r.ID); err == nil || errors.Is(err, session.ErrNotFound) {
				t.Fatalf("got %v, want an outage", err)
			}
		},
	},
	{
		"users of another store are not read", "JoinedView: nil for accounts of another store",
		func(t *testing.T, s store.Set) {
			if reading(s.Sessions, struct{ account.Store }{s.Accounts}) != nil {
				t.Fatal("it reads users past the store that was given")
			}
		},
	},
}

// readsBoth ends the test unless the session is read, and with it its user if there is one.
func readsBoth(t testing.TB, s store.Set, want *session.Record, hasUser bool) {
	t.Helper()
	r, u, err := reading(s.Sessions, s.Accounts)(t.Context(), want.ID)
	ok(t, err)
	if !same(r, want) {
		t.Fatalf("read %+v\nwant %+v", r, want)
	}
	loaded, err := s.Accounts.Load(t.Context(), want.User)
	switch {
	case !hasUser && u != nil:
		t.Fatalf("read the user %+v of a session of %q", u, want.User)
	case !hasUser:
		fails(t, err, account.ErrNotFound)
	case err != nil || u == nil || !sameUser(u, loaded):
		t.Fatalf("read %+v\nwant %+v (%v)", u, loaded, err)
	}
}
