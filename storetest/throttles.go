package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

// counts ends the test unless the counters have these values.
func counts(t testing.TB, s throttle.Store, keys []string, want ...throttle.Counter) {
	t.Helper()
	var got []throttle.Counter
	ok(t, s.Update(t.Context(), keys, func(c []throttle.Counter) error {
		got = slices.Clone(c)
		return nil
	}))
	if !slices.Equal(got, want) {
		t.Fatalf("counters of %q are %+v, want %+v", keys, got, want)
	}
}

// setCounters gives the counters these values.
func setCounters(t testing.TB, s throttle.Store, keys []string, values ...throttle.Counter) {
	t.Helper()
	ok(t, s.Update(t.Context(), keys, func(c []throttle.Counter) error {
		copy(c, values)
		return nil
	}))
}

// tried adds one to the tries of each counter.
func tried(c []throttle.Counter) error {
	for i := range c {
		c[i].Tries++
	}
	return nil
}

var (
	none = throttle.Counter{}
	some = throttle.Counter{Tries: 3, Since: 1_000, Until: 1_060, Level: 2, Ends: 1_900}
)

var throttleCases = []testCase[throttle.Store]{
	{
		"a counter that was never set is zero", "a missing one is zero",
		func(t *testing.T, s throttle.Store) { counts(t, s, []string{"a", "b"}, none, none) },
	},
	{
		"counters come back as they were left", "Update reads the counters, lets change alter them, and writes them back",
		func(t *testing.T, s throttle.Store) {
			other := throttle.Counter{Tries: 1, Since: -5, Until: 1<<53 + 1, Level: 1 << 20, Ends: 1 << 60}
			setCounters(t, s, []string{"a", "b"}, some, other)
			counts(t, s, []string{"b", "c", "a"}, other, none, some)
			setCounters(t, s, []string{"a"}, other)
			counts(t, s, []string{"a", "b"}, other, other)
		},
	},
	{
		"counters that a change leaves alone stay as they are", "Update writes back what change leaves",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"a", "b"}, some, some)
			counts(t, s, []string{"a", "b"}, some, some)
			setCounters(t, s, []string{"b"}, none)
			counts(t, s, []string{"a", "b"}, some, none)
		},
	},
	{
		"a counter left zero is forgotten", "a counter left zero is forgotten",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"a", "b"}, some, some)
			setCounters(t, s, []string{"a", "c"}, none, none)
			counts(t, s, []string{"a", "b", "c"}, none, some, none)
			purges(t, s, 1<<60, 10, 1)
		},
	},
	{
		"reading counters creates none", "a counter left zero is forgotten",
		func(t *testing.T, s throttle.Store) {
			for n := range 10 {
				counts(t, s, []string{fmt.Sprint(n)}, none)
			}
			purges(t, s, 1<<60, 100, 0)
		},
	},
	{
		"an error of change is returned unchanged, and nothing is written", "an error of change is returned as it is, and nothing is written",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"a"}, some)
			err := s.Update(t.Context(), []string{"a", "b"}, func(c []throttle.Counter) error {
				c[0], c[1] = none, some
				return errRefused
			})
			if err != errRefused { //nolint:errorlint // as it is
				t.Fatalf("error is %v", err)
			}
			counts(t, s, []string{"a", "b"}, some, none)
		},
	},
	{
		"a panic of change writes nothing and blocks no other call", "no step is taken halfway",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"a"}, some)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				err := s.Update(t.Context(), []string{"a"}, func(c []throttle.Counter) error { c[0] = none; panic("oh") })
				t.Errorf("Update returned %v", err)
			}()
			counts(t, s, []string{"a"}, some)
		},
	},
	{
		"no keys give no counters", "Update works on the counters of these keys",
		func(t *testing.T, s throttle.Store) { counts(t, s, nil) },
	},
	{
		"keys are compared byte for byte", "keys are opaque to a Store",
		func(t *testing.T, s throttle.Store) {
			keys := []string{
				"a", "A", "a ", "a\x00", "%", "", "e\u0301", "\u00e9", "\xff\xfe", "user:👩", "'; --", strings.Repeat("k", 64<<10),
			}
			for n, key := range keys {
				setCounters(t, s, []string{key}, throttle.Counter{Tries: n + 1, Ends: 5})
			}
			for n, key := range keys {
				counts(t, s, []string{key}, throttle.Counter{Tries: n + 1, Ends: 5})
			}
		},
	},
	{
		"changing counters after Update doesn't change the store", "a Store copies what it takes and gives",
		func(t *testing.T, s throttle.Store) {
			var kept []throttle.Counter
			keys := []string{"a"}
			ok(t, s.Update(t.Context(), keys, func(c []throttle.Counter) error {
				c[0], kept = some, c
				return nil
			}))
			kept[0], keys[0] = none, "b"
			counts(t, s, []string{"a", "b"}, some, none)
		},
	},
	{
		"of 200 concurrent tries each is counted", "no other Update of one of the keys comes between (CVE-2019-5421)",
		func(t *testing.T, s throttle.Store) {
			together(200, func(int) {
				if err := s.Update(t.Context(), []string{"a"}, tried); err != nil {
					t.Error(err)
				}
			})
			counts(t, s, []string{"a"}, throttle.Counter{Tries: 200})
		},
	},
	{
		"of 200 concurrent tries no more pass than the limit", "no other Update of one of the keys comes between (CVE-2019-5421)",
		func(t *testing.T, s throttle.Store) {
			const limit = 10
			passed := make(chan struct{}, 200)
			together(200, func(int) {
				err := s.Update(t.Context(), []string{"a"}, func(c []throttle.Counter) error {
					if c[0].Tries >= limit {
						return errRefused
					}
					return tried(c)
				})
				if err == nil {
					passed <- struct{}{}
				}
			})
			if len(passed) != limit {
				t.Fatalf("%d passed, want %d", len(passed), limit)
			}
		},
	},
	{
		"updates of the same keys in different orders don't wait for each other for ever", "one step for all keys",
		func(t *testing.T, s throttle.Store) {
			together(32, func(i int) {
				keys := []string{"a", "b", "c"}
				if i%2 == 0 {
					slices.Reverse(keys)
				}
				if err := s.Update(t.Context(), keys, tried); err != nil {
					t.Error(err)
				}
			})
			want := throttle.Counter{Tries: 32}
			counts(t, s, []string{"a", "b", "c"}, want, want, want)
		},
	},
	{
		"DeleteExpired deletes counters that end now or earlier, at most its limit", "DeleteExpired forgets at most limit counters with Ends <= now",
		func(t *testing.T, s throttle.Store) {
			for n := range 12 {
				setCounters(t, s, []string{fmt.Sprint(n)}, throttle.Counter{Tries: 1, Ends: int64(100 + n)})
			}
			purges(t, s, 99, 100, 0)
			purges(t, s, 200, 0, 0)
			purges(t, s, 104, 3, 3)
			purges(t, s, 104, 3, 2)
			purges(t, s, 104, 3, 0)
			counts(t, s, []string{"4", "5"}, none, throttle.Counter{Tries: 1, Ends: 105})
			setCounters(t, s, []string{"5"}, throttle.Counter{Tries: 1, Ends: 300})
			purges(t, s, 200, 100, 6)
			counts(t, s, []string{"5"}, throttle.Counter{Tries: 1, Ends: 300})
		},
	},
	{
		"a flood of other keys evicts no counter", "only DeleteExpired forgets (CVE-2024-21652)",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"victim"}, some)
			for batch := range 20 {
				var keys []string
				for n := range 100 {
					keys = append(keys, fmt.Sprintf("%d.%d", batch, n))
				}
				ok(t, s.Update(t.Context(), keys, tried))
			}
			counts(t, s, []string{"victim"}, some)
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "no step is taken halfway",
		func(t *testing.T, s throttle.Store) {
			setCounters(t, s, []string{"a"}, some)
			for name, call := range map[string]func(ctx context.Context) error{
				"Update":        func(ctx context.Context) error { return s.Update(ctx, []string{"a", "b"}, tried) },
				"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, 1<<60, 10); return err },
			} {
				if err := call(ended()); err == nil {
					t.Errorf("%s returned no error", name)
				}
			}
			counts(t, s, []string{"a", "b"}, some, none)
		},
	},
}
