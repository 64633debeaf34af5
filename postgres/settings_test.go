package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func TestInspect(t *testing.T) {
	s := pgserver.TestServer(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	sql(t, s.URL("postgres"), `CREATE ROLE app LOGIN`)
	looks(t, s.URL("postgres"), postgres.Settings{SynchronousStandbys: true, StandbyAnswers: true, Direct: true, Private: true, Verified: true, ClocksAgree: true})
	sql(t, s.URL("postgres"), `ALTER ROLE app SET synchronous_commit = on`)
	as := strings.Replace(s.URL("postgres"), "postgres@", "app@", 1)
	looks(t, as, postgres.Settings{SynchronousCommit: true, SynchronousStandbys: true, StandbyAnswers: true, Direct: true, Private: true, Verified: true, OrdinaryRole: true, ClocksAgree: true})

	safe := pgserver.Test(t)
	all := postgres.Settings{Fsync: true, FullPageWrites: true, SynchronousCommit: true, SynchronousStandbys: true, StandbyAnswers: true, Direct: true, Private: true, Verified: true, ClocksAgree: true}
	looks(t, safe, all)
	all.Direct = false
	looks(t, through(pgserver.Shared(t).TestPooler(t), safe), all)
}

// TestAClockThatIsOffIsReported: the database's server has a clock of its own, here one that a function turns.
func TestAClockThatIsOffIsReported(t *testing.T) {
	for _, c := range []struct {
		skew   string
		onTime bool
	}{{"0 s", true}, {"-1 minute", false}, {"1 minute", false}} {
		url := pgserver.Test(t)
		sql(t, url, `CREATE SCHEMA turned;
			CREATE FUNCTION turned.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + '`+c.skew+`' $$;
			ALTER DATABASE `+url[strings.LastIndexByte(url, '/')+1:]+` SET search_path = turned, pg_catalog, public`)
		if s, err := postgres.InspectServer(t.Context(), url); err != nil || s.ClocksAgree != c.onTime {
			t.Errorf("%s: %+v, %v", c.skew, s, err)
		}
	}
}

// TestAnAbsentStandbyIsReported: a commit would wait for it for ever.
func TestAnAbsentStandbyIsReported(t *testing.T) {
	s := pgserver.TestServer(t)
	sql(t, s.URL("postgres"), `ALTER SYSTEM SET synchronous_standby_names = 'absent'`)
	sql(t, s.URL("postgres"), `SELECT pg_reload_conf()`)
	eventually(t, "the setting", func() bool {
		found, err := postgres.InspectServer(t.Context(), s.URL("postgres"))
		must(t, err)
		return !found.StandbyAnswers
	})
}

// TestCountsWaitForNoStandby: a try can be given back even if commits wait for an absent standby.
func TestCountsWaitForNoStandby(t *testing.T) {
	s := pgserver.TestServer(t)
	db := open(t, s.URL("postgres"))
	sql(t, s.URL("postgres"), `ALTER SYSTEM SET synchronous_standby_names = 'absent'`)
	sql(t, s.URL("postgres"), `SELECT pg_reload_conf()`)
	eventually(t, "commits wait", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return db.Ping(ctx) != nil
	})
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		must(t, db.Throttles.Update(ctx, []string{"a", "b"}, func(c []throttle.Counter) error { c[0].Tries++; return nil }))
	}
}

func looks(t *testing.T, url string, want postgres.Settings) {
	t.Helper()
	if got, err := postgres.InspectServer(t.Context(), url); err != nil || got != want {
		t.Errorf("%s looks like %+v, %v; want %+v", url, got, err, want)
	}
}

// TestACommitWaitsForTheDisk: a DB's connections turn synchronous_commit on, whatever the server's own setting is.
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

// TestAStandbyIsRefused: its answers may be outdated.
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

// TestAnotherEncodingIsRefused: names in it would come back changed, or not at all.
func TestAnotherEncodingIsRefused(t *testing.T) {
	s := pgserver.TestServer(t)
	sql(t, s.URL("postgres"), `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`)
	if _, err := postgres.Open(t.Context(), s.URL("latin")); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a database in LATIN1 is opened: %v", err)
	}
}
