//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// BenchmarkLoadTogether measures the load of a session and its user in one statement by 16 callers on each processor at the same time, with the limit that a
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
	harness.BenchTogether(b, func() error {
		ctx, cancel := resilience.LimitCheck(b.Context())
		defer cancel()
		_, u, err := load(ctx, r.ID)
		if err == nil && u == nil {
			err = errors.New("the user wasn't loaded")
		}
		return err
	})
}
