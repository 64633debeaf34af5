package postgres_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
)

func TestInspect(t *testing.T) {
	s := pgserver.TestServer(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	sql(t, s.URL("postgres"), `CREATE ROLE app LOGIN`)
	looks(t, s.URL("postgres"), postgres.Settings{NoAsync: true, Direct: true, Private: true, Verified: true})
	sql(t, s.URL("postgres"), `ALTER ROLE app SET synchronous_commit = on`)
	as := strings.Replace(s.URL("postgres"), "postgres@", "app@", 1)
	looks(t, as, postgres.Settings{Waits: true, NoAsync: true, Direct: true, Private: true, Verified: true, Ordinary: true})

	safe := pgserver.Test(t)
	all := postgres.Settings{Fsync: true, FullPageWrites: true, Waits: true, NoAsync: true, Direct: true, Private: true, Verified: true}
	looks(t, safe, all)
	all.Direct = false
	looks(t, through(pgserver.Shared(t).TestPooler(t), safe), all)
}

func looks(t *testing.T, url string, want postgres.Settings) {
	t.Helper()
	if got, err := postgres.Inspect(t.Context(), url); err != nil || got != want {
		t.Errorf("%s looks like %+v, %v; want %+v", url, got, err, want)
	}
}

// TestACommitWaitsForTheDisk: whatever the server's own setting is, connections of a DB turn the waiting on.
func TestACommitWaitsForTheDisk(t *testing.T) {
	url := pgserver.Test(t)
	sql(t, url, `ALTER DATABASE `+url[strings.LastIndexByte(url, '/')+1:]+` SET synchronous_commit = off`)
	db := open(t, url)
	sql(t, url, `CREATE TABLE seen (setting text);
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
		CREATE TRIGGER look AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION look()`)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	if n := count(t, url, `SELECT count(*) FROM seen WHERE setting = 'on'`); n != 1 {
		t.Error("a session was made without waiting for the disk")
	}
}

// TestAStandbyIsRefused: what it answers was true a while ago.
func TestAStandbyIsRefused(t *testing.T) {
	standby := pgserver.TestServer(t)
	must(t, standby.Stop())
	must(t, standby.MakeStandby())
	must(t, standby.Start(t.Context()))
	_, err := postgres.Open(t.Context(), standby.URL("postgres"))
	if err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("a standby is opened: %v", err)
	}
}

// TestAnotherEncodingIsRefused: names in it would come back as others, or not at all.
func TestAnotherEncodingIsRefused(t *testing.T) {
	s := pgserver.TestServer(t)
	sql(t, s.URL("postgres"), `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`)
	if _, err := postgres.Open(t.Context(), s.URL("latin")); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a database in LATIN1 is opened: %v", err)
	}
}
