//go:build unix

package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// BenchmarkLoadTogether measures the load of a session and its user in one statement by 16 callers at the same time, with the limit that a
// check has.
func BenchmarkLoadTogether(b *testing.B) {
	db, err := postgres.Open(b.Context(), pgserver.Test(b))
	must(b, err)
	defer db.Close()
	u := &account.User{Username: "ada", Email: "ada@example.org", IsActive: true, Epoch: "first"}
	must(b, db.Accounts.Create(b.Context(), u))
	r := &session.Record{ID: session.ID{1}, PublicID: "p", User: u.ID, Epoch: u.Epoch, Seen: 1, Expires: 1 << 40, Deadline: 1 << 40}
	must(b, db.Sessions.Create(b.Context(), r))
	load := db.Sessions.(interface {
		JoinedView(account.Store) func(context.Context, session.ID) (*session.Record, *account.User, error)
	}).JoinedView(db.Accounts)
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
				if _, u, err := load(ctx, r.ID); err != nil || u == nil {
					b.Error(fmt.Errorf("load: %v, %v", u, err))
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
	must(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
