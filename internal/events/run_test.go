package events

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestASignalWithoutANameIsIgnored: Run may take the names of a Wake before it receives the signal of that Wake. It then
// finds no name when it receives the signal.
func TestASignalWithoutANameIsIgnored(t *testing.T) {
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
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}
