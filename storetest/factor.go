package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/factor"
)

// appFactor is the n-th factor: an authenticator app with something in every field that it has.
func appFactor(n int, user string) *factor.Factor {
	return &factor.Factor{
		ID: fmt.Sprint("factor", n), User: user, Kind: factor.TOTP, Name: "Phone", State: factor.Active, Epoch: "first",
		Created: 1_000, Used: 1_100, Counter: 33, Data: []byte{0, 1, 255},
	}
}

// keyFactor is the n-th factor: a passkey.
func keyFactor(n int, user string) *factor.Factor {
	f := appFactor(n, user)
	f.Kind, f.Credential, f.RPID = factor.Passkey, []byte(fmt.Sprint("\x00credential", n)), "app.example.com"
	return f
}

// hasProfile ends the test unless a user has exactly this.
func hasProfile(t testing.TB, s factor.Store, user string, want factor.Profile) {
	t.Helper()
	got, err := s.Load(t.Context(), user)
	ok(t, err)
	if !sameProfile(*got, want) {
		t.Fatalf("%s has %s\nwant %s", user, profileText(*got), profileText(want))
	}
}

func sameProfile(a, b factor.Profile) bool { return profileText(a) == profileText(b) }

func profileText(p factor.Profile) string {
	text := fmt.Sprintf("%d recovery codes, second step %v, handle %q, %d factors", p.RecoveryCodes, p.SecondStep, p.Handle, len(p.Factors))
	for _, f := range p.Factors {
		text += fmt.Sprintf("\n\t%+v", *f)
	}
	return text
}

func codeHash(n int) (hash [32]byte) {
	copy(hash[:], fmt.Sprint("code", n))
	return hash
}

func codeHashes(n int) (hashes [][32]byte) {
	for i := range n {
		hashes = append(hashes, codeHash(i))
	}
	return hashes
}

var factorCases = []testCase[factor.Store]{
	{
		"a user without factors has an empty profile", "Load: a user who has nothing stored is like one who doesn't exist",
		func(t *testing.T, s factor.Store) { hasProfile(t, s, "ann", factor.Profile{}) },
	},
	{
		"factors load as they were given, in the order in which they were added", "Add adds a factor; Load returns what a user has",
		func(t *testing.T, s factor.Store) {
			second, first := keyFactor(1, "ann"), appFactor(2, "ann")
			third := keyFactor(3, "ann")
			third.Kind, third.Name, third.State, third.Epoch = factor.SecurityKey, "a\x00b\xff", factor.Adding, "\xff\x00"
			third.Used, third.Counter, third.Data = 0, 0, []byte{}
			for _, f := range []*factor.Factor{first, second, third, keyFactor(4, "bob")} {
				ok(t, s.Add(t.Context(), f))
			}
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{first, second, third}})
			got, err := s.FindCredential(t.Context(), second.Credential)
			ok(t, err)
			if !reflect.DeepEqual(got, second) {
				t.Fatalf("found %+v, want %+v", got, second)
			}
			for _, missing := range [][]byte{nil, {}, []byte("other")} {
				_, err := s.FindCredential(t.Context(), missing)
				fails(t, err, factor.ErrNotFound)
			}
		},
	},
	{
		"Add refuses an ID, a credential and a second authenticator app", "Add: ErrExists",
		func(t *testing.T, s factor.Store) {
			app, key := appFactor(1, "ann"), keyFactor(2, "ann")
			ok(t, s.Add(t.Context(), app))
			ok(t, s.Add(t.Context(), key))
			ok(t, s.Add(t.Context(), appFactor(3, "bob")))
			sameID, sameCredential := keyFactor(9, "bob"), keyFactor(9, "bob")
			sameID.ID, sameCredential.Credential = app.ID, key.Credential
			for _, f := range []*factor.Factor{sameID, sameCredential, appFactor(4, "ann")} {
				fails(t, s.Add(t.Context(), f), factor.ErrExists)
			}
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{app, key}})
			hasProfile(t, s, "bob", factor.Profile{Factors: []*factor.Factor{appFactor(3, "bob")}})
		},
	},
	{
		"of many who add one credential at once one succeeds", "Add is one step",
		func(t *testing.T, s factor.Store) {
			var added atomic.Int32
			together(8, func(i int) {
				f := keyFactor(i, fmt.Sprint("user", i))
				f.Credential = []byte("the same")
				switch err := s.Add(t.Context(), f); {
				case err == nil:
					added.Add(1)
				case !errors.Is(err, factor.ErrExists):
					t.Error(err)
				}
			})
			if added.Load() != 1 {
				t.Fatalf("%d were added, want 1", added.Load())
			}
		},
	},
	{
		"SetState changes only a factor that is in the expected state", "SetState: ErrNotFound if no factor with this ID is in the state from",
		func(t *testing.T, s factor.Store) {
			f := appFactor(1, "ann")
			f.State = factor.Adding
			ok(t, s.Add(t.Context(), f))
			fails(t, s.SetState(t.Context(), f.ID, factor.Active, factor.Removing, "second"), factor.ErrNotFound)
			fails(t, s.SetState(t.Context(), "other", factor.Adding, factor.Active, "second"), factor.ErrNotFound)
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
			ok(t, s.SetState(t.Context(), f.ID, factor.Adding, factor.Active, "second"))
			f.State, f.Epoch = factor.Active, "second"
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
		},
	},
	{
		"a use keeps the greater counter and time", "Use: Used and Counter become the greater of the stored and the given value",
		func(t *testing.T, s factor.Store) {
			f := keyFactor(1, "ann")
			ok(t, s.Add(t.Context(), f))
			ok(t, s.Use(t.Context(), f.ID, factor.LastUse{At: 900, Counter: 7}))
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
			ok(t, s.Use(t.Context(), f.ID, factor.LastUse{At: 1_200, Counter: 34, Data: []byte("new")}))
			f.Used, f.Counter, f.Data = 1_200, 34, []byte("new")
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
			fails(t, s.Use(t.Context(), "other", factor.LastUse{At: 1, Counter: 99}), factor.ErrNotFound)
		},
	},
	{
		"a use that counts once needs a greater counter", "Use: ErrUsed if u.Once is set and u.Counter isn't greater",
		func(t *testing.T, s factor.Store) {
			f := appFactor(1, "ann")
			ok(t, s.Add(t.Context(), f))
			for _, step := range []int64{32, 33} {
				fails(t, s.Use(t.Context(), f.ID, factor.LastUse{At: 2_000, Counter: step, Once: true, Data: []byte("x")}), factor.ErrUsed)
			}
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
			fails(t, s.Use(t.Context(), "other", factor.LastUse{Counter: 99, Once: true}), factor.ErrNotFound)
			ok(t, s.Use(t.Context(), f.ID, factor.LastUse{At: 2_000, Counter: 34, Once: true}))
			f.Used, f.Counter = 2_000, 34
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
		},
	},
	{
		"of many uses of one code at once one counts", "Use is one step",
		func(t *testing.T, s factor.Store) {
			f := appFactor(1, "ann")
			ok(t, s.Add(t.Context(), f))
			var counted atomic.Int32
			together(16, func(int) {
				switch err := s.Use(t.Context(), f.ID, factor.LastUse{At: 2_000, Counter: 40, Once: true}); {
				case err == nil:
					counted.Add(1)
				case !errors.Is(err, factor.ErrUsed):
					t.Error(err)
				}
			})
			if counted.Load() != 1 {
				t.Fatalf("the code counted %d times, want 1", counted.Load())
			}
		},
	},
	{
		"a factor is renamed and deleted", "Rename sets the name; Delete deletes; it is no error if there is none",
		func(t *testing.T, s factor.Store) {
			first, second := keyFactor(1, "ann"), keyFactor(2, "ann")
			ok(t, s.Add(t.Context(), first))
			ok(t, s.Add(t.Context(), second))
			ok(t, s.Rename(t.Context(), first.ID, "Laptop"))
			fails(t, s.Rename(t.Context(), "other", "Laptop"), factor.ErrNotFound)
			first.Name = "Laptop"
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{first, second}})
			for range 2 {
				ok(t, s.Delete(t.Context(), first.ID))
				hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{second}})
			}
			ok(t, s.Add(t.Context(), first)) // its credential is free again
		},
	},
	{
		"factors of a kind are listed page by page", "List returns at most limit factors of a kind, in the order of their IDs",
		func(t *testing.T, s factor.Store) {
			var want []string
			for n := range 5 {
				ok(t, s.Add(t.Context(), appFactor(n, fmt.Sprint("user", 9-n))))
				ok(t, s.Add(t.Context(), keyFactor(n+5, fmt.Sprint("user", 9-n))))
				want = append(want, fmt.Sprint("factor", n))
			}
			var got []string
			for after := ""; ; {
				page, err := s.List(t.Context(), factor.TOTP, after, 2)
				ok(t, err)
				if len(page) == 0 {
					break
				}
				for _, f := range page {
					if !reflect.DeepEqual(f, appFactor(len(got), fmt.Sprint("user", 9-len(got)))) {
						t.Fatalf("listed %+v as number %d", f, len(got))
					}
					got, after = append(got, f.ID), f.ID
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("listed %q, want %q", got, want)
			}
		},
	},
	{
		"the data of a factor is replaced only if it still is what it was", "ReplaceData replaces the Data if it still is old",
		func(t *testing.T, s factor.Store) {
			f := appFactor(1, "ann")
			ok(t, s.Add(t.Context(), f))
			replace := func(id, old, new string, want bool) {
				t.Helper()
				replaced, err := s.ReplaceData(t.Context(), id, []byte(old), []byte(new))
				ok(t, err)
				if replaced != want {
					t.Fatalf("replaced: %t, want %t", replaced, want)
				}
			}
			replace(f.ID, "other", "new", false)
			replace("other", string(f.Data), "new", false)
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
			replace(f.ID, string(f.Data), "new\x00", true)
			f.Data = []byte("new\x00")
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{f}})
		},
	},
	{
		"recovery codes are replaced as a whole, and each is spent once", "SetRecoveryCodes replaces all; SpendRecoveryCode: ErrUsed",
		func(t *testing.T, s factor.Store) {
			_, err := s.SpendRecoveryCode(t.Context(), "ann", codeHash(1))
			fails(t, err, factor.ErrUsed)
			ok(t, s.SetRecoveryCodes(t.Context(), "ann", codeHashes(10)))
			ok(t, s.SetRecoveryCodes(t.Context(), "bob", codeHashes(2)))
			left, err := s.SpendRecoveryCode(t.Context(), "ann", codeHash(3))
			ok(t, err)
			if left != 9 {
				t.Fatalf("%d codes are left, want 9", left)
			}
			_, err = s.SpendRecoveryCode(t.Context(), "ann", codeHash(3))
			fails(t, err, factor.ErrUsed)
			hasProfile(t, s, "ann", factor.Profile{RecoveryCodes: 9})
			hasProfile(t, s, "bob", factor.Profile{RecoveryCodes: 2})
			ok(t, s.SetRecoveryCodes(t.Context(), "ann", [][32]byte{codeHash(20)}))
			_, err = s.SpendRecoveryCode(t.Context(), "ann", codeHash(4))
			fails(t, err, factor.ErrUsed)
			ok(t, s.SetRecoveryCodes(t.Context(), "ann", nil))
			hasProfile(t, s, "ann", factor.Profile{})
		},
	},
	{
		"of many uses of one recovery code at once one counts", "SpendRecoveryCode is one step",
		func(t *testing.T, s factor.Store) {
			ok(t, s.SetRecoveryCodes(t.Context(), "ann", codeHashes(3)))
			var counted atomic.Int32
			together(16, func(int) {
				switch left, err := s.SpendRecoveryCode(t.Context(), "ann", codeHash(1)); {
				case err == nil && left == 2:
					counted.Add(1)
				case !errors.Is(err, factor.ErrUsed):
					t.Errorf("%d are left, %v", left, err)
				}
			})
			if counted.Load() != 1 {
				t.Fatalf("the code counted %d times, want 1", counted.Load())
			}
		},
	},
	{
		"a user has one handle, and a handle has one user", "AddHandle stores a handle unless the user has one",
		func(t *testing.T, s factor.Store) {
			for _, given := range []string{"\x00first", "second"} {
				got, err := s.AddHandle(t.Context(), "ann", []byte(given))
				ok(t, err)
				if string(got) != "\x00first" {
					t.Fatalf("the handle is %q, want the first", got)
				}
			}
			_, err := s.AddHandle(t.Context(), "bob", []byte("\x00first"))
			fails(t, err, factor.ErrExists)
			user, err := s.FindHandle(t.Context(), []byte("\x00first"))
			ok(t, err)
			if user != "ann" {
				t.Fatalf("the handle is that of %q, want ann", user)
			}
			for _, missing := range [][]byte{nil, []byte("second")} {
				_, err = s.FindHandle(t.Context(), missing)
				fails(t, err, factor.ErrNotFound)
			}
			hasProfile(t, s, "ann", factor.Profile{Handle: []byte("\x00first")})
			hasProfile(t, s, "bob", factor.Profile{})
		},
	},
	{
		"the second step is switched on and off, and leaves the handle", "SetSecondStep sets whether the user wants a second step",
		func(t *testing.T, s factor.Store) {
			ok(t, s.SetSecondStep(t.Context(), "ann", true))
			hasProfile(t, s, "ann", factor.Profile{SecondStep: true})
			_, err := s.AddHandle(t.Context(), "ann", []byte("handle"))
			ok(t, err)
			hasProfile(t, s, "ann", factor.Profile{SecondStep: true, Handle: []byte("handle")})
			ok(t, s.SetSecondStep(t.Context(), "ann", false))
			hasProfile(t, s, "ann", factor.Profile{Handle: []byte("handle")})
		},
	},
	{
		"DeleteUser deletes everything of one user", "DeleteUser deletes factors, recovery codes, the handle and SecondStep",
		func(t *testing.T, s factor.Store) {
			for _, user := range []string{"ann", "bob"} {
				ok(t, s.Add(t.Context(), appFactor(len(user)+int(user[0]), user)))
				ok(t, s.SetRecoveryCodes(t.Context(), user, codeHashes(3)))
				ok(t, s.SetSecondStep(t.Context(), user, true))
				_, err := s.AddHandle(t.Context(), user, []byte(user))
				ok(t, err)
			}
			bob, err := s.Load(t.Context(), "bob")
			ok(t, err)
			for _, want := range []int{1, 0} {
				n, err := s.DeleteUser(t.Context(), "ann")
				ok(t, err)
				if n != want {
					t.Fatalf("deleted %d factors, want %d", n, want)
				}
			}
			hasProfile(t, s, "ann", factor.Profile{})
			hasProfile(t, s, "bob", *bob)
		},
	},
	{
		"what is passed and returned is the caller's own", "a Store copies",
		func(t *testing.T, s factor.Store) {
			f, want := keyFactor(1, "ann"), keyFactor(1, "ann")
			ok(t, s.Add(t.Context(), f))
			handle, err := s.AddHandle(t.Context(), "ann", []byte("handle"))
			ok(t, err)
			loaded, err := s.Load(t.Context(), "ann")
			ok(t, err)
			found, err := s.FindCredential(t.Context(), want.Credential)
			ok(t, err)
			for _, b := range [][]byte{f.Data, f.Credential, handle, loaded.Handle, loaded.Factors[0].Data, loaded.Factors[0].Credential, found.Data, found.Credential} {
				b[0] = 'x'
			}
			f.Name, loaded.Factors[0].Name, found.Name = "x", "x", "x"
			hasProfile(t, s, "ann", factor.Profile{Factors: []*factor.Factor{want}, Handle: []byte("handle")})
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "each method is done whole or not at all",
		func(t *testing.T, s factor.Store) {
			ok(t, s.Add(t.Context(), appFactor(1, "ann")))
			ok(t, s.SetRecoveryCodes(t.Context(), "ann", codeHashes(1)))
			before, err := s.Load(t.Context(), "ann")
			ok(t, err)
			for name, call := range map[string]func(ctx context.Context) error{
				"Load":           func(ctx context.Context) error { _, err := s.Load(ctx, "ann"); return err },
				"FindCredential": func(ctx context.Context) error { _, err := s.FindCredential(ctx, []byte("x")); return err },
				"Add":            func(ctx context.Context) error { return s.Add(ctx, keyFactor(2, "ann")) },
				"SetState": func(ctx context.Context) error {
					return s.SetState(ctx, "factor1", factor.Active, factor.Removing, "x")
				},
				"Use":      func(ctx context.Context) error { return s.Use(ctx, "factor1", factor.LastUse{At: 9_000, Counter: 99}) },
				"Use once": func(ctx context.Context) error { return s.Use(ctx, "factor1", factor.LastUse{Counter: 99, Once: true}) },
				"Rename":   func(ctx context.Context) error { return s.Rename(ctx, "factor1", "x") },
				"Delete":   func(ctx context.Context) error { return s.Delete(ctx, "factor1") },
				"List":     func(ctx context.Context) error { _, err := s.List(ctx, factor.TOTP, "", 9); return err },
				"ReplaceData": func(ctx context.Context) error {
					_, err := s.ReplaceData(ctx, "factor1", []byte{0, 1, 255}, nil)
					return err
				},
				"DeleteUser":        func(ctx context.Context) error { _, err := s.DeleteUser(ctx, "ann"); return err },
				"SetRecoveryCodes":  func(ctx context.Context) error { return s.SetRecoveryCodes(ctx, "ann", nil) },
				"SpendRecoveryCode": func(ctx context.Context) error { _, err := s.SpendRecoveryCode(ctx, "ann", codeHash(0)); return err },
				"AddHandle":         func(ctx context.Context) error { _, err := s.AddHandle(ctx, "ann", []byte("x")); return err },
				"FindHandle":        func(ctx context.Context) error { _, err := s.FindHandle(ctx, []byte("x")); return err },
				"SetSecondStep":     func(ctx context.Context) error { return s.SetSecondStep(ctx, "ann", true) },
			} {
				if err := call(ended()); err == nil || errors.Is(err, factor.ErrNotFound) || errors.Is(err, factor.ErrUsed) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			hasProfile(t, s, "ann", *before)
		},
	},
}
