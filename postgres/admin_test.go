package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// connect returns a connection of an administrator.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// sql runs a statement as an administrator would.
func sql(t testing.TB, url, statement string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// count returns the number that a query returns.
func count(t testing.TB, url, query string) (n int) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// hold locks the tables exclusively until release.
func hold(t testing.TB, url string) (release func()) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE sessions, users IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { conn.Close(context.Background()) })
}

// waiting returns how many connections of the database wait for a lock.
func waiting(t testing.TB, url string) int {
	t.Helper()
	return count(t, url, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
