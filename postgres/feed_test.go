package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
)

func newFeed(t *testing.T, url string) *pg.Feed {
	t.Helper()
	f, err := pg.NewFeed(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFeed(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		url := pgserver.Test(t)
		return feedtest.Broadcast{
			Join: func(t *testing.T) feed.Feed { return newFeed(t, url) },
			Cut: func(t *testing.T) {
				sql(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			},
		}
	})
}

// TestAFeedOutOfReachSaysWhy: a listener that can't connect gets the reason, without the password, and tries again.
func TestAFeedOutOfReachSaysWhy(t *testing.T) {
	server := pgserver.TestServer(t)
	url := strings.Replace(server.URL("postgres"), "postgres@", "postgres:cl0akr00m@", 1)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), 2*time.Minute)
	defer end()
	up, failed, done := make(chan bool, 1), make(chan error, 100), make(chan error, 1)
	go func() {
		done <- newFeed(t, url).Listen(ctx, feed.Listener{
			Up: func() { up <- true }, Message: func(string) {}, Down: func(error) {}, Failed: func(err error) { failed <- err },
		})
	}()
	for range 2 {
		select {
		case err := <-failed:
			why := err.Error()
			says := strings.Contains(why, "refused") || strings.Contains(why, "reset") // by a server that is about to be gone
			if !says || strings.Contains(why, "cl0akr00m") {
				t.Errorf("it failed: %v", err)
			}
		case <-ctx.Done():
			t.Fatal("Failed was not called")
		}
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-up:
	case <-ctx.Done():
		t.Error("it did not come up")
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAFeedServesOneDatabase: on the feed of another database, or of another schema, nodes would not receive each other's messages.
func TestAFeedServesOneDatabase(t *testing.T) {
	url, other := pgserver.Test(t), pgserver.Test(t)
	pooler := pgserver.Shared(t).TestPooler(t)
	sql(t, url, `CREATE SCHEMA apart`)
	for name, c := range map[string]struct {
		feed, db, schema string
		wrong            string
	}{
		"its own":            {url, url, "", ""},
		"through a pooler":   {url, through(pooler, url), "", ""},
		"both through one":   {through(pooler, url), through(pooler, url), "", ""},
		"another database's": {other, url, "", "not the database of Config.DB"},
		"another through it": {other, through(pooler, url), "", "not the database of Config.DB"},
		"another schema's":   {url + "?search_path=apart", url, "", `the schema "apart", and Config.DB to "public"`},
		"the schema's":       {url + "?search_path=apart", url, "apart", ""},
		"not the schema's":   {url, url, "apart", `the schema "public", and Config.DB to "apart"`},
	} {
		err := newFeed(t, c.feed).CheckSameDatabase(t.Context(), c.db, c.schema)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v, want %q", name, err, c.wrong)
		}
	}
}

// TestAFeedFollowsItsSchema: a connection that has sent to the channel of a former schema must not go on doing so, since its node would hear
// itself there, and not the others.
func TestAFeedFollowsItsSchema(t *testing.T) {
	t.Attr("threat", "X01")
	url := pgserver.Test(t)
	pooler := pgserver.Shared(t).TestPooler(t)
	direct := newFeed(t, url+"?search_path=late,public")
	pooled := newFeed(t, through(pooler, url))
	for range 2 {
		for _, f := range []*pg.Feed{direct, pooled} {
			if err := f.Send(t.Context(), "before"); err != nil {
				t.Fatal(err)
			}
		}
	}
	sql(t, url, `CREATE SCHEMA late`)
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	up, heard := make(chan bool, 1), make(chan string, 9)
	go newFeed(t, url+"?search_path=late,public").Listen(ctx, feed.Listener{
		Up: func() { up <- true }, Message: func(m string) { heard <- m }, Down: func(error) {}, Failed: func(error) {},
	})
	<-up
	for _, m := range []string{"first", "second"} {
		if err := direct.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-heard:
			if got != m {
				t.Errorf("heard %q, want %q", got, m)
			}
		case <-ctx.Done():
			t.Fatalf("%q went to the former schema's channel", m)
		}
	}
}

// TestAnIdleTimeoutSparesTheFeed: for idle_session_timeout, a session that only listens is idle.
func TestAnIdleTimeoutSparesTheFeed(t *testing.T) {
	t.Parallel() // it waits for the server
	url := pgserver.Test(t)
	sql(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = ''1s''', current_database()); END $$`)
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	up, heard, down := make(chan bool, 1), make(chan string, 1), make(chan error, 1)
	f := newFeed(t, url)
	go f.Listen(ctx, feed.Listener{
		Up: func() { up <- true }, Message: func(m string) { heard <- m }, Down: func(err error) { down <- err }, Failed: func(error) {},
	})
	<-up
	// The feed has been idle for as long as this connection when the server ends it.
	plain, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close(ctx)
	if _, err := plain.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("a connection without the feed's setting lives on: %v", err)
	}
	if err := newFeed(t, url).Send(ctx, "after the timeout"); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-heard:
		if m != "after the timeout" {
			t.Errorf("heard %q", m)
		}
	case err := <-down:
		t.Errorf("the feed was ended: %v", err)
	case <-ctx.Done():
		t.Error("nothing was heard")
	}
}
