package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
)

// TestNodesThatStartTogetherMigrateOnce: each waits for the one that migrates, and then has nothing left to do.
func TestNodesThatStartTogetherMigrateOnce(t *testing.T) {
	url := pgserver.Test(t)
	pending, empty, err := postgres.Pending(t.Context(), url)
	if err != nil || len(pending) == 0 || !empty {
		t.Fatalf("an empty database: %v, %v, %v", pending, empty, err)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for range 8 {
		group.Go(func() {
			names, err := postgres.Migrate(t.Context(), url)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			applied += len(names)
		})
	}
	group.Wait()
	if applied != len(pending) {
		t.Errorf("%d migrations were applied, and there are %d", applied, len(pending))
	}
	if pending, empty, err := postgres.Pending(t.Context(), url); err != nil || len(pending) > 0 || empty {
		t.Errorf("afterwards: %v, %v, %v", pending, empty, err)
	}
}

// TestAMigrationThatFailsLeavesNothing checks that the next one starts from the beginning.
func TestAMigrationThatFailsLeavesNothing(t *testing.T) {
	url := pgserver.Test(t)
	sql(t, url, `CREATE TABLE health (patient text)`)
	_, err := postgres.Open(t.Context(), url)
	if err == nil || !strings.Contains(err.Error(), "database of its own") {
		t.Errorf("another program's database: %v", err)
	}
	if n := count(t, url, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); n != 1 {
		t.Errorf("%d tables are left", n)
	}
	sql(t, url, `DROP TABLE health`)
	open(t, url)
}

func TestANewerSchemaIsRefused(t *testing.T) {
	url := pgserver.Test(t)
	open(t, url)
	sql(t, url, `INSERT INTO cloakroom_migrations (version_id, is_applied) VALUES (9999, true)`)
	if _, err := postgres.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer schema: %v", err)
	}
	if _, _, err := postgres.Pending(t.Context(), url); err == nil {
		t.Error("Pending says nothing of a newer schema")
	}
}

// TestASchemaOfItsOwn: a role's search_path keeps Cloakroom apart from other tables in a database.
func TestASchemaOfItsOwn(t *testing.T) {
	url := pgserver.Test(t)
	sql(t, url, `CREATE TABLE users (patient text)`)
	sql(t, url, `CREATE SCHEMA cloakroom; ALTER DATABASE `+url[strings.LastIndexByte(url, '/')+1:]+` SET search_path = cloakroom`)
	db := open(t, url)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	if n := count(t, url, `SELECT count(*) FROM cloakroom.sessions`); n != 1 {
		t.Errorf("%d sessions in the schema", n)
	}
	sql(t, url, `DROP SCHEMA cloakroom CASCADE`)
}

// TestOnePurgesAtATime: while one node purges, another deletes nothing.
func TestOnePurgesAtATime(t *testing.T) {
	url := pgserver.Test(t)
	db := open(t, url)
	for n := range 10 {
		r := ticket(n)
		r.Expires = 5
		must(t, db.Sessions.Create(t.Context(), r))
	}
	other := connect(t, url)
	if _, err := other.Exec(t.Context(), `BEGIN; SELECT pg_advisory_xact_lock(`+postgres.LockPurge+`)`); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Sessions.DeleteExpired(t.Context(), 10, 100); n != 0 || err != nil {
		t.Errorf("while another purges: %d, %v", n, err)
	}
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Sessions.DeleteExpired(t.Context(), 10, 100); n != 10 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// TestOnlyAnExistingDatabaseIsOpened: one without our tables stays as it is.
func TestOnlyAnExistingDatabaseIsOpened(t *testing.T) {
	url := pgserver.Test(t)
	if _, err := postgres.OpenExisting(t.Context(), url); !errors.Is(err, postgres.ErrNoTables) {
		t.Errorf("an empty database: %v", err)
	}
	if _, empty, err := postgres.Pending(t.Context(), url); err != nil || !empty {
		t.Errorf("it isn't empty any more (%v)", err)
	}
	open(t, url)
	db, err := postgres.OpenExisting(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Ping(t.Context()), db.Close()); err != nil {
		t.Error(err)
	}
}
