package django_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

// knows returns nil if the database answers that the session doesn't exist, which only a healthy database may answer.
func knows(ctx context.Context, db *django.DB) error {
	_, err := db.Sessions().Load(ctx, session.ID([]byte("0123456789abcdefghijklmnopqrstuv")))
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// administer runs statements as the database's administrator.
func administer(t *testing.T, address string, statements ...string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestAnOutageOfDjangosDatabaseIsNoStormOfDials(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	server := pgserver.Shared(t).Addr
	proxy, err := faultproxy.New(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	db := opened(t, django.Config{Database: strings.Replace(address, server, proxy.Addr, 1), Keys: keys})
	ctx, stop := context.WithCancel(t.Context())
	var served, refused atomic.Int64
	var group sync.WaitGroup
	for range 18 {
		group.Go(func() {
			for ctx.Err() == nil {
				if knows(t.Context(), db) == nil {
					served.Add(1)
				} else {
					refused.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	defer group.Wait()
	defer stop()
	until(t, "traffic", func() bool { return served.Load() > 50 })
	dials, began := proxy.Dials(), time.Now()
	proxy.Refuse()
	proxy.Cut()
	until(t, "the outage is noticed", func() bool { return refused.Load() > 100 })
	time.Sleep(3 * time.Second)
	if n, most := proxy.Dials()-dials, 25+int(5*time.Since(began).Seconds()); n > most {
		t.Errorf("the server was dialled %d times in the outage, want at most %d", n, most)
	}
	proxy.Admit()
	before := served.Load()
	until(t, "service", func() bool { return served.Load() > before+50 })
}

// The first host doesn't respond at all.
func TestOfSeveralHostsDjangosPrimaryIsFound(t *testing.T) {
	t.Parallel()
	address := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	several := strings.Replace(address, "@", "@"+silent.Addr().String()+",", 1) + "?connect_timeout=1"
	if err := (django.Config{Database: several}).CreateOwnSchema(t.Context()); err != nil {
		t.Errorf("create the schema: %v", err)
	}
	db := opened(t, django.Config{Database: several, Keys: keys})
	if err := knows(t.Context(), db); err != nil {
		t.Error(err)
	}
	if _, err := db.InstallFeed(t.Context()); err != nil {
		t.Errorf("InstallFeed: %v", err)
	}
	if err := db.RemoveFeed(t.Context()); err != nil {
		t.Errorf("RemoveFeed: %v", err)
	}
}

// Its answers about sessions may be outdated.
func TestDjangosServerThatTurnsReadOnlyIsLeft(t *testing.T) {
	t.Parallel()
	before, after := pgserver.TestServer(t), pgserver.TestServer(t)
	for _, s := range []*pgserver.Server{before, after} {
		djangoserver.New(t, djangoserver.Config{Database: s.URL("postgres"), Keys: keys})
	}
	several := strings.Replace(after.URL("postgres"), "@", "@"+before.Addr+",", 1)
	db := opened(t, django.Config{Database: several, Keys: keys})
	if err := knows(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	administer(t, before.URL("postgres"), `ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	until(t, "the server is read-only", func() bool {
		raw, err := sql.Open("pgx", before.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		var setting string
		return raw.QueryRowContext(t.Context(), `SHOW default_transaction_read_only`).Scan(&setting) == nil && setting == "on"
	})
	if err := knows(t.Context(), db); err == nil {
		t.Error("a server that is read-only says what sessions there are")
	}
	until(t, "the new primary is found", func() bool { return knows(t.Context(), db) == nil })
}

// They count as an outage.
func TestRowsThatRowSecurityHidesAreAnOutage(t *testing.T) {
	t.Parallel()
	server := pgserver.TestServer(t)
	address := server.URL("postgres")
	djangoserver.New(t, djangoserver.Config{Database: address, Keys: keys})
	administer(t, address, `CREATE ROLE app LOGIN`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO app`)
	config := django.Config{Database: strings.Replace(address, "postgres@", "app@", 1), Keys: keys}
	db := opened(t, config)
	if err := knows(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	administer(t, address, `ALTER TABLE django_session ENABLE ROW LEVEL SECURITY`)
	if err := knows(t.Context(), db); err == nil {
		t.Error("sessions that row security hides are told to be none")
	}
	if _, err := django.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "row security") {
		t.Errorf("opened anew: %v, want an error about row security", err)
	}
}

// A text can be made up by a stranger, and be none that a column can hold.
func TestATextThatNoColumnHoldsIsNoOutage(t *testing.T) {
	t.Attr("threat", "L04")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		db := opened(t, django.Config{Database: database, Keys: keys})
		for _, text := range []string{"a\x00b", "\xff", "a\xc3"} {
			_, load := db.Accounts().Load(t.Context(), text)
			_, find := db.Accounts().Find(t.Context(), text)
			_, login := db.FindLogin(t.Context(), text)
			group := db.Accounts().DeleteGroup(t.Context(), text)
			for what, err := range map[string]error{"Load": load, "Find": find, "FindLogin": login, "DeleteGroup": group} {
				if !errors.Is(err, account.ErrNotFound) {
					t.Errorf("%s(%q): %v", what, text, err)
				}
			}
			for _, q := range []account.Query{{Search: text}, {Group: text}, {After: text}} {
				if found, err := db.Accounts().List(t.Context(), q); len(found) > 0 || err != nil {
					t.Errorf("%+v: %d users, %v", q, len(found), err)
				}
			}
			if found, err := db.Resets().FindAddress(t.Context(), text, 5); len(found) > 0 || err != nil {
				t.Errorf("%q: %d users with the address, %v", text, len(found), err)
			}
		}
	})
}

// An ID can be made up by a stranger, in a link for a new password, and be too great for the column.
func TestANumberThatNoUserCanHaveIsNoOutage(t *testing.T) {
	t.Attr("threat", "L04")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		db := opened(t, django.Config{Database: database, Keys: keys})
		for _, id := range []string{"2147483647", "2147483648", "99999999999", "999999999999999999", "9999999999999999999"} {
			if u, err := db.Accounts().Load(t.Context(), id); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("user %s is %+v, %v", id, u, err)
			}
			if found, err := db.Accounts().List(t.Context(), account.Query{After: id}); len(found) > 0 || err != nil {
				t.Errorf("after user %s there are %d users, %v", id, len(found), err)
			}
			if n, err := db.Sessions().DeleteUser(t.Context(), id, session.ID{}); n != 0 || err != nil {
				t.Errorf("user %s had %d sessions, %v", id, n, err)
			}
		}
	})
}

// Django locks rows in an order of its own, so one of two transactions that wait for each other is rolled back. No caller gets an error.
func TestADeadlockWithDjangoIsNoOutage(t *testing.T) {
	t.Attr("threat", "L04")
	t.Parallel()
	database := postgresAddress(t)
	djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
	s := opened(t, django.Config{Database: database, Keys: keys}).Accounts()
	var users []*account.User
	for _, name := range []string{"ann", "bob"} {
		u := &account.User{Username: name, DateJoined: 1, Password: "!", IsActive: true}
		if err := s.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	theirs, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close(context.Background())
	execute := func(statement string, args ...any) {
		t.Helper()
		if _, err := theirs.Exec(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	change := func(id string) { execute(`UPDATE auth_user SET first_name = 'Django' WHERE id = $1`, id) }
	execute(`SET deadlock_timeout = '1h'`)
	execute(`BEGIN`)
	change(users[1].ID)
	done, runs := make(chan error, 1), 0
	go func() {
		done <- s.Transact(t.Context(), func(tx account.Tx) error {
			runs++
			for _, u := range users {
				now, err := tx.Load(u.ID)
				if err != nil {
					return err
				}
				now.LastName = "Lee"
				if err := tx.Change(now); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	until(t, "the transaction waits", func() bool {
		var waits bool
		err := theirs.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		return err == nil && waits
	})
	change(users[0].ID) // goes on when the other transaction was rolled back
	execute(`COMMIT`)
	if err := <-done; err != nil || runs < 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	for _, u := range users {
		if got, err := s.Load(t.Context(), u.ID); err != nil || got.FirstName != "Django" || got.LastName != "Lee" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
