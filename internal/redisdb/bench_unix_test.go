//go:build unix

package redisdb_test

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

// BenchmarkLoad measures the load of a session by 16 callers at the same time, with the limit that a check has.
func BenchmarkLoad(b *testing.B) {
	db := open(b, shared.URL())
	r := ticket(1, 1<<40)
	if err := db.Sessions.Create(b.Context(), r); err != nil && !errors.Is(err, session.ErrExists) {
		b.Fatal(err)
	}
	parent, stop := context.WithCancel(b.Context())
	defer stop()
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range work {
				ctx, cancel := resilience.LimitCheck(parent)
				if _, err := db.Sessions.Load(ctx, r.ID); err != nil {
					b.Error(err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e3, "cpu-µs/op")
}

// processorTime returns the processor time of this process in nanoseconds.
func processorTime(tb testing.TB) int64 {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
