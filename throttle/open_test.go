package throttle_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// reserved makes n tries and leaves them open.
func reserved(t *testing.T, g *throttle.Guard, a throttle.Attempt, n int) []*throttle.Try {
	t.Helper()
	tries := make([]*throttle.Try, n)
	for i := range tries {
		var err error
		if tries[i], err = g.Reserve(t.Context(), a); err != nil {
			t.Fatalf("try %d of %d: %v", i+1, n, err)
		}
	}
	return tries
}

// later reserves n tries in the background, and settles each that is admitted.
func later(t *testing.T, g *throttle.Guard, a throttle.Attempt, n int, settle func(*throttle.Try) error) (let, refused *atomic.Int32) {
	let, refused = new(atomic.Int32), new(atomic.Int32)
	for range n {
		go func() {
			try, err := g.Reserve(t.Context(), a)
			if full := new(throttle.Error); errors.As(err, &full) {
				refused.Add(1)
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			let.Add(1)
			if err := settle(try); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
	}
	return let, refused
}

func TestTriesWaitForThoseThatAreOpen(t *testing.T) {
	t.Attr("threat", "G02")
	ann := throttle.Attempt{Name: "ann", Account: "1", Address: home}
	failed := func(try *throttle.Try) error { return try.Failed(t.Context()) }
	succeeded := func(try *throttle.Try) error { return try.Succeeded(t.Context()) }
	for what, c := range map[string]struct {
		open         func(*throttle.Try) error // how each of ten open tries ends
		then         func(*throttle.Try) error // how each of thirty later ones ends
		let, refused int32                     // of the later ones
		forgets      bool                      // more may be let: a success forgets the later failures that came before it
	}{
		"right, then right":      {succeeded, succeeded, 30, 0, false},
		"right, then wrong":      {succeeded, failed, 10, 20, true},
		"wrong, then right":      {failed, succeeded, 0, 30, false},
		"given back, then wrong": {func(try *throttle.Try) error { return try.Undo(t.Context()) }, failed, 10, 20, false},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				tries := reserved(t, g, ann, 10)
				let, refused := later(t, g, ann, 30, c.then)
				if let.Load() != 0 || refused.Load() != 0 {
					t.Fatalf("%d let through and %d refused while ten are undecided", let.Load(), refused.Load())
				}
				for _, try := range tries {
					if err := c.open(try); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if c.forgets && let.Load() >= c.let && let.Load()+refused.Load() == c.let+c.refused {
					return
				}
				if let.Load() != c.let || refused.Load() != c.refused {
					t.Errorf("%d let through and %d refused, want %d and %d", let.Load(), refused.Load(), c.let, c.refused)
				}
			})
		})
	}
}

func TestWaitingForOpenTriesEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Name: "ann", Address: home}
		tries := reserved(t, g, ann, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Reserve(ctx, ann); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		let, _ := later(t, g, ann, 1, func(try *throttle.Try) error { return try.Failed(t.Context()) })
		if err := tries[0].Succeeded(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if let.Load() != 1 {
			t.Error("who gave up took the place of the next")
		}
	})
}

// An address has a hundred tries, whatever the names.
func TestTriesOfAnAddressWaitForThoseThatAreOpen(t *testing.T) {
	t.Attr("threat", "G03")
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		tries := reserved(t, g, throttle.Attempt{Address: home}, 100)
		let, refused := later(t, g, throttle.Attempt{Name: "ann", Address: home}, 5, func(try *throttle.Try) error { return try.Succeeded(t.Context()) })
		for _, try := range tries {
			if err := try.Undo(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if let.Load() != 5 || refused.Load() != 0 {
			t.Errorf("%d let through, %d refused", let.Load(), refused.Load())
		}
	})
}

// Tries of another name of the account are not waited for: how long a response takes must not reveal that two names have one
// account.
func TestTheSilentCountIsNotWaitedFor(t *testing.T) {
	t.Attr("threat", "G05")
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		reserved(t, g, throttle.Attempt{Name: "ann", Account: "1"}, 10)
		try, err := g.Reserve(t.Context(), throttle.Attempt{Name: "ann@example.org", Account: "1"})
		if err != nil || !try.SilentlyLimited() {
			t.Fatalf("%+v, %v", try, err)
		}
		if wait := blocked(t, g, throttle.Attempt{Name: "ann@example.org", Account: "2"}); wait != 0 {
			t.Errorf("a barred try takes %v", wait)
		}
	})
}

// TestWaitingForOpenTriesDoesNotCountAgainstTheTimeForStores: a check that waits a minute for the others has all of its time left.
func TestWaitingForOpenTriesDoesNotCountAgainstTheTimeForStores(t *testing.T) {
	t.Attr("threat", "L05")
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		ann := throttle.Attempt{Name: "ann", Account: "1", Address: home}
		open := reserved(t, g, ann, 10)
		go func() {
			time.Sleep(time.Minute)
			for _, try := range open {
				if err := try.Succeeded(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}()
		ctx, cancel := resilience.Limit(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := g.Reserve(ctx, ann); err != nil || time.Since(began) < time.Minute {
			t.Errorf("Reserve: %v after %v; want success after a minute", err, time.Since(began))
		}
	})
}
