package docs_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cloakroom-auth/cloakroom"
)

// statements runs a block beside the tables of the program: in a schema of their own if it has a name.
func statements(t *testing.T, b block, database, schema string) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	config := cloakroom.Config{Data: t.TempDir(), DB: database}
	if schema != "" {
		config = cloakroom.Config{Data: t.TempDir(), Pool: pool}
	}
	srv, err := cloakroom.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if _, err := pool.Exec(t.Context(), b.text); err != nil {
		t.Error(err)
	}
}

// onOwnFile runs a block in an SQLite file that the program shares.
func onOwnFile(t *testing.T, b block) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	srv, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), SQLite: db})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if _, err := db.ExecContext(t.Context(), b.text); err != nil {
		t.Error(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO orders VALUES (4711)`); err == nil {
		t.Error("an order of no user is taken")
	}
}
