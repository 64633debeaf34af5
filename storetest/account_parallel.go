package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// eachAccountCall returns a call of every method of an account.Store that would change or read the user.
func eachAccountCall(s account.Store, u *account.User) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Create":           func(ctx context.Context) error { return s.Create(ctx, user("new")) },
		"CreateFirst":      func(ctx context.Context) error { return s.CreateFirst(ctx, user("new"), secret, 1_000) },
		"SetSetup":         func(ctx context.Context) error { return s.SetSetup(ctx, secret, 2_000) },
		"SetReset":         func(ctx context.Context) error { return s.SetReset(ctx, u.ID, otherSecret, 2_000) },
		"DeleteAllSecrets": func(ctx context.Context) error { _, err := s.DeleteAllSecrets(ctx); return err },
		"SpendReset": func(ctx context.Context) error {
			_, err := s.SpendReset(ctx, secret, 1_000, func(u *account.User) error { u.Epoch = "second"; return nil })
			return err
		},
		"Load": func(ctx context.Context) error { _, err := s.Load(ctx, u.ID); return err },
		"Find": func(ctx context.Context) error { _, err := s.Find(ctx, account.CanonicalLogin(u.Username)); return err },
		"Change": func(ctx context.Context) error {
			_, err := s.Change(ctx, u.ID, func(u *account.User) error { u.Epoch = "second"; return nil })
			return err
		},
		"Delete":      func(ctx context.Context) error { return s.Delete(ctx, u.ID) },
		"List":        func(ctx context.Context) error { _, err := s.List(ctx, account.Query{}); return err },
		"Groups":      func(ctx context.Context) error { _, err := s.Groups(ctx); return err },
		"Transact":    func(ctx context.Context) error { return s.Transact(ctx, func(account.Tx) error { return nil }) },
		"SetGroup":    func(ctx context.Context) error { return s.SetGroup(ctx, account.Group{Name: "staff"}) },
		"DeleteGroup": func(ctx context.Context) error { return s.DeleteGroup(ctx, "staff") },
	}
}

var accountContextCases = []testCase[account.Store]{
	{
		"a call whose context has ended returns an error and does nothing", "any other error is an outage; no step is taken halfway",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "staff", "app.see")
			u := user("ann")
			u.Groups = []string{"staff"}
			enrolled(t, s, u)
			u.Permissions = []string{"app.see"}
			ok(t, s.SetReset(t.Context(), u.ID, secret, 2_000))
			for name, call := range eachAccountCall(s, u) {
				err := call(ended())
				var e *account.TakenError
				if err == nil || errors.Is(err, account.ErrNotFound) || errors.Is(err, account.SpentErrors.Setup) ||
					errors.Is(err, account.SpentErrors.Reset) || errors.As(err, &e) {
					t.Errorf("%s returned %v", name, err)
				}
				has(t, s, u)
			}
			picks(t, s, account.Query{}, "ann")
			void(t, s, otherSecret, 1_000) // SetReset did nothing
			resets(t, s, secret, 1_000, u.ID)
			ok(t, s.Delete(t.Context(), u.ID))
			spent(t, s, secret, 1_000) // SetSetup did nothing
		},
	},
}

var accountParallelCases = []testCase[account.Store]{
	{
		"of 32 concurrent changes none is lost", "no other write to this user comes between",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			u.FirstName = "0"
			enrolled(t, s, u)
			other := enrolled(t, s, user("bob"))
			together(32, func(int) {
				_, err := s.Change(t.Context(), u.ID, func(u *account.User) error {
					n, err := strconv.Atoi(u.FirstName)
					u.FirstName = strconv.Itoa(n + 1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			u.FirstName = "32"
			has(t, s, u)
			has(t, s, other)
		},
	},
	{
		"of many concurrent claims to one name one succeeds", "no two users share a key",
		func(t *testing.T, s account.Store) {
			for round := range 5 {
				name := fmt.Sprintf("name%d", round)
				var won atomic.Int32
				together(12, func(i int) {
					u := user([]string{name, fmt.Sprintf("Name%d", round), fmt.Sprintf("u%d.%d", round, i)}[i%3])
					if i%3 == 2 {
						u.Email = name
					}
					var e *account.TakenError
					switch err := s.Create(t.Context(), u); {
					case err == nil:
						won.Add(1)
					case !errors.As(err, &e):
						t.Error(err)
					}
				})
				all, err := s.List(t.Context(), account.Query{})
				ok(t, err)
				if won.Load() != 1 || len(all) != round+1 {
					t.Fatalf("round %d: %d were created, %d are there", round, won.Load(), len(all))
				}
			}
		},
	},
	{
		"two users who swap names concurrently end up with one name each", "no two users share a key",
		func(t *testing.T, s account.Store) {
			users := []*account.User{enrolled(t, s, user("a")), enrolled(t, s, user("b"))}
			together(8, func(i int) {
				for round := range 6 {
					name := []string{"a", "b", "c"}[(i+round)%3]
					_, err := s.Change(t.Context(), users[i%2].ID, func(u *account.User) error { u.Username = name; return nil })
					var e *account.TakenError
					if err != nil && !errors.As(err, &e) {
						t.Error(err)
					}
				}
			})
			all, err := s.List(t.Context(), account.Query{})
			ok(t, err)
			if len(all) != 2 || all[0].Username == all[1].Username {
				t.Fatalf("there are %s", usernames(all))
			}
			for _, u := range all {
				has(t, s, u)
			}
		},
	},
	{
		"a change beside a deletion takes effect before it, or not at all", "Change and Delete take effect one after the other",
		func(t *testing.T, s account.Store) {
			for range 10 {
				u := enrolled(t, s, user("ann"))
				together(3, func(i int) {
					if i == 0 {
						if err := s.Delete(t.Context(), u.ID); err != nil {
							t.Error(err)
						}
						return
					}
					_, err := s.Change(t.Context(), u.ID, func(u *account.User) error { u.Email = "ann@example.org"; return nil })
					if err != nil && !errors.Is(err, account.ErrNotFound) {
						t.Error(err)
					}
				})
				absent(t, s, "ann")
				absent(t, s, "ann@example.org")
				picks(t, s, account.Query{})
			}
		},
	},
	{
		"a reader sees a user before or after a change, never in between", "Load is one step; Change is one step",
		func(t *testing.T, s account.Store) {
			grouped(t, s, "g0", "app.p0")
			grouped(t, s, "g1", "app.p1")
			u := user("ann")
			u.Epoch, u.Groups = "0", []string{"g0"}
			enrolled(t, s, u)
			together(4, func(i int) {
				for round := range 20 {
					if i == 0 {
						alter := func(u *account.User) error {
							u.Epoch = strconv.Itoa(round % 2)
							u.Groups, u.UserPermissions = []string{"g" + u.Epoch}, []string{"d" + u.Epoch}
							return nil
						}
						if _, err := s.Change(t.Context(), u.ID, alter); err != nil {
							t.Error(err)
						}
						continue
					}
					got, err := s.Load(t.Context(), u.ID)
					if err != nil {
						t.Error(err)
						return
					}
					torn := got.Groups[0] != "g"+got.Epoch || got.Permissions[0] != "app.p"+got.Epoch ||
						len(got.UserPermissions) == 1 && got.UserPermissions[0] != "d"+got.Epoch
					if torn {
						t.Errorf("torn: %+v", *got)
					}
				}
			})
		},
	},
}
