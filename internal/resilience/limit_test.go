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
