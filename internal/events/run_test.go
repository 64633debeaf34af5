package events

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestASignalWithoutANameIsNothing: between the signal and the look at who was woken somebody else may be, and leave a
// signal for the next turn, which finds nobody.
func TestASignalWithoutANameIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var h Hub
		h.prepare()
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		h.signal <- struct{}{}
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
