//go:build unix

package redisdb_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// BenchmarkLoad measures the load of a session by 16 callers on each processor at the same time, with the limit that a check has.
func BenchmarkLoad(b *testing.B) {
	db := open(b, shared.URL())
	r := ticket(1, 1<<40)
	if err := db.Sessions.Create(b.Context(), r); err != nil && !errors.Is(err, session.ErrExists) {
		b.Fatal(err)
	}
	harness.BenchTogether(b, func() error {
		ctx, cancel := resilience.LimitCheck(b.Context())
		defer cancel()
		_, err := db.Sessions.Load(ctx, r.ID)
		return err
	})
}
