package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// eachSessionCall returns every method of a session.Store as a call that would do something to the session.
func eachSessionCall(s session.Store, r *session.Record) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Create": func(ctx context.Context) error { return s.Create(ctx, record(2, "ann")) },
		"Load":   func(ctx context.Context) error { _, err := s.Load(ctx, r.ID); return err },
		"Replace": func(ctx context.Context) error {
			return s.Replace(ctx, r, changed(r, func(r *session.Record) { r.ID = id(3) }))
		},
		"Touch": func(ctx context.Context) error {
			return s.Touch(ctx, []session.LastUse{{ID: r.ID, At: 1_100, Expires: 1_600}})
		},
		"Delete":        func(ctx context.Context) error { return s.Delete(ctx, r.ID) },
		"DeleteUser":    func(ctx context.Context) error { _, err := s.DeleteUser(ctx, r.User, session.ID{}); return err },
		"List":          func(ctx context.Context) error { _, err := s.List(ctx, session.Query{}); return err },
		"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, 5_000, 10); return err },
	}
}

// isOutage reports whether err is an outage, and not an answer about the session.
func isOutage(err error) bool {
	return err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrExists) && !errors.Is(err, session.ErrConflict)
}

var sessionContextCases = []testCase[session.Store]{
	{
		"a call whose context has ended returns an error and does nothing", "any other error is an outage; no step is taken halfway",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			for name, call := range eachSessionCall(s, r) {
				if err := call(ended()); !isOutage(err) {
					t.Errorf("%s returned %v", name, err)
				}
				lists(t, s, session.Query{}, r)
			}
		},
	},
	{
		"a call whose deadline has passed is an outage and does nothing", "any other error is an outage; no step is taken halfway",
		func(t *testing.T, s session.Store) {
			ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
			defer cancel()
			r := created(t, s, 1, "ann")
			for name, call := range eachSessionCall(s, r) {
				if err := call(ctx); !isOutage(err) {
					t.Errorf("%s returned %v", name, err)
				}
				lists(t, s, session.Query{}, r)
			}
		},
	},
	{
		"calls that are given up in the middle do all or nothing, and harm no later call", "each method takes effect in one step, or not at all",
		func(t *testing.T, s session.Store) {
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() { giveUp(t, s, worker) })
			}
			all.Wait()
			loads(t, s, created(t, s, 99, "zoe"))
			if t.Failed() {
				return
			}
			ok(t, s.Delete(t.Context(), id(99)))
		},
	},
}

// giveUp creates and rotates sessions under contexts that end at any moment. It checks that calls without an error were
// done, and that calls with an error were done in full or not at all.
func giveUp(t *testing.T, s session.Store, worker int) {
	for round := range 25 {
		n := 1_000 + worker*100 + round*2
		r := record(n, "ann")
		err := briefly(func(ctx context.Context) error { return s.Create(ctx, r) })
		there, loadErr := s.Load(t.Context(), r.ID)
		if errors.Is(loadErr, session.ErrNotFound) && err != nil {
			continue
		}
		if loadErr != nil {
			t.Errorf("Create returned %v, then Load %v", err, loadErr)
			return
		}
		next := changed(there, func(r *session.Record) { r.ID = id(n + 1) })
		err = briefly(func(ctx context.Context) error { return s.Replace(ctx, there, next) })
		done, undone := rotation(t, s, r.ID, next.ID)
		if !done && (!undone || err == nil) {
			t.Errorf("Replace returned %v, and is neither done nor undone", err)
			return
		}
	}
}

// rotation reports whether only the new ID is live, or only the old one. An abandoned call may still be on its way to a
// server, so neither gets time to change.
func rotation(t *testing.T, s session.Store, from, to session.ID) (done, undone bool) {
	for range 100 {
		_, oldErr := s.Load(t.Context(), from)
		_, newErr := s.Load(t.Context(), to)
		done = errors.Is(oldErr, session.ErrNotFound) && newErr == nil
		undone = oldErr == nil && errors.Is(newErr, session.ErrNotFound)
		if done || undone {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return done, undone
}

// briefly runs a call under a context that ends within a millisecond.
func briefly(call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), rand.N(time.Millisecond))
	defer cancel()
	return call(ctx)
}
