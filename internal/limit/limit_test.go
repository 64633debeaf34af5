package limit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/limit"
)

type limitKey struct{}

// TestLimitEndsLikeALibraryContext holds the context that sets its timer late against the library's own.
func TestLimitEndsLikeALibraryContext(t *testing.T) {
	for name, c := range map[string]struct {
		parent, own time.Duration // until the end; parent 0: none
		cancels     bool          // the parent ends at once
		ends        bool          // it is ended at once
		wait        time.Duration
		want        error
	}{
		"in time":          {own: time.Second, wait: time.Second - 1},
		"too late":         {own: time.Second, wait: time.Second, want: context.DeadlineExceeded},
		"parent's time":    {parent: time.Second, own: time.Minute, wait: time.Second, want: context.DeadlineExceeded},
		"parent cancelled": {own: time.Minute, cancels: true, want: context.Canceled},
		"ended":            {own: time.Minute, ends: true, want: context.Canceled},
	} {
		for _, early := range []bool{false, true} { // somebody asks for Done before anything happens, or after it
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), limitKey{}, "kept"))
				defer cancel()
				if c.parent > 0 {
					parent, cancel = context.WithTimeout(parent, c.parent)
					defer cancel()
				}
				l := limit.For(parent, c.own)
				defer l.End()
				var ctx context.Context = l
				child := ctx
				if early {
					var stop context.CancelFunc
					child, stop = context.WithCancel(ctx)
					defer stop()
				}
				if c.cancels {
					cancel()
				}
				if c.ends {
					l.End()
				}
				time.Sleep(c.wait)
				synctest.Wait()
				if err := ctx.Err(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("%s: Err is %v, want %v", name, err, c.want)
				}
				for who, one := range map[string]context.Context{"it": ctx, "a child": child} {
					closed := false
					select {
					case <-one.Done():
						closed = true
					default:
					}
					if closed != (c.want != nil) || one.Value(limitKey{}) != "kept" {
						t.Errorf("%s, early %v: Done of %s is closed: %v; its value %v", name, early, who, closed, one.Value(limitKey{}))
					}
				}
				if cause := context.Cause(ctx); !errors.Is(cause, c.want) {
					t.Errorf("%s: cause %v, want %v", name, cause, c.want)
				}
			})
		}
	}
}
