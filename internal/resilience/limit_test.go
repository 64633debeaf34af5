package resilience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

func TestTheClockStandsStillInAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := resilience.Limit(t.Context(), 5*time.Second)
		defer cancel()
		child, stop := context.WithCancel(ctx)
		defer stop()
		time.Sleep(2 * time.Second)
		outer, inner := resilience.PauseLimit(child), resilience.PauseLimit(child)
		time.Sleep(time.Minute)
		inner()
		time.Sleep(time.Minute)
		outer()
		<-child.Done()
		if got := time.Since(began); got != 2*time.Minute+5*time.Second {
			t.Errorf("ended after %v; want the two minutes of the pause and five seconds", got)
		}
		if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("ended with %v and %v; want the deadline's error", ctx.Err(), child.Err())
		}
	})
}

func TestALimitEndsWithItsParentAndItsCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, stop := context.WithCancel(t.Context())
		ctx, cancel := resilience.Limit(parent, time.Second)
		defer cancel()
		resume := resilience.PauseLimit(ctx)
		stop()
		<-ctx.Done()
		resume()
		time.Sleep(2 * time.Second)
		if ctx.Err() != context.Canceled {
			t.Errorf("ended with %v; want the error of its parent", ctx.Err())
		}
		other, cancel := resilience.Limit(t.Context(), time.Second)
		cancel()
		if <-other.Done(); other.Err() != context.Canceled {
			t.Errorf("ended with %v; want Canceled", other.Err())
		}
		resilience.PauseLimit(t.Context())()
	})
}

func TestACheckWaitsAtMostFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := resilience.LimitCheck(t.Context())
		defer cancel()
		<-ctx.Done()
		if got := time.Since(began); got != 5*time.Second || ctx.Err() != context.DeadlineExceeded {
			t.Errorf("ended after %v with %v; want the deadline's error after five seconds", got, ctx.Err())
		}
	})
}

// key is that of a value in a context.
type key struct{}

func TestACheckEndsWithItsContext(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context) error{
		"asked":      func(ctx context.Context) error { return ctx.Err() },
		"waited for": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"a child": func(ctx context.Context) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			return child.Err()
		},
	} {
		for reason, end := range map[error]func(outer, inner context.CancelFunc){
			context.Canceled:         func(outer, _ context.CancelFunc) { outer() },
			context.DeadlineExceeded: func(_, _ context.CancelFunc) { time.Sleep(5 * time.Second) },
		} {
			for _, waiting := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					outer, cancelOuter := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
					defer cancelOuter()
					ctx, cancel := resilience.LimitCheck(outer)
					defer cancel()
					if waiting {
						go func() { <-ctx.Done() }()
						synctest.Wait()
					}
					if ctx.Err() != nil || ctx.Value(key{}) != "value" {
						t.Errorf("%s: %v, %v at the beginning", name, ctx.Err(), ctx.Value(key{}))
					}
					end(cancelOuter, cancel)
					synctest.Wait()
					if err := wait(ctx); err != reason {
						t.Errorf("%s: got %v, want %v", name, err, reason)
					}
				})
			}
		}
	}
}

func TestACheckThatIsDoneEnds(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		ctx, cancel := resilience.LimitCheck(t.Context())
		if waiting {
			ctx.Done()
		}
		cancel()
		if err := ctx.Err(); err != context.Canceled {
			t.Errorf("got %v, want the error of a cancelled context", err)
		}
		<-ctx.Done()
	}
}

// A check whose answer is there at once sets no timer.
func TestACheckThatNeedNotWaitCostsOneAllocation(t *testing.T) {
	ctx := t.Context()
	n := testing.AllocsPerRun(100, func() {
		limited, cancel := resilience.LimitCheck(ctx)
		_ = limited.Err()
		cancel()
	})
	if n > 2 {
		t.Errorf("it makes %v allocations", n)
	}
}
