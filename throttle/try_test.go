package throttle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestUndoLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Throttles
		g, ann := &throttle.Guard{Store: store}, throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 9)
		for range 300 {
			blocked(t, g, ann)
		}
		fail(t, g, ann, 1)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("wait %v after undone tries, want the first", wait)
		}
		blocked(t, g, throttle.Attempt{Account: "2", Address: abroad})
		if n, err := store.DeleteExpired(t.Context(), 1<<60, 100); n != 3 || err != nil {
			t.Fatalf("%d counters, want the 3 of the failures (%v)", n, err)
		}
	})
}

func TestUndoneTriesDoNotKeepAnOldLimitInMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 10)
		for range 26 {
			time.Sleep(time.Hour)
			blocked(t, g, ann)
		}
		fail(t, g, ann, 9)
		fail(t, g, ann, 1)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("wait %v, want the first again", wait)
		}
	})
}

func TestUndoOpensTheWindowThatItFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Throttles
		g, ann := &throttle.Guard{Store: store}, throttle.Attempt{Account: "1"}
		first, err := (&throttle.Guard{Store: store}).Reserve(t.Context(), ann) // in another process
		if err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 9)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("wait %v with ten tries open or failed", wait)
		}
		if err := first.Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 1)
		if wait := blocked(t, g, ann); wait != time.Minute {
			t.Fatalf("wait %v, want the first", wait)
		}
	})
}

func TestATryIsSettledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 8)
		try, err := g.Reserve(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		for _, settle := range []func(context.Context) error{try.Failed, try.Undo, try.Succeeded, try.Undo} {
			if err := settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		fail(t, g, ann, 1)
		if blocked(t, g, ann) == 0 {
			t.Fatal("a settled try was given back")
		}
	})
}

func TestALateUndoDoesNotChangeTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		late, err := g.Reserve(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Minute)
		fail(t, g, ann, 9)
		if err := late.Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 1)
		if blocked(t, g, ann) == 0 {
			t.Fatal("a try of the last window was taken off this one")
		}
	})
}

func TestHangingUpDoesNotChangeTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ann := newGuard(), throttle.Attempt{Account: "1", Address: home}
		fail(t, g, ann, 9)
		ctx, hangUp := context.WithCancel(t.Context())
		try, err := g.Reserve(ctx, ann)
		if err != nil {
			t.Fatal(err)
		}
		hangUp()
		if err := try.Succeeded(ctx); err != nil {
			t.Fatal(err)
		}
		fail(t, g, ann, 9)
	})
}
