package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"
)

// holds ends the test unless the store has exactly these secrets in this order.
func holds(t testing.TB, s sealed.Store, want ...sealed.Secret) {
	t.Helper()
	got, err := s.Sealed(t.Context())
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("there are %d secrets, want %d", len(got), len(want))
	}
	for i := range got {
		if !sameSealed(got[i], want[i]) {
			t.Fatalf("secret %d is %q %x, want %q %x", i, got[i].Name, got[i].Box, want[i].Name, want[i].Box)
		}
	}
}

func sameSealed(a, b sealed.Secret) bool { return a.Name == b.Name && bytes.Equal(a.Box, b.Box) }

func secretOf(name, box string) sealed.Secret { return sealed.Secret{Name: name, Box: []byte(box)} }

var keyCases = []testCase[sealed.Store]{
	{
		"an empty store has no secrets", "Sealed returns all of them",
		func(t *testing.T, s sealed.Store) { holds(t, s) },
	},
	{
		"secrets come back in the order of their names", "in the order of their names",
		func(t *testing.T, s sealed.Store) {
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{secretOf("b", "2"), secretOf("a", "1"), secretOf("Z", "3"), secretOf("é", "4")}))
			holds(t, s, secretOf("Z", "3"), secretOf("a", "1"), secretOf("b", "2"), secretOf("é", "4"))
		},
	},
	{
		"PutSealed replaces what has the same name", "PutSealed adds or replaces",
		func(t *testing.T, s sealed.Store) {
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{secretOf("a", "1"), secretOf("b", "2")}))
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{secretOf("c", "3"), secretOf("a", "4")}))
			holds(t, s, secretOf("a", "4"), secretOf("b", "2"), secretOf("c", "3"))
			ok(t, s.PutSealed(t.Context(), nil))
			holds(t, s, secretOf("a", "4"), secretOf("b", "2"), secretOf("c", "3"))
		},
	},
	{
		"ReplaceAllSealed removes what it isn't given", "ReplaceAllSealed removes every secret and stores these instead",
		func(t *testing.T, s sealed.Store) {
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{secretOf("a", "1"), secretOf("b", "2")}))
			ok(t, s.ReplaceAllSealed(t.Context(), []sealed.Secret{secretOf("b", "3"), secretOf("c", "4")}))
			holds(t, s, secretOf("b", "3"), secretOf("c", "4"))
			ok(t, s.ReplaceAllSealed(t.Context(), nil))
			holds(t, s)
		},
	},
	{
		"readers see a replacement whole or not at all", "ReplaceAllSealed is one step",
		func(t *testing.T, s sealed.Store) {
			sets := [][]sealed.Secret{{secretOf("a", "1"), secretOf("b", "1")}, {secretOf("b", "2"), secretOf("c", "2")}}
			ok(t, s.ReplaceAllSealed(t.Context(), sets[0]))
			together(4, func(i int) {
				for range 5 {
					if err := s.ReplaceAllSealed(t.Context(), sets[i%2]); err != nil {
						t.Error(err)
					}
					got, err := s.Sealed(t.Context())
					if err != nil || len(got) != 2 || string(got[0].Box) != string(got[1].Box) {
						t.Errorf("Sealed = %v, %v; want one of the two sets", got, err)
					}
				}
			})
		},
	},
	{
		"boxes may hold any bytes", "boxes are opaque to a Store",
		func(t *testing.T, s sealed.Store) {
			all := []sealed.Secret{secretOf("a", ""), secretOf("b", "\x00\xff'"), secretOf("c", strings.Repeat("\x00x", 32<<10))}
			ok(t, s.PutSealed(t.Context(), all))
			holds(t, s, all...)
			got, err := s.AddSealed(t.Context(), secretOf("c", "other"))
			ok(t, err)
			if !sameSealed(got, all[2]) {
				t.Fatalf("AddSealed returned %q", got.Box)
			}
		},
	},
	{
		"AddSealed adds a new secret, and returns the one that is stored", "AddSealed adds one if none has its name, and returns the one that is there afterwards",
		func(t *testing.T, s sealed.Store) {
			for _, box := range []string{"1", "2"} {
				got, err := s.AddSealed(t.Context(), secretOf("a", box))
				ok(t, err)
				if !sameSealed(got, secretOf("a", "1")) {
					t.Fatalf("AddSealed returned %q %q", got.Name, got.Box)
				}
			}
			holds(t, s, secretOf("a", "1"))
		},
	},
	{
		"many concurrent AddSealed of one name all return the same secret", "AddSealed is one step",
		func(t *testing.T, s sealed.Store) {
			boxes := make([]string, 16)
			together(len(boxes), func(i int) {
				got, err := s.AddSealed(t.Context(), secretOf("a", fmt.Sprint(i)))
				if err != nil {
					t.Error(err)
				}
				boxes[i] = string(got.Box)
			})
			for _, box := range boxes {
				if box != boxes[0] {
					t.Fatalf("they got %q", boxes)
				}
			}
			holds(t, s, secretOf("a", boxes[0]))
		},
	},
	{
		"of two sets put concurrently one stays, as a whole", "PutSealed adds or replaces all of these in one step",
		func(t *testing.T, s sealed.Store) {
			for range 5 {
				together(4, func(i int) {
					box := fmt.Sprint(i)
					if err := s.PutSealed(t.Context(), []sealed.Secret{secretOf("a", box), secretOf("b", box), secretOf("c", box)}); err != nil {
						t.Error(err)
					}
				})
				got, err := s.Sealed(t.Context())
				ok(t, err)
				box := string(got[0].Box)
				holds(t, s, secretOf("a", box), secretOf("b", box), secretOf("c", box))
			}
		},
	},
	{
		"changing boxes after a call doesn't change the store", "a Store copies what it takes and gives",
		func(t *testing.T, s sealed.Store) {
			a, b := secretOf("a", "1"), secretOf("b", "2")
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{a}))
			added, err := s.AddSealed(t.Context(), b)
			ok(t, err)
			listed, err := s.Sealed(t.Context())
			ok(t, err)
			a.Box[0], b.Box[0], added.Box[0], listed[0].Box[0] = 'x', 'x', 'x', 'x'
			holds(t, s, secretOf("a", "1"), secretOf("b", "2"))
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "no step is taken halfway",
		func(t *testing.T, s sealed.Store) {
			ok(t, s.PutSealed(t.Context(), []sealed.Secret{secretOf("a", "1")}))
			for name, call := range map[string]func(ctx context.Context) error{
				"Sealed":    func(ctx context.Context) error { _, err := s.Sealed(ctx); return err },
				"PutSealed": func(ctx context.Context) error { return s.PutSealed(ctx, []sealed.Secret{secretOf("a", "2")}) },
				"AddSealed": func(ctx context.Context) error { _, err := s.AddSealed(ctx, secretOf("b", "2")); return err },
			} {
				if err := call(ended()); err == nil {
					t.Errorf("%s returned no error", name)
				}
			}
			holds(t, s, secretOf("a", "1"))
		},
	},
}
