package postgres_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/feed/feedtest"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// lend returns a program's own pool, whose connections have these settings, until the test ends.
func lend(t testing.TB, url string, settings map[string]string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	must(t, err)
	for name, value := range settings {
		config.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// program makes the tables that a program has in the schema public. Some have names that Cloakroom's tables have too.
func program(t testing.TB, url string) {
	t.Helper()
	for _, table := range []string{"users", "sessions", "audit", "groups", "cloakroom_migrations", "orders"} {
		sql(t, url, `CREATE TABLE `+table+` (patient text)`)
	}
}

func lentStores(t *testing.T, url string, pool *pgxpool.Pool) storetest.Stores {
	t.Helper()
	db, err := postgres.Pool{Conns: pool}.Open(t.Context())
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return storetest.Stores{Set: db.Set, Reopen: func(t *testing.T) storetest.Stores {
		must(t, db.Close())
		return lentStores(t, url, pool)
	}}
}

// TestStoresWithAProgramsOwnPool runs the store tests beside a program's tables, in a schema that no search path leads to. The
// program's connections have another isolation level by default. All of them take a while.
func TestStoresWithAProgramsOwnPool(t *testing.T) {
	t.Parallel() // it mostly waits
	used := pgserver.Prepared{Prepare: func(t testing.TB, url string) {
		program(t, url)
		pool := lend(t, url, nil)
		db, err := postgres.Pool{Conns: pool}.Open(t.Context())
		must(t, err)
		must(t, db.Close())
		pool.Close()
	}}
	lent := func(t *testing.T) storetest.Stores {
		url := used.Test(t)
		pool := lend(t, url, map[string]string{"default_transaction_isolation": "repeatable read"})
		t.Cleanup(func() {
			n := 0
			err := pool.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM sessions) +
				(SELECT count(*) FROM audit)`).Scan(&n)
			if err != nil || n != 0 {
				t.Errorf("the program's own tables have %d rows, %v", n, err)
			}
		})
		return lentStores(t, url, pool)
	}
	if os.Getenv("CLOAKROOM_LONG") != "" {
		storetest.Run(t, lent)
		return
	}
	t.Run("accounts", func(t *testing.T) {
		storetest.Accounts(t, func(t *testing.T) account.Store { return lent(t).Accounts })
	})
	t.Run("tokens", func(t *testing.T) {
		storetest.Tokens(t, func(t *testing.T) token.Store { return lent(t).Tokens })
	})
}

// TestAProgramsRowsKeepAUser who is referred to, and a group: also where the foreign key is checked with the commit. The error names the
// table. Without the row the user can be deleted.
func TestAProgramsRowsKeepAUser(t *testing.T) {
	t.Parallel() // it mostly waits
	url := pgserver.Test(t)
	db := lentStores(t, url, lend(t, url, nil))
	for _, table := range []struct{ name, rule string }{{"orders", ""}, {"kept", "ON DELETE RESTRICT"}, {"later", "DEFERRABLE INITIALLY DEFERRED"}} {
		sql(t, url, `CREATE TABLE `+table.name+` (buyer BIGINT REFERENCES cloakroom.users (id) `+table.rule+`)`)
		u := &account.User{Username: "ada", IsActive: true, Epoch: "now"}
		must(t, db.Accounts.Create(t.Context(), u))
		sql(t, url, `INSERT INTO `+table.name+` VALUES (`+u.ID+`)`)
		service := &account.Service{Store: db.Accounts}
		for name, remove := range map[string]func() error{
			"by a store": func() error { return db.Accounts.Delete(t.Context(), u.ID) },
			"by others":  func() error { return service.Delete(t.Context(), u.ID) },
			"by oneself": func() error { return service.DeleteOwn(t.Context(), u.ID, "now") },
		} {
			if err := remove(); !isProtected(err, table.name) {
				t.Errorf("%s, %s: %v", table.name, name, err)
			}
			if _, err := db.Accounts.Load(t.Context(), u.ID); err != nil {
				t.Errorf("%s, %s: %v", table.name, name, err)
			}
		}
		sql(t, url, `DELETE FROM `+table.name)
		if err := service.DeleteOwn(t.Context(), u.ID, "now"); err != nil {
			t.Errorf("%s, without the row: %v", table.name, err)
		}
	}
	sql(t, url, `CREATE TABLE shelf (team BIGINT REFERENCES cloakroom.groups (id))`)
	must(t, db.Accounts.SetGroup(t.Context(), account.Group{Name: "staff"}))
	sql(t, url, `INSERT INTO shelf SELECT id FROM cloakroom.groups`)
	if err := db.Accounts.DeleteGroup(t.Context(), "staff"); !isProtected(err, "shelf") {
		t.Errorf("a group: %v", err)
	}
}

func isProtected(err error, table string) bool {
	invalid, ok := errors.AsType[*account.InvalidError](err)
	if !ok || len(invalid.Fields["non_field_errors"]) != 1 {
		return false
	}
	p := invalid.Fields["non_field_errors"][0]
	return p.Code == "protected" && strings.Contains(p.Message, "("+table+")")
}

// TestEveryStatementNamesItsSchema: on a connection whose search path leads nowhere, each can be prepared.
func TestEveryStatementNamesItsSchema(t *testing.T) {
	url := pgserver.Test(t)
	pool := lend(t, url, nil)
	if _, err := (postgres.Pool{Conns: pool, Schema: "user"}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(lend(t, url, map[string]string{"search_path": `""`}))
	defer db.Close()
	must(t, postgres.Prepare(t.Context(), db, "user"))
	if err := postgres.Prepare(t.Context(), db, "elsewhere"); err == nil {
		t.Error("statements for a schema that isn't there were prepared")
	}
}

// TestTheListOfTablesIsComplete: names that it lacks would stay without their schema, and row security on them would be overlooked.
func TestTheListOfTablesIsComplete(t *testing.T) {
	url := pgserver.Test(t)
	open(t, url)
	rows, err := connect(t, url).Query(t.Context(), `SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`)
	must(t, err)
	var have []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		have = append(have, name)
	}
	must(t, rows.Err())
	if want := slices.Sorted(slices.Values(postgres.Tables())); !slices.Equal(have, want) {
		t.Errorf("the tables are %v, and the list has %v", have, want)
	}
}

// TestAProgramsConnectionsStayAsTheyAre: after Cloakroom's use, no setting of a connection is another one, and none is kept.
func TestAProgramsConnectionsStayAsTheyAre(t *testing.T) {
	url := pgserver.Test(t)
	program(t, url)
	pool := lend(t, url, nil)
	settings := func() (all []string) {
		conns := pool.AcquireAllIdle(t.Context())
		for _, conn := range conns {
			rows, err := conn.Query(t.Context(), `SELECT name || '=' || setting || ' ' || current_schema() FROM pg_settings WHERE source = 'session'
				UNION SELECT 'a transaction' FROM pg_stat_activity WHERE pid = pg_backend_pid() AND xact_start < query_start`)
			must(t, err)
			for rows.Next() {
				var text string
				must(t, rows.Scan(&text))
				all = append(all, text)
			}
			must(t, rows.Err())
			conn.Release()
		}
		return slices.Compact(slices.Sorted(slices.Values(all)))
	}
	must(t, pool.Ping(t.Context()))
	before := settings()
	db, err := postgres.Pool{Conns: pool}.Open(t.Context())
	must(t, err)
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			if err := db.Sessions.Create(t.Context(), ticket(n)); err != nil {
				t.Error(err)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	eventually(t, "all connections are back", func() bool { return pool.Stat().AcquiredConns() == 0 })
	if after := settings(); !slices.Equal(before, after) {
		t.Errorf("the settings were %q, and are %q", before, after)
	}
	var schema string
	must(t, pool.QueryRow(t.Context(), `SELECT current_schema()`).Scan(&schema))
	if schema != "public" {
		t.Errorf("the program's statements go to the schema %s", schema)
	}
	must(t, db.Close())
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("after Close, the program's pool: %v", err)
	}
}

// TestPoolsThatKeepNoPromiseAreRefused, and so are names that can't stand in a statement.
func TestPoolsThatKeepNoPromiseAreRefused(t *testing.T) {
	url := pgserver.Test(t)
	for name, c := range map[string]struct {
		settings map[string]string
		schema   string
		want     string
	}{
		"not on the disk": {settings: map[string]string{"synchronous_commit": "off"}, want: "synchronous_commit is off"},
		"read-only":       {settings: map[string]string{"default_transaction_read_only": "on"}, want: "read-only"},
		"a quoted name":   {schema: `a"; DROP SCHEMA public; --`, want: "no name of a schema"},
		"a system's name": {schema: "pg_own", want: "no name of a schema"},
		"a long name":     {schema: strings.Repeat("a", 64), want: "no name of a schema"},
	} {
		pool := lend(t, url, c.settings)
		_, err := postgres.Pool{Conns: pool, Schema: c.schema}.Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := (postgres.Pool{Conns: lend(t, url+"?pool_max_conns=1", nil)}).Open(t.Context()); err == nil {
		t.Error("a pool of one connection is accepted")
	}
	if n := count(t, url, `SELECT count(*) FROM pg_namespace WHERE nspname = 'cloakroom'`); n != 0 {
		t.Error("a refused pool has left a schema")
	}
}

// TestATransactionSeesWhatWasCommittedBeforeItsLock, whatever the program's default is.
func TestATransactionSeesWhatWasCommittedBeforeItsLock(t *testing.T) {
	url := pgserver.Test(t)
	db, err := postgres.Pool{Conns: lend(t, url, map[string]string{"default_transaction_isolation": "serializable"})}.Open(t.Context())
	must(t, err)
	defer db.Close()
	tx, err := db.Pool().BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback()
	var level string
	must(t, tx.QueryRowContext(t.Context(), `SHOW transaction_isolation`).Scan(&level))
	if level != "read committed" {
		t.Errorf("transactions are %s", level)
	}
}

// TestARoleWithoutTheRightToMakeASchemaUsesOneThatIsThere.
func TestARoleWithoutTheRightToMakeASchemaUsesOneThatIsThere(t *testing.T) {
	server := pgserver.TestServer(t)
	url := server.URL("postgres")
	sql(t, url, `CREATE ROLE app LOGIN`)
	pool := lend(t, strings.Replace(url, "postgres@", "app@", 1), nil)
	if _, err := (postgres.Pool{Conns: pool}).Open(t.Context()); err == nil || !strings.Contains(err.Error(), "make the schema cloakroom") {
		t.Errorf("without the right: %v", err)
	}
	sql(t, url, `CREATE SCHEMA cloakroom AUTHORIZATION app`)
	db, err := postgres.Pool{Conns: pool}.Open(t.Context())
	must(t, err)
	must(t, db.Close())
}

// TestABorrowedConnectionIsNotUsedAfterItsServerTurnsReadOnly: such a server may no longer receive what ends sessions.
func TestABorrowedConnectionIsNotUsedAfterItsServerTurnsReadOnly(t *testing.T) {
	t.Parallel() // it mostly waits
	server := pgserver.TestServer(t)
	pool := lend(t, server.URL("postgres"), nil)
	db, err := postgres.Pool{Conns: pool}.Open(t.Context())
	must(t, err)
	defer db.Close()
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	warm(t, db)
	readOnly(t, server)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if r, err := db.Sessions.Load(t.Context(), ticketID(1)); err == nil {
				t.Errorf("a session is loaded from a server that is read-only: %+v", r)
			}
		})
	}
	group.Wait()
}

// TestAnExhaustedPoolIsAnOutage that ends with the caller's context.
func TestAnExhaustedPoolIsAnOutage(t *testing.T) {
	url := pgserver.Test(t)
	pool := lend(t, url+"?pool_max_conns=2", nil)
	db, err := postgres.Pool{Conns: pool}.Open(t.Context())
	must(t, err)
	defer db.Close()
	must(t, db.Sessions.Create(t.Context(), ticket(1)))
	for range 2 {
		conn, err := pool.Acquire(t.Context())
		must(t, err)
		defer conn.Release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.Sessions.Load(ctx, ticketID(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the program has all connections: %v", err)
	}
}

// TestTheFeedBesideAPool: it works on the settings of the pool, and those who come by an address with the schema are on it too.
func TestTheFeedBesideAPool(t *testing.T) {
	feedtest.Run(t, func(t *testing.T) feedtest.Broadcast {
		url := pgserver.Test(t)
		sql(t, url, `CREATE SCHEMA cloakroom`)
		n := 0
		return feedtest.Broadcast{
			Join: func(t *testing.T) feed.Feed {
				if n++; n%2 == 0 {
					return newFeed(t, url+"?search_path=cloakroom")
				}
				f, err := pg.NewFeedBeside(lend(t, url, nil), "cloakroom")
				must(t, err)
				t.Cleanup(func() { f.Close() })
				return f
			},
			Cut: func(t *testing.T) {
				sql(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			},
		}
	})
}
