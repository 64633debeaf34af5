package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

func openRow(t *testing.T) *sqlite.RowConn {
	t.Helper()
	return openRowFile(t, emptyFile(t))
}

// emptyFile returns the path of an empty database.
func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openRowFile(t *testing.T, path string) *sqlite.RowConn {
	t.Helper()
	c, err := sqlite.OpenRowConn("file:" + path + "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// readTexts returns the columns of a row as texts, and fails if there is no row.
func readTexts(t *testing.T, c *sqlite.RowConn, query string, params ...any) (all []string) {
	t.Helper()
	found, err := c.Read(query, func(r sqlstore.Columns) error {
		for i := range r.Len() {
			text, err := r.Text(i)
			if err != nil {
				return err
			}
			all = append(all, text)
		}
		return nil
	}, params...)
	if err != nil || !found {
		t.Fatalf("%s: found %v, %v", query, found, err)
	}
	return all
}

func TestParametersComeBackAsTheyWere(t *testing.T) {
	c := openRow(t)
	long := strings.Repeat("x\x00", 100_000)
	for _, text := range []string{"", "a", "a\x00b", "\xff\xfe", "é", long, "b"} {
		if got := readTexts(t, c, "SELECT $1", text); got[0] != text {
			t.Errorf("got %q, want %q", got[0], text)
		}
		_, err := c.Read("SELECT $1, length($1)", func(r sqlstore.Columns) error {
			got, err := r.Bytes(0)
			n, _ := r.Int64(1)
			if !bytes.Equal(got, []byte(text)) || n != int64(len(text)) || got == nil {
				t.Errorf("got %q of length %d, want %q", got, n, text)
			}
			return err
		}, []byte(text))
		if err != nil {
			t.Error(err)
		}
	}
	for _, n := range []int64{0, 1, -1, 1 << 62} {
		_, err := c.Read("SELECT $1", func(r sqlstore.Columns) (err error) {
			if got, _ := r.Int64(0); got != n {
				t.Errorf("got %d, want %d", got, n)
			}
			return nil
		}, n)
		if err != nil {
			t.Error(err)
		}
	}
}

func TestNullIsToldFromTheEmptyText(t *testing.T) {
	_, err := openRow(t).Read("SELECT NULL, ''", func(r sqlstore.Columns) error {
		if !r.Null(0) || r.Null(1) {
			t.Errorf("got %v and %v, want true and false", r.Null(0), r.Null(1))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNoRowIsNoError(t *testing.T) {
	found, err := openRow(t).Read("SELECT 1 WHERE $1 = 2", func(sqlstore.Columns) error {
		t.Error("scan was called")
		return nil
	}, 1)
	if found || err != nil {
		t.Errorf("got %v, %v; want false, nil", found, err)
	}
}

func TestWhatFailsIsAnError(t *testing.T) {
	c := openRow(t)
	none := func(sqlstore.Columns) error { return nil }
	for query, params := range map[string][]any{
		"SELECT": nil, "SELECT * FROM nothing": nil, "SELECT $1": nil, "SELECT 1": {1}, "SELECT $1 AS a": {true},
		"SELECT $1 AS b": {make([]byte, 2<<20)}, "SELECT json('{')": nil,
	} {
		if _, err := c.Read(query, none, params...); err == nil {
			t.Errorf("%s with %d parameters: no error", query, len(params))
		}
	}
	failed := errors.New("scan failed")
	if _, err := c.Read("SELECT 1", func(sqlstore.Columns) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want the error of scan", err)
	}
	if got := readTexts(t, c, "SELECT 'still'"); got[0] != "still" {
		t.Errorf("after errors: got %q", got)
	}
	if _, err := sqlite.OpenRowConn("file:" + filepath.Join(t.TempDir(), "none.db") + "?mode=rw"); err == nil {
		t.Error("a missing file was opened")
	}
}

func TestAReadHoldsNoTransactionOpen(t *testing.T) {
	path := emptyFile(t)
	writer, reader := openRowFile(t, path), openRowFile(t, path)
	none := func(sqlstore.Columns) error { return nil }
	run := func(query string) {
		t.Helper()
		if _, err := writer.Read(query, none); err != nil {
			t.Fatal(query, err)
		}
	}
	run("CREATE TABLE t (n)")
	run("INSERT INTO t VALUES (1), (2)")
	// Without a log each write would wait for the end of the read, and fail here, since there is no timeout.
	for _, want := range []string{"1", "7"} {
		if got := readTexts(t, reader, "SELECT n FROM t ORDER BY rowid"); got[0] != want {
			t.Errorf("got %s, want %s", got, want)
		}
		run("UPDATE t SET n = 7")
	}
}

func TestSetTellsWhatTheValueIs(t *testing.T) {
	c := openRow(t)
	if got, err := c.Set("foreign_keys", "on"); got != "1" || err != nil {
		t.Errorf("got %q, %v; want 1", got, err)
	}
	if got, err := c.Set("no_such_pragma", "on"); got != "" || err != nil {
		t.Errorf("an unknown one: got %q, %v; want nothing", got, err)
	}
}
