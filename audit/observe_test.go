package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// running runs the Log until the returned function is called.
func (j *journal) running() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := j.Run(ctx); err != nil {
			j.t.Error(err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func TestObserversSeeEachStoredEventInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		var first, second []audit.Event
		j.Observe(func(e audit.Event) {
			first = append(first, e)
			e.Detail["n"] = "changed" // it is the observer's own
		})
		j.Observe(func(e audit.Event) {
			second = append(second, e)
			if len(second) == 1 {
				panic("planted")
			}
		})
		stop := j.running()
		j.out.Store(true)
		for n := range 700 {
			j.Record(t.Context(), audit.LoginKinds.Success, slog.String("user", "1"), slog.Int("n", n))
		}
		time.Sleep(time.Second)
		if len(first) != 0 {
			t.Errorf("%d events were shown that aren't stored", len(first))
		}
		j.out.Store(false)
		time.Sleep(time.Second)
		j.Record(t.Context(), audit.LoginKinds.Fail, slog.Int("n", 700)) // stored by Run when it ends
		stop()
		if len(first) != 701 || len(second) != 701 || j.Stats().Unseen != 0 {
			t.Fatalf("%d and %d events were shown, %d lost; want 701 and none", len(first), len(second), j.Stats().Unseen)
		}
		for n, e := range second {
			if e.Detail["n"] != fmt.Sprint(n) || e.Is(audit.LoginKinds.Fail) != (n == 700) || e.Is(audit.LoginKinds.Success) != (n < 700) {
				t.Fatalf("event %d is %+v", n, e)
			}
		}
		if !strings.Contains(j.text.String(), "planted") {
			t.Error("the panic isn't in the log")
		}
	})
}

func TestASlowObserverDelaysNothingAndLosesCountedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		hang := make(chan struct{})
		seen := 0
		j.Observe(func(audit.Event) { <-hang; seen++ })
		stop := j.running()
		const minutes, each = 3, 5000
		for range minutes {
			for range each {
				j.Record(t.Context(), audit.LoginKinds.Success, slog.String("user", "1"))
			}
			time.Sleep(time.Minute)
		}
		// One event is with the observer, and 10,000 wait for it.
		if stats := j.Stats(); stats.Waiting != 0 || stats.Unseen != minutes*each-10_001 {
			t.Errorf("%+v; want none waiting and %d lost", stats, minutes*each-10_001)
		}
		before := time.Now()
		stop() // the observer still hangs
		if waited := time.Since(before); waited != 5*time.Second {
			t.Errorf("Run waited %v for it; want 5 s", waited)
		}
		if j.Record(t.Context(), audit.LoginKinds.Success); j.Flush(t.Context()) != nil || j.Stats().Unseen != minutes*each-10_000 {
			t.Errorf("after Run: %+v", j.Stats())
		}
		close(hang)
		synctest.Wait()
		if seen != 10_001 {
			t.Errorf("the observer saw %d", seen)
		}
	})
}
