package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/signin"
)

// pendingSignin is the n-th pending sign-in, with something in every field.
func pendingSignin(n int, user string) *signin.Pending {
	return &signin.Pending{
		ID: signin.ID(id(n)), Kind: signin.SecondStep,
		Proof:    signin.Proof{User: user, Epoch: "first", Methods: []signin.Method{signin.Password, signin.UserPresent}, FirstAt: 1_000, SecondAt: 1_001},
		Remember: true, App: true, Device: "3.first", Address: "192.0.2.1", Created: 1_000, Expires: 1_600, Tries: 2, Data: []byte{0, 1, 255},
	}
}

// waits ends the test unless the store has exactly this pending sign-in.
func waits(t testing.TB, s signin.Store, want *signin.Pending) {
	t.Helper()
	got, err := s.Load(t.Context(), want.ID)
	ok(t, err)
	if len(got.Data) == 0 {
		got.Data = want.Data // nil and empty are the same
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("loaded %+v\nwant   %+v", got, want)
	}
}

// spentSignin ends the test if the store has the n-th pending sign-in.
func spentSignin(t testing.TB, s signin.Store, n int) {
	t.Helper()
	_, err := s.Load(t.Context(), signin.ID(id(n)))
	fails(t, err, signin.ErrNotFound)
}

var signinCases = []testCase[signin.Store]{
	{
		"a pending sign-in loads as it was given", "Create adds a pending sign-in; Load returns it",
		func(t *testing.T, s signin.Store) {
			first, second := pendingSignin(1, "ann"), pendingSignin(2, "a\x00n\xffn")
			second.Kind, second.Methods, second.Remember, second.App, second.Device, second.Address = signin.Enrolment, nil, false, false, "", ""
			second.SecondAt, second.Tries, second.Data = 0, 0, nil
			ok(t, s.Create(t.Context(), first, 5))
			ok(t, s.Create(t.Context(), second, 5))
			waits(t, s, first)
			waits(t, s, second)
			spentSignin(t, s, 3)
		},
	},
	{
		"Create refuses an ID that is stored, and changes nothing", "Create: ErrExists",
		func(t *testing.T, s signin.Store) {
			first, other := pendingSignin(1, "ann"), pendingSignin(2, "ann")
			ok(t, s.Create(t.Context(), first, 5))
			ok(t, s.Create(t.Context(), other, 5))
			fails(t, s.Create(t.Context(), pendingSignin(1, "bob"), 1), signin.ErrExists)
			fails(t, s.Create(t.Context(), pendingSignin(1, "ann"), 1), signin.ErrExists)
			waits(t, s, first)
			waits(t, s, other)
		},
	},
	{
		"beyond the limit the oldest of the user are deleted", "Create: the oldest that have not expired are deleted",
		func(t *testing.T, s signin.Store) {
			other, expired := pendingSignin(90, "bob"), pendingSignin(91, "ann")
			expired.Expires = 1_000
			ok(t, s.Create(t.Context(), other, 5))
			ok(t, s.Create(t.Context(), expired, 5))
			for n := range 5 {
				ok(t, s.Create(t.Context(), pendingSignin(9-n, "ann"), 3))
			}
			for _, n := range []int{9, 8} {
				spentSignin(t, s, n)
			}
			for _, n := range []int{7, 6, 5} {
				waits(t, s, pendingSignin(n, "ann"))
			}
			waits(t, s, other)
			waits(t, s, expired)
		},
	},
	{
		"a store that counts pending sign-ins counts those of users that end later", "CountLive returns how many have not expired by now",
		func(t *testing.T, s signin.Store) {
			for n := range 5 {
				p := pendingSignin(n, "ann")
				p.Expires = int64(1_600 + n)
				ok(t, s.Create(t.Context(), p, 5))
			}
			code := pendingSignin(9, "")
			code.Kind = signin.Code
			ok(t, s.Create(t.Context(), code, 5))
			countsLive(t, s, 1_599, 5)
			countsLive(t, s, 1_602, 2)
			ok(t, s.Spend(t.Context(), signin.ID(id(4))))
			countsLive(t, s, 1_602, 1)
			countsLive(t, s, 1_604, 0)
		},
	},
	{
		"of many at once no more stay than the limit", "Create is one step",
		func(t *testing.T, s signin.Store) {
			together(12, func(i int) {
				if err := s.Create(t.Context(), pendingSignin(i, "ann"), 3); err != nil {
					t.Error(err)
				}
			})
			n, err := s.DeleteUser(t.Context(), "ann")
			ok(t, err)
			if n != 3 {
				t.Fatalf("%d are there, want 3", n)
			}
		},
	},
	{
		"wrong tries are counted, also at once", "Fail adds one to the Tries and returns their number",
		func(t *testing.T, s signin.Store) {
			p := pendingSignin(1, "ann")
			p.Tries = 0
			ok(t, s.Create(t.Context(), p, 5))
			var seen [17]atomic.Int32
			together(16, func(int) {
				tries, err := s.Fail(t.Context(), p.ID)
				if err != nil || tries < 1 || tries > 16 {
					t.Errorf("Fail = %d, %v; want a number from 1 to 16", tries, err)
					return
				}
				seen[tries].Add(1)
			})
			for tries := 1; tries <= 16; tries++ {
				if seen[tries].Load() != 1 {
					t.Errorf("%d calls returned %d, want one", seen[tries].Load(), tries)
				}
			}
			p.Tries = 16
			waits(t, s, p)
			_, err := s.Fail(t.Context(), signin.ID(id(2)))
			fails(t, err, signin.ErrNotFound)
		},
	},
	{
		"a pending sign-in is spent once", "Spend: of several calls at the same time one succeeds",
		func(t *testing.T, s signin.Store) {
			p := pendingSignin(1, "ann")
			ok(t, s.Create(t.Context(), p, 5))
			ok(t, s.Create(t.Context(), pendingSignin(2, "ann"), 5))
			var spent atomic.Int32
			together(16, func(int) {
				switch err := s.Spend(t.Context(), p.ID); {
				case err == nil:
					spent.Add(1)
				case !errors.Is(err, signin.ErrNotFound):
					t.Error(err)
				}
			})
			if spent.Load() != 1 {
				t.Fatalf("spent %d times, want once", spent.Load())
			}
			spentSignin(t, s, 1)
			waits(t, s, pendingSignin(2, "ann"))
		},
	},
	{
		"a mark is set once", "MarkSpent: ErrSpent if there is a mark already",
		func(t *testing.T, s signin.Store) {
			var set atomic.Int32
			together(16, func(int) {
				switch err := s.MarkSpent(t.Context(), codeHash(1), 2_000); {
				case err == nil:
					set.Add(1)
				case !errors.Is(err, signin.ErrSpent):
					t.Error(err)
				}
			})
			if set.Load() != 1 {
				t.Fatalf("set %d times, want once", set.Load())
			}
			ok(t, s.MarkSpent(t.Context(), codeHash(2), 2_000))
		},
	},
	{
		"DeleteUser deletes the pending sign-ins of one user", "DeleteUser returns how many there were",
		func(t *testing.T, s signin.Store) {
			ok(t, s.Create(t.Context(), pendingSignin(1, "ann"), 5))
			ok(t, s.Create(t.Context(), pendingSignin(2, "ann"), 5))
			ok(t, s.Create(t.Context(), pendingSignin(3, "bob"), 5))
			for _, want := range []int{2, 0} {
				n, err := s.DeleteUser(t.Context(), "ann")
				ok(t, err)
				if n != want {
					t.Fatalf("deleted %d, want %d", n, want)
				}
			}
			spentSignin(t, s, 1)
			waits(t, s, pendingSignin(3, "bob"))
		},
	},
	{
		"what has expired is deleted, and no more than the limit at a time", "DeleteExpired deletes at most limit",
		func(t *testing.T, s signin.Store) {
			for n := range 5 {
				p := pendingSignin(n, fmt.Sprint("user", n))
				p.Expires = int64(1_001 + n)
				ok(t, s.Create(t.Context(), p, 5))
				ok(t, s.MarkSpent(t.Context(), codeHash(n), int64(1_001+n)))
			}
			deletes := func(now int64, limit, want int) {
				t.Helper()
				n, err := s.DeleteExpired(t.Context(), now, limit)
				ok(t, err)
				if n != want {
					t.Fatalf("at %d with the limit %d: deleted %d, want %d", now, limit, n, want)
				}
			}
			deletes(1_000, 100, 0)
			deletes(1_003, 0, 0)
			deletes(1_003, -1, 0)
			deletes(1_003, 4, 4)
			deletes(1_003, 4, 2)
			deletes(1_003, 4, 0)
			spentSignin(t, s, 2)
			_, err := s.Load(t.Context(), signin.ID(id(3)))
			ok(t, err)
			ok(t, s.MarkSpent(t.Context(), codeHash(2), 3_000))
			fails(t, s.MarkSpent(t.Context(), codeHash(3), 3_000), signin.ErrSpent)
		},
	},
	{
		"the records passed and returned are the caller's own", "a Store copies",
		func(t *testing.T, s signin.Store) {
			p := pendingSignin(1, "ann")
			ok(t, s.Create(t.Context(), p, 5))
			p.Data[0], p.Methods[0] = 'x', "x"
			got, err := s.Load(t.Context(), p.ID)
			ok(t, err)
			got.Data[0], got.Methods[0] = 'y', "y"
			waits(t, s, pendingSignin(1, "ann"))
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "each method is done whole or not at all",
		func(t *testing.T, s signin.Store) {
			p := pendingSignin(1, "ann")
			ok(t, s.Create(t.Context(), p, 5))
			for name, call := range map[string]func(ctx context.Context) error{
				"Create":        func(ctx context.Context) error { return s.Create(ctx, pendingSignin(2, "ann"), 1) },
				"Load":          func(ctx context.Context) error { _, err := s.Load(ctx, p.ID); return err },
				"Fail":          func(ctx context.Context) error { _, err := s.Fail(ctx, p.ID); return err },
				"Spend":         func(ctx context.Context) error { return s.Spend(ctx, p.ID) },
				"MarkSpent":     func(ctx context.Context) error { return s.MarkSpent(ctx, codeHash(1), 2_000) },
				"DeleteUser":    func(ctx context.Context) error { _, err := s.DeleteUser(ctx, "ann"); return err },
				"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, 9_000, 9); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, signin.ErrNotFound) || errors.Is(err, signin.ErrSpent) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			waits(t, s, p)
			ok(t, s.MarkSpent(t.Context(), codeHash(1), 2_000))
		},
	},
}
