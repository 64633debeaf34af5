package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

// clients counts the connections to a database, without its own.
const clients = `SELECT count(*) FROM pg_stat_activity
	WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

// TestReadsAndWritesShareTheLimitOfConnections: pool_max_conns bounds the connections of both together, and a caller waits for one.
func TestReadsAndWritesShareTheLimitOfConnections(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url+"?pool_max_conns=3")
	must(t, db.Sessions.Create(t.Context(), ticket(0)))
	var group sync.WaitGroup
	for caller := range 20 {
		group.Go(func() {
			for n := range 20 {
				if _, err := db.Sessions.Load(t.Context(), ticketID(0)); err != nil {
					t.Error(err)
				}
				if err := db.Sessions.Create(t.Context(), ticket(1+20*caller+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, url, clients); n != 3 { // each stays open
		t.Errorf("%d connections were made, want 3", n)
	}
	waiting, stop := context.WithCancel(t.Context())
	for range 3 {
		tx, err := db.Pool().BeginTx(t.Context(), nil)
		must(t, err)
		defer tx.Rollback()
	}
	before := db.Pool().Stats().WaitCount
	given := make(chan error, 1)
	go func() {
		_, err := db.Sessions.Load(waiting, ticketID(0))
		given <- err
	}()
	eventually(t, "the read waits for a connection", func() bool { return db.Pool().Stats().WaitCount > before })
	stop()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("a read beside three transactions: %v", err)
	}
}

// TestNoConnectionStaysOpenAfterTheEnd, neither an idle one nor one that is in use then.
func TestNoConnectionStaysOpenAfterTheEnd(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url)
	tx, err := db.Pool().BeginTx(t.Context(), nil)
	must(t, err)
	if _, err := db.Sessions.Load(t.Context(), ticketID(0)); err == nil {
		t.Fatal("there is a session")
	}
	must(t, db.Close())
	_ = tx.Rollback() // the error is that of a closed database
	eventually(t, "all connections are closed", func() bool { return count(t, url, clients) == 0 })
	if _, err := db.Sessions.Load(t.Context(), ticketID(0)); err == nil {
		t.Error("a closed database answers")
	}
}
