package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

// holds ends the test unless the store has exactly these secrets in this order.
func holds(t testing.TB, s keyring.Store, want ...keyring.Sealed) {
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

func sameSealed(a, b keyring.Sealed) bool { return a.Name == b.Name && bytes.Equal(a.Box, b.Box) }

func sealed(name, box string) keyring.Sealed { return keyring.Sealed{Name: name, Box: []byte(box)} }

var keyCases = []testCase[keyring.Store]{
	{
		"an empty store has no secrets", "Sealed returns all of them",
		func(t *testing.T, s keyring.Store) { holds(t, s) },
	},
	{
		"secrets come back in the order of their names", "in the order of their names",
		func(t *testing.T, s keyring.Store) {
			ok(t, s.PutSealed(t.Context(), []keyring.Sealed{sealed("b", "2"), sealed("a", "1"), sealed("Z", "3"), sealed("é", "4")}))
			holds(t, s, sealed("Z", "3"), sealed("a", "1"), sealed("b", "2"), sealed("é", "4"))
		},
	},
	{
		"PutSealed replaces what has the same name", "PutSealed adds or replaces",
		func(t *testing.T, s keyring.Store) {
			ok(t, s.PutSealed(t.Context(), []keyring.Sealed{sealed("a", "1"), sealed("b", "2")}))
			ok(t, s.PutSealed(t.Context(), []keyring.Sealed{sealed("c", "3"), sealed("a", "4")}))
			holds(t, s, sealed("a", "4"), sealed("b", "2"), sealed("c", "3"))
			ok(t, s.PutSealed(t.Context(), nil))
			holds(t, s, sealed("a", "4"), sealed("b", "2"), sealed("c", "3"))
		},
	},
	{
		"boxes may hold any bytes", "boxes are opaque to a Store",
		func(t *testing.T, s keyring.Store) {
			all := []keyring.Sealed{sealed("a", ""), sealed("b", "\x00\xff'"), sealed("c", strings.Repeat("\x00x", 32<<10))}
			ok(t, s.PutSealed(t.Context(), all))
			holds(t, s, all...)
			got, err := s.AddSealed(t.Context(), sealed("c", "other"))
			ok(t, err)
			if !sameSealed(got, all[2]) {
				t.Fatalf("AddSealed returned %q", got.Box)
			}
		},
	},
	{
		"AddSealed adds what is new and returns what is there", "AddSealed adds one if none has its name, and returns the one that is there afterwards",
		func(t *testing.T, s keyring.Store) {
			for _, box := range []string{"1", "2"} {
				got, err := s.AddSealed(t.Context(), sealed("a", box))
				ok(t, err)
				if !sameSealed(got, sealed("a", "1")) {
					t.Fatalf("AddSealed returned %q %q", got.Name, got.Box)
				}
			}
			holds(t, s, sealed("a", "1"))
		},
	},
	{
		"of many who add one secret at once all get the same", "AddSealed is one step",
		func(t *testing.T, s keyring.Store) {
			boxes := make([]string, 16)
			together(len(boxes), func(i int) {
				got, err := s.AddSealed(t.Context(), sealed("a", fmt.Sprint(i)))
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
			holds(t, s, sealed("a", boxes[0]))
		},
	},
	{
		"of two sets put at once one stays, whole", "PutSealed adds or replaces all of these in one step",
		func(t *testing.T, s keyring.Store) {
			for range 5 {
				together(4, func(i int) {
					box := fmt.Sprint(i)
					if err := s.PutSealed(t.Context(), []keyring.Sealed{sealed("a", box), sealed("b", box), sealed("c", box)}); err != nil {
						t.Error(err)
					}
				})
				got, err := s.Sealed(t.Context())
				ok(t, err)
				box := string(got[0].Box)
				holds(t, s, sealed("a", box), sealed("b", box), sealed("c", box))
			}
		},
	},
	{
		"what the caller does to boxes stays with the caller", "a Store copies what it takes and gives",
		func(t *testing.T, s keyring.Store) {
			a, b := sealed("a", "1"), sealed("b", "2")
			ok(t, s.PutSealed(t.Context(), []keyring.Sealed{a}))
			added, err := s.AddSealed(t.Context(), b)
			ok(t, err)
			listed, err := s.Sealed(t.Context())
			ok(t, err)
			a.Box[0], b.Box[0], added.Box[0], listed[0].Box[0] = 'x', 'x', 'x', 'x'
			holds(t, s, sealed("a", "1"), sealed("b", "2"))
		},
	},
	{
		"a call whose context has ended is an outage and does nothing", "no step is taken halfway",
		func(t *testing.T, s keyring.Store) {
			ok(t, s.PutSealed(t.Context(), []keyring.Sealed{sealed("a", "1")}))
			for name, call := range map[string]func(ctx context.Context) error{
				"Sealed":    func(ctx context.Context) error { _, err := s.Sealed(ctx); return err },
				"PutSealed": func(ctx context.Context) error { return s.PutSealed(ctx, []keyring.Sealed{sealed("a", "2")}) },
				"AddSealed": func(ctx context.Context) error { _, err := s.AddSealed(ctx, sealed("b", "2")); return err },
			} {
				if err := call(ended()); err == nil {
					t.Errorf("%s returned no error", name)
				}
			}
			holds(t, s, sealed("a", "1"))
		},
	},
}
