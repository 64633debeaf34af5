package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// together calls f concurrently with 0 to n-1, and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// setValue sets one key of a session's values, and retries while other calls change the session.
func setValue(ctx context.Context, s session.Store, n int, key string) error {
	for {
		old, err := s.Load(ctx, id(n))
		if err != nil {
			return err
		}
		values := map[string]int{}
		if err := json.Unmarshal(old.Values, &values); err != nil {
			return err
		}
		values[key] = 1
		next := changed(old, func(r *session.Record) { r.Values, err = json.Marshal(values) })
		if err != nil {
			return err
		}
		if err := s.Replace(ctx, old, next); !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

var sessionParallelCases = []testCase[session.Store]{
	{
		"of concurrent changes to different values none is lost", "no write is lost: the later of two gets ErrConflict",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			together(8, func(i int) {
				for round := range 4 {
					if err := setValue(t.Context(), s, 1, fmt.Sprintf("%d.%d", i, round)); err != nil {
						t.Error(err)
					}
				}
			})
			r, err := s.Load(t.Context(), id(1))
			ok(t, err)
			values := map[string]int{}
			ok(t, json.Unmarshal(r.Values, &values))
			if len(values) != 1+8*4 {
				t.Fatalf("%d values survived, want %d: %s", len(values), 1+8*4, r.Values)
			}
		},
	},
	{
		"of concurrent rotations one succeeds, and only its ticket works", "rotation is one step, at the version that was read",
		func(t *testing.T, s session.Store) {
			for round := range 10 {
				old := created(t, s, round*100, "ann")
				var winner atomic.Int32
				together(8, func(i int) {
					to := round*100 + 1 + i
					err := s.Replace(t.Context(), old, changed(old, func(r *session.Record) { r.ID = id(to) }))
					switch {
					case err == nil && !winner.CompareAndSwap(0, int32(to)):
						t.Error("two rotations won")
					case err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrConflict):
						t.Error(err)
					}
				})
				live, err := s.List(t.Context(), session.Query{User: "ann"})
				ok(t, err)
				if len(live) != 1 || live[0].ID != id(int(winner.Load())) {
					t.Fatalf("%d tickets are live; the winner was %d", len(live), winner.Load())
				}
				deletes(t, s, "ann", session.ID{}, 1)
			}
		},
	},
	{
		"at each moment of a rotation exactly one ticket works", "the old ID is unknown and the new one known from one step to the next",
		rotateUnderWatch,
	},
	{
		"of concurrent creations of one ID one succeeds", "ErrExists if the ID or the public ID is taken",
		func(t *testing.T, s session.Store) {
			var won atomic.Int32
			together(16, func(i int) {
				r := record(1, fmt.Sprint(i))
				if i%2 == 1 { // half of them share the public ID only
					r.ID = id(100 + i)
				}
				switch err := s.Create(t.Context(), r); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, session.ErrExists):
					t.Error(err)
				}
			})
			all, err := s.List(t.Context(), session.Query{})
			ok(t, err)
			if won.Load() != 1 || len(all) != 1 {
				t.Fatalf("%d were created, %d are there", won.Load(), len(all))
			}
		},
	},
	{
		"whatever a slow request does during a sign-out, the session stays deleted", "a session that was deleted stays deleted",
		func(t *testing.T, s session.Store) {
			for round := range 20 {
				r := created(t, s, round, "ann")
				calls := []func() error{
					func() error { return s.Delete(t.Context(), r.ID) },
					func() error { return s.Replace(t.Context(), r, changed(r, func(*session.Record) {})) },
					func() error { return s.Touch(t.Context(), []session.LastUse{{ID: r.ID, At: 1_100, Expires: 1_600}}) },
					func() error { return setValue(t.Context(), s, round, "late") },
				}
				together(len(calls), func(i int) {
					if err := calls[i](); isOutage(err) {
						t.Error(err)
					}
				})
				gone(t, s, round)
			}
		},
	},
	{
		"DeleteUser deletes every session that was acknowledged before it began", "DeleteUser removes all sessions of a user",
		deleteUserUnderSignIns,
	},
	{
		"DeleteExpired keeps a session whose end a use has moved", "DeleteExpired and Touch take effect one after the other",
		func(t *testing.T, s session.Store) {
			for round := range 20 {
				created(t, s, round, "ann")
				together(2, func(i int) {
					if i == 0 {
						touched(t, s, round, 1_501, 9_000)
					} else if _, err := s.DeleteExpired(t.Context(), 1_502, 100); err != nil {
						t.Error(err)
					}
				})
				r, err := s.Load(t.Context(), id(round))
				if err == nil && r.Expires == 9_000 {
					continue
				}
				fails(t, err, session.ErrNotFound)
			}
		},
	},
	{
		"32 concurrent clients that call everything leave the store consistent", "implementations are safe for concurrent use",
		func(t *testing.T, s session.Store) {
			together(32, func(i int) { doEverything(t, s, rand.New(rand.NewPCG(1, uint64(i)))) })
			all, err := s.List(t.Context(), session.Query{})
			ok(t, err)
			for i, r := range all {
				loads(t, s, r)
				lists(t, s, session.Query{PublicID: r.PublicID}, r)
				if i > 0 && all[i-1].PublicID >= r.PublicID {
					t.Fatalf("public IDs %q and %q", all[i-1].PublicID, r.PublicID)
				}
			}
			purges(t, s, 1<<60, len(all)+1, len(all))
			lists(t, s, session.Query{})
		},
	},
}

// rotateUnderWatch rotates a session repeatedly while other goroutines load its IDs. An ID that is found proves that the one
// before it isn't found from then on; an ID that isn't found proves that the one after it was found by then.
func rotateUnderWatch(t *testing.T, s session.Store) {
	const rotations = 60
	r := created(t, s, 0, "ann")
	var rotated atomic.Int32 // the number of acknowledged rotations
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := int(rotated.Load()); n < rotations && !t.Failed(); n = int(rotated.Load()) {
				watchRotation(t, s, n)
			}
		})
	}
	for n := range rotations {
		next := changed(r, func(r *session.Record) { r.ID = id(n + 1) })
		if err := s.Replace(t.Context(), r, next); err != nil {
			t.Error(err)
			break
		}
		r = next
		rotated.Store(int32(n + 1))
	}
	rotated.Store(rotations)
	all.Wait()
}

func watchRotation(t *testing.T, s session.Store, n int) {
	if live, err := s.List(t.Context(), session.Query{User: "ann"}); err != nil || len(live) != 1 {
		t.Errorf("%d tickets are live (%v)", len(live), err)
	}
	if _, err := s.Load(t.Context(), id(n+1)); err == nil {
		if _, err := s.Load(t.Context(), id(n)); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("the new ticket was live, then loading the old one returned %v", err)
		}
	}
	if _, err := s.Load(t.Context(), id(n)); errors.Is(err, session.ErrNotFound) {
		// The next ID may have been rotated away too; then the one after it is found, and so on.
		if live, err := s.List(t.Context(), session.Query{}); err != nil || len(live) != 1 || live[0].ID == id(n) {
			t.Errorf("the old ticket was dead, then these were live: %v (%v)", live, err)
		}
	}
}

func deleteUserUnderSignIns(t *testing.T, s session.Store) {
	const workers, each = 8, 12
	var acknowledged [workers]atomic.Int32
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := range each {
				if err := s.Create(t.Context(), record(w*each+n, "ann")); err != nil {
					t.Error(err)
				}
				acknowledged[w].Store(int32(n + 1))
			}
		})
	}
	for range 10 {
		var before [workers]int32
		for w := range before {
			before[w] = acknowledged[w].Load()
		}
		if _, err := s.DeleteUser(t.Context(), "ann", session.ID{}); err != nil {
			t.Error(err)
		}
		for w := range before {
			for n := range before[w] {
				if _, err := s.Load(t.Context(), id(w*each+int(n))); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("a session of before is there: %v", err)
				}
			}
		}
	}
	all.Wait()
}

func doEverything(t *testing.T, s session.Store, random *rand.Rand) {
	for range 30 {
		n := random.IntN(12)
		r := record(n, []string{"ann", "bob"}[n%2])
		var err error
		switch random.IntN(8) {
		case 0, 1, 2:
			err = s.Create(t.Context(), r)
		case 3:
			err = setValue(t.Context(), s, n, "x")
		case 4:
			err = s.Touch(t.Context(), []session.LastUse{{ID: r.ID, At: 1_100, Expires: 1_600}, {ID: id(n + 1), At: 1_100, Expires: 1_600}})
		case 5:
			err = s.Delete(t.Context(), r.ID)
		case 6:
			_, err = s.DeleteUser(t.Context(), r.User, r.ID)
		case 7:
			_, err = s.DeleteExpired(t.Context(), 1_502, 1)
		}
		if isOutage(err) {
			t.Error(err)
		}
	}
}
