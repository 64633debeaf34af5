package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// TestEachStatementIsOfTheSchema: it is prepared when it is first run, which for some is seldom.
func TestEachStatementIsOfTheSchema(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	_, write := db.Pools()
	for _, query := range db.Queries() {
		s, err := write.PrepareContext(t.Context(), query)
		if err != nil {
			t.Errorf("%v: %s", err, query)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(db.Queries()); n < 100 {
		t.Errorf("there are %d statements", n)
	}
}

// TestAStatementCanRunTwiceAtATime: what is kept of the first use isn't used by the second before the first ends.
func TestAStatementCanRunTwiceAtATime(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	_, write := db.Pools()
	tx, err := write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const query = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n`
	for range 2 { // the second time with what the first has kept
		total := 0
		outer, err := tx.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for outer.Next() {
			inner, err := tx.QueryContext(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for inner.Next() {
				total++
			}
			if err := inner.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := outer.Close(); err != nil || total != 9 {
			t.Errorf("%d rows, want 9 (%v)", total, err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	conn, err := write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := sqlite.Kept(conn); err != nil || n != 1 {
		t.Errorf("%d statements are kept, want 1 (%v)", n, err)
	}
}

// TestANewStatementIsKeptAmongMany: however many others there were, and without more of them than are allowed.
func TestANewStatementIsKeptAmongMany(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	_, write := db.Pools()
	conn, err := write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range sqlite.MostPrepared + 10 {
		query := fmt.Sprintf("SELECT %d", i)
		var got int
		if err := conn.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != i {
			t.Fatalf("%s: %d, %v", query, got, err)
		}
		if kept, err := sqlite.Keeps(conn, query); err != nil || !kept {
			t.Fatalf("%s isn't kept (%v)", query, err)
		}
	}
	if n, err := sqlite.Kept(conn); err != nil || n != sqlite.MostPrepared {
		t.Errorf("%d statements are kept, want %d (%v)", n, sqlite.MostPrepared, err)
	}
}
