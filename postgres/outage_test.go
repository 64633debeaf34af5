package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// fewDials limits how often a server may be dialled in an outage of this length: by each connection of the pool, which are
// all lost at once, and then by one probe at a time with pauses that grow to 250 ms.
func fewDials(away time.Duration) int { return 25 + int(5*away.Seconds()) }

// during runs call on so many goroutines through an outage that resets connections, and counts how often the server is
// dialled. Every error must be an outage.
func during(t *testing.T, net *faultproxy.Proxy, clients int, call func(ctx context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var served, refused atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				err := call(t.Context())
				switch {
				case errors.Is(err, session.ErrNotFound):
					t.Error("an outage is told as a missing session")
				case err != nil:
					refused.Add(1)
				default:
					served.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	defer group.Wait()
	defer stop()
	eventually(t, "traffic", func() bool { return served.Load() > 50 })
	before, began := net.Dials(), time.Now()
	net.Refuse()
	net.Cut()
	eventually(t, "the outage is noticed", func() bool { return refused.Load() > 100 })
	time.Sleep(3 * time.Second)
	if dials, most := net.Dials()-before, fewDials(time.Since(began)); dials > most {
		t.Errorf("the server was dialled %d times in the outage, want at most %d", dials, most)
	}
	net.Admit()
	again := served.Load()
	eventually(t, "service", func() bool { return served.Load() > again+50 })
}

func TestAnOutageIsNoStormOfDials(t *testing.T) {
	t.Parallel() // it mostly waits
	db, net, url := spoilt(t)
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	during(t, net, 18, func(ctx context.Context) error {
		_, err := db.Sessions.Load(ctx, ticketID(1))
		return err
	})
	during(t, net, 18, db.Ping)
	must(t, db.Close())
	f := newFeed(t, through(net.Addr, url))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go f.Listen(ctx, feed.Listener{Up: func() {}, Message: func(string) {}, Down: func(error) {}, Failed: func(error) {}})
	during(t, net, 18, func(ctx context.Context) error { return f.Send(ctx, "B me") })
}

// TestWhileAProbeWaitsCallsFailAtOnce: the server is unreachable, and a new connection gets no answer for longer than this
// test lasts. No call waits for that, neither one that would connect nor one that queues for a connection.
func TestWhileAProbeWaitsCallsFailAtOnce(t *testing.T) {
	url := pgserver.Test(t)
	net, err := faultproxy.New(pgserver.Shared(t).Addr)
	must(t, err)
	t.Cleanup(func() { net.Close() })
	db := open(t, through(net.Addr, url)+"?connect_timeout=600")
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	load := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		_, err := db.Sessions.Load(ctx, ticketID(1))
		return err
	}
	net.Refuse()
	net.Cut()
	eventually(t, "the outage is noticed", func() bool { return load() != nil })
	before := net.Dials()
	net.Freeze()
	net.Admit()
	eventually(t, "a probe", func() bool { return load() != nil && net.Dials() > before })
	done := make(chan bool)
	go func() {
		defer close(done)
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				for range 20 {
					if load() == nil {
						t.Error("served by a server that says nothing")
					}
				}
			})
		}
		group.Wait()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Error("callers wait for the probe")
	}
	net.Thaw()
	eventually(t, "service", func() bool { return load() == nil })
	<-done
}

// silent is a host that accepts connections and never sends anything.
func silent(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// hosts returns the address of a database with other hosts before its own.
func hosts(url string, before ...string) string {
	user, rest, _ := strings.Cut(url, "@")
	return user + "@" + strings.Join(before, ",") + "," + rest
}

// each runs everything that connects to PostgreSQL.
func each(t *testing.T, url string) {
	t.Helper()
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Errorf("Migrate: %v", err)
	}
	if _, _, err := postgres.Pending(t.Context(), url); err != nil {
		t.Errorf("Pending: %v", err)
	}
	if _, err := postgres.InspectServer(t.Context(), url); err != nil {
		t.Errorf("InspectServer: %v", err)
	}
	db := open(t, url)
	must(t, db.Ping(t.Context()))
	f := newFeed(t, url)
	if err := f.CheckSameDatabase(t.Context(), url, ""); err != nil {
		t.Errorf("CheckSameDatabase: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	heard := make(chan string, 10)
	go f.Listen(ctx, feed.Listener{
		Up: func() { heard <- "up" }, Message: func(m string) { heard <- m }, Down: func(error) {},
		Failed: func(err error) { t.Errorf("Listen: %v", err) },
	})
	if next(t, heard, "the feed is up") != "up" {
		t.Error("Listen: a message before it is up")
	}
	must(t, f.Send(t.Context(), "hello"))
	if m := next(t, heard, "a message"); m != "hello" {
		t.Errorf("Listen: heard %q, want hello", m)
	}
}

// TestAHostThatSaysNothingIsPassedOver long before its connect_timeout, which here is longer than any test waits.
func TestAHostThatSaysNothingIsPassedOver(t *testing.T) {
	t.Attr("threat", "L05")
	t.Parallel() // it mostly waits
	url := hosts(pgserver.Test(t), silent(t), silent(t)) + "?connect_timeout=6000"
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	_, err := postgres.Migrate(ctx, url)
	must(t, err)
	each(t, url)
}

// TestAnAttemptEndsOnceEachHostHasFailed: hosts that say nothing are not tried again and again.
func TestAnAttemptEndsOnceEachHostHasFailed(t *testing.T) {
	t.Attr("threat", "L05")
	t.Parallel() // it mostly waits
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	_, err := postgres.Migrate(ctx, "postgres://ann@"+silent(t)+","+silent(t)+","+silent(t)+"/app?sslmode=disable&connect_timeout=2")
	if err == nil || ctx.Err() != nil {
		t.Errorf("three hosts that say nothing: %v, want an error before the caller gives up", err)
	}
}

// TestAPromotedStandbyIsFoundBesideAHostThatSaysNothing, as the former primary does when it is cut off.
func TestAPromotedStandbyIsFoundBesideAHostThatSaysNothing(t *testing.T) {
	t.Attr("threat", "L05")
	t.Parallel() // it mostly waits
	primary := pgserver.TestServer(t)
	standby, err := pgserver.NewStandby(t.Context(), primary)
	must(t, err)
	t.Cleanup(func() { must(t, standby.Close()) })
	line, err := faultproxy.New(standby.Addr)
	must(t, err)
	t.Cleanup(func() { must(t, line.Close()) })
	url := strings.Replace(standby.URL("postgres"), standby.Addr, silent(t)+","+line.Addr, 1) + "?sslmode=disable&connect_timeout=6000"
	connected := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(t.Context(), url)
		connected <- err
	}()
	eventually(t, "the standby is tried again", func() bool { return line.Dials() > 2 })
	must(t, primary.Stop())
	must(t, standby.Promote(t.Context()))
	must(t, next(t, connected, "the promoted standby is used"))
}

func TestAStandbyThatIsNamedFirstIsPassedOver(t *testing.T) {
	t.Parallel() // it mostly waits
	standby := pgserver.TestServer(t)
	must(t, standby.Stop())
	must(t, standby.MakeStandby())
	must(t, standby.Start(t.Context()))
	for _, option := range []string{"", "?target_session_attrs=read-write", "?target_session_attrs=any"} {
		each(t, hosts(pgserver.Test(t), standby.Addr)+option)
	}
	_, err := postgres.Open(t.Context(), hosts(standby.URL("postgres"), "127.0.0.1:1"))
	for _, want := range []string{"127.0.0.1:1,127.0.0.1:", "refused", "standby"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("neither host can be used: %v, want %q in it", err, want)
		}
	}
}

// readOnly makes a server refuse writes from now on, also on open connections, as operators do before they switch over to
// another server.
func readOnly(t *testing.T, s *pgserver.Server) {
	t.Helper()
	sql(t, s.URL("postgres"), `ALTER SYSTEM SET default_transaction_read_only = on`)
	sql(t, s.URL("postgres"), `SELECT pg_reload_conf()`)
	eventually(t, "the server is read-only", func() bool {
		conn := connect(t, s.URL("postgres"))
		var setting string
		must(t, conn.QueryRow(t.Context(), `SHOW default_transaction_read_only`).Scan(&setting))
		return setting == "on"
	})
}

// next receives from a channel, and ends the test if nothing comes.
func next[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(2 * time.Minute):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

// TestAServerThatTurnsReadOnlyIsLeft: its answers on open connections don't count any more, and the new primary is found
// without a restart.
func TestAServerThatTurnsReadOnlyIsLeft(t *testing.T) {
	t.Parallel() // it mostly waits
	before, after := pgserver.TestServer(t), pgserver.TestServer(t)
	open(t, after.URL("postgres"))
	for _, way := range []struct {
		name, url string
		from      *pgserver.Server
	}{
		{"straight", hosts(after.URL("postgres"), before.Addr), before},
		{"behind a pooler", "", nil},
	} {
		t.Run(way.name, func(t *testing.T) {
			from, url := way.from, way.url
			if from == nil {
				from = pgserver.TestServer(t)
				url = hosts(after.URL("postgres"), from.TestPooler(t))
			}
			db := open(t, url)
			must(t, db.Sessions.Create(t.Context(), ticket(1)))
			warm(t, db)
			f := newFeed(t, hosts(after.URL("postgres"), from.Addr))
			down, heard := make(chan error, 10), make(chan string, 1000)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			up := make(chan bool, 10)
			go f.Listen(ctx, feed.Listener{
				Up: func() { up <- true }, Message: func(m string) { heard <- m }, Down: func(err error) { down <- err }, Failed: func(error) {},
			})
			next(t, up, "the feed is up")
			must(t, f.Send(t.Context(), "before"))
			if m := next(t, heard, "a message"); m != "before" {
				t.Errorf("heard %q", m)
			}

			readOnly(t, from)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					if r, err := db.Sessions.Load(t.Context(), ticketID(1)); err == nil {
						t.Errorf("a session is loaded from a server that is read-only: %+v", r)
					}
				})
			}
			group.Wait()
			if err := f.Send(t.Context(), "to the former primary"); err == nil {
				t.Error("a message is sent on a server that is read-only")
			}
			next(t, down, "the feed leaves the former primary")
			next(t, up, "the feed is up on the new primary")
			eventually(t, "a message on the new primary", func() bool { return f.Send(t.Context(), "after") == nil })
			if m := next(t, heard, "a message on the new primary"); m != "after" {
				t.Errorf("heard %q, want only what was sent on the new primary", m)
			}
			eventually(t, "sessions can be made on the new primary", func() bool {
				err := db.Sessions.Create(t.Context(), ticket(2))
				return err == nil || errors.Is(err, session.ErrExists)
			})
			if n := count(t, after.URL("postgres"), `SELECT count(*) FROM sessions`); n != 1 {
				t.Errorf("the new primary has %d sessions, want 1", n)
			}
			sql(t, after.URL("postgres"), `DELETE FROM sessions`)
		})
	}
}

// TestRowsThatRowSecurityHidesAreNoSignOut: policies for a role that doesn't own the tables cause an outage, and don't make
// a table look empty.
func TestRowsThatRowSecurityHidesAreNoSignOut(t *testing.T) {
	server := pgserver.TestServer(t)
	url := server.URL("postgres")
	must(t, open(t, url).Sessions.Create(t.Context(), ticket(1)))
	sql(t, url, `CREATE ROLE app LOGIN`)
	sql(t, url, `GRANT ALL ON ALL TABLES IN SCHEMA public TO app`)
	as := func(url string) string { return strings.Replace(url, "postgres@", "app@", 1) }
	for name, url := range map[string]string{"straight": as(url), "behind a pooler": through(server.TestPoolerAs(t, "app"), url)} {
		t.Run(name, func(t *testing.T) {
			db := open(t, url)
			_, err := db.Sessions.Load(t.Context(), ticketID(1))
			must(t, err)
			warm(t, db)
			sql(t, server.URL("postgres"), `ALTER TABLE sessions ENABLE ROW LEVEL SECURITY`)
			if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err == nil || errors.Is(err, session.ErrNotFound) {
				t.Errorf("on a connection that was open before: %v, want an outage", err)
			}
			if list, err := db.Sessions.List(t.Context(), session.Query{}); err == nil {
				t.Errorf("on a connection that was open before: a list of %d", len(list))
			}
			if _, err := postgres.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "row security hides rows of the table sessions") {
				t.Errorf("on a new connection: %v", err)
			}
			sql(t, server.URL("postgres"), `ALTER TABLE sessions DISABLE ROW LEVEL SECURITY`)
			eventually(t, "service", func() bool {
				_, err := db.Sessions.Load(t.Context(), ticketID(1))
				return err == nil
			})
		})
	}
}
