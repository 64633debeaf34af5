package postgres_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// through returns a database's address through a pooler.
func through(addr, url string) string {
	return "postgres://postgres@" + addr + url[strings.LastIndexByte(url, '/'):]
}

// TestStoresBehindAPooler runs the store tests through PgBouncer in transaction mode, where each transaction may get another
// process of the server. All of them take a while.
func TestStoresBehindAPooler(t *testing.T) {
	t.Parallel() // it mostly waits
	pooler := pgserver.Shared(t).TestPooler(t)
	behind := func(t *testing.T) storetest.Stores { return stores(t, through(pooler, migrated.Test(t))) }
	if os.Getenv("CLOAKROOM_LONG") != "" {
		storetest.Run(t, behind)
		return
	}
	t.Run("sessions", func(t *testing.T) {
		storetest.Sessions(t, func(t *testing.T) session.Store { return behind(t).Sessions })
	})
	t.Run("throttles", func(t *testing.T) {
		storetest.Throttles(t, func(t *testing.T) throttle.Store { return behind(t).Throttles })
	})
}

// TestAFeedThroughAPoolerIsRefused: LISTEN would seem to work, and no message would ever arrive.
func TestAFeedThroughAPoolerIsRefused(t *testing.T) {
	pooler := pgserver.Shared(t).TestPooler(t)
	url := pgserver.Test(t)
	f := newFeed(t, through(pooler, url))
	brief, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	err := f.Listen(brief, feed.Listener{
		Up: func() { t.Error("up") }, Message: func(string) { t.Error("heard") }, Down: func(error) { t.Error("down") },
		Failed: func(err error) { t.Error(err) },
	})
	if err == nil || !strings.Contains(err.Error(), "Config.Feed") {
		t.Errorf("Listen through a pooler: %v", err)
	}
	// Messages that are sent through it do arrive.
	heard := make(chan string, 1)
	up := make(chan bool, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	direct := newFeed(t, url)
	go direct.Listen(ctx, feed.Listener{Up: func() { up <- true }, Message: func(m string) { heard <- m }, Down: func(error) {}, Failed: func(error) {}})
	<-up
	if err := f.Send(ctx, "through"); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-heard:
		if m != "through" {
			t.Errorf("heard %q", m)
		}
	case <-ctx.Done():
		t.Error("nothing was heard")
	}
}

// TestBehindAPoolerAWeakCommitIsRefused: a pooled connection can't change the setting.
func TestBehindAPoolerAWeakCommitIsRefused(t *testing.T) {
	pooler := pgserver.Shared(t).TestPooler(t)
	url := pgserver.Test(t)
	open(t, url)
	sql(t, url, `ALTER DATABASE `+url[strings.LastIndexByte(url, '/')+1:]+` SET synchronous_commit = off`)
	if _, err := postgres.Open(t.Context(), through(pooler, url)); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("a pooler before a server that doesn't wait for the disk: %v", err)
	}
	open(t, url) // a direct connection changes the setting
}
