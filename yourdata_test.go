package cloakroom_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

// TestTablesOfAProgramReferToUsers as docs/your-data.md says: in the same SQLite file, with each of the three kinds of foreign key.
func TestTablesOfAProgramReferToUsers(t *testing.T) {
	data := t.TempDir()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "cloakroom.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE shop_carts (user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE)`,
		`CREATE TABLE shop_orders (user_id INTEGER REFERENCES users (id) ON DELETE SET NULL)`,
		`CREATE TABLE shop_invoices (user_id INTEGER NOT NULL REFERENCES users (id))`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	user := func(name string) *account.User {
		u, err := s.Accounts.Create(t.Context(), account.NewUser{Username: name, NoPassword: true, Extra: account.Extra{Public: `{"plan":"pro"}`}})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	put := func(table string, u *account.User) {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO `+table+` VALUES ($1)`, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	count := func(query string) (n int) {
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ada, bob := user("ada"), user("bob")
	put("shop_carts", ada)
	put("shop_orders", ada)
	put("shop_invoices", bob)
	if err := s.Accounts.Delete(t.Context(), ada.ID); err != nil {
		t.Error(err)
	}
	if n := count(`SELECT count(*) FROM shop_carts`); n != 0 {
		t.Errorf("%d carts are left", n)
	}
	if n := count(`SELECT count(*) FROM shop_orders WHERE user_id IS NULL`); n != 1 {
		t.Errorf("%d orders are without a user, want 1", n)
	}
	if err := s.Accounts.Delete(t.Context(), bob.ID); err == nil {
		t.Error("a user that an invoice needs was deleted")
	}
	if u, err := s.Accounts.Store.Load(t.Context(), bob.ID); err != nil || u.Username != "bob" {
		t.Errorf("the refused deletion has left %+v, %v", u, err)
	}
}
