package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// writes makes one write of each kind to each store. prepare must have made the sessions for the same n.
func writes(ctx context.Context, db *sqlite.DB, n int) map[string]error {
	replaced, err := db.Sessions.Load(context.WithoutCancel(ctx), ticketID(n*100+1))
	if err != nil {
		return map[string]error{"Load": fmt.Errorf("%w, which must be possible", err)}
	}
	next := *replaced
	next.ID = session.ID{byte(n), 0, 0, 2}
	results := map[string]error{
		"session.Create":  db.Sessions.Create(ctx, ticket(n*100)),
		"session.Replace": db.Sessions.Replace(ctx, replaced, &next),
		"session.Touch":   db.Sessions.Touch(ctx, []session.LastUse{{ID: ticketID(n*100 + 2), At: 2, Expires: 1 << 41}}),
		"session.Delete":  db.Sessions.Delete(ctx, ticketID(n*100+3)),
		"account.Create":  db.Accounts.Create(ctx, &account.User{Username: fmt.Sprint("user", n)}),
		"SetGroup":        db.Accounts.SetGroup(ctx, account.Group{Name: "g", Permissions: []string{fmt.Sprint("a.", n)}}),
		"PutSealed":       db.Sealed.PutSealed(ctx, []sealed.Secret{{Name: fmt.Sprint(n)}}),
		"Ping":            db.Ping(ctx),
		"throttle.Update": db.Throttles.Update(ctx, []string{"k"}, func(c []throttle.Counter) error {
			c[0].Tries++
			return nil
		}),
	}
	_, results["DeleteUser"] = db.Sessions.DeleteUser(ctx, fmt.Sprint("gone", n), session.ID{})
	_, results["account.Change"] = db.Accounts.Change(ctx, "1", func(u *account.User) error {
		u.FirstName = fmt.Sprint(n)
		return nil
	})
	return results
}

// prepare makes the sessions for writes.
func prepare(t *testing.T, db *sqlite.DB, n int) {
	t.Helper()
	for i := 1; i <= 4; i++ {
		r := ticket(n*100 + i)
		if i == 4 {
			r.User = fmt.Sprint("gone", n)
		}
		if err := db.Sessions.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// succeed ends the test unless all writes are possible.
func succeed(t *testing.T, db *sqlite.DB, n int) {
	t.Helper()
	prepare(t, db, n)
	for name, err := range writes(t.Context(), db, n) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// reads ends the test unless all stores can be read.
func reads(t *testing.T, db *sqlite.DB) {
	t.Helper()
	_, loadErr := db.Sessions.Load(t.Context(), ticketID(0))
	_, userErr := db.Accounts.Load(t.Context(), "1")
	_, findErr := db.Accounts.Find(t.Context(), "user0")
	_, listErr := db.Sessions.List(t.Context(), session.Query{})
	_, keysErr := db.Sealed.Sealed(t.Context())
	if err := errors.Join(loadErr, userErr, findErr, listErr, keysErr); err != nil {
		t.Fatalf("reading: %v", err)
	}
}

// isOutage reports whether err is an outage, and no answer of a store.
func isOutage(err error) bool {
	var taken *account.TakenError
	return err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrExists) &&
		!errors.Is(err, session.ErrConflict) && !errors.Is(err, account.ErrNotFound) && !errors.As(err, &taken)
}
