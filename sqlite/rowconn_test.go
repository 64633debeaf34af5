package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// readRow returns a row, and fails if there is none.
func readRow(t *testing.T, c *sqlite.RowConn, query string, params ...any) *sqlite.Row {
	t.Helper()
	r, err := c.Read(query, params...)
	if err != nil || r == nil {
		t.Fatalf("%s: row %v, %v", query, r, err)
	}
	return r
}

// readTexts returns the columns of a row as texts, and fails if there is no row.
func readTexts(t *testing.T, c *sqlite.RowConn, query string, params ...any) (all []string) {
	t.Helper()
	r := readRow(t, c, query, params...)
	for i := range r.Len() {
		text, err := r.Text(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
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
		r := readRow(t, c, "SELECT $1, length($1)", []byte(text))
		got, err := r.Bytes(0)
		if n, _ := r.Int64(1); !bytes.Equal(got, []byte(text)) || n != int64(len(text)) || got == nil || err != nil {
			t.Errorf("got %q of length %d, want %q (%v)", got, n, text, err)
		}
	}
	for _, n := range []int64{0, 1, -1, 1 << 62} {
		if got, err := readRow(t, c, "SELECT $1", n).Int64(0); got != n || err != nil {
			t.Errorf("got %d, want %d (%v)", got, n, err)
		}
	}
}

func TestNullIsToldFromTheEmptyText(t *testing.T) {
	if r := readRow(t, openRow(t), "SELECT NULL, ''"); !r.Null(0) || r.Null(1) {
		t.Errorf("got %v and %v, want true and false", r.Null(0), r.Null(1))
	}
}

func TestNumbersAndTextsStandForEachOther(t *testing.T) {
	r := readRow(t, openRow(t), "SELECT 17, '18', 1.5, 'x', x'3139'")
	for i, want := range []string{"17", "18", "1.5", "x", "19"} {
		if got, err := r.Text(i); got != want || err != nil {
			t.Errorf("column %d as text: got %q, want %q (%v)", i, got, want, err)
		}
	}
	for i, want := range map[int]int64{0: 17, 1: 18, 4: 19} {
		if got, err := r.Int64(i); got != want || err != nil {
			t.Errorf("column %d as a number: got %d, want %d (%v)", i, got, want, err)
		}
	}
	for _, i := range []int{2, 3} {
		if got, err := r.Int64(i); err == nil {
			t.Errorf("column %d is no whole number: got %d", i, got)
		}
	}
}

func TestARowOutlivesTheNextOne(t *testing.T) {
	c := openRow(t)
	first := readRow(t, c, "SELECT $1, $1", []byte("first"))
	readRow(t, c, "SELECT $1, $1", []byte("other"))
	if got, _ := first.Text(1); got != "first" {
		t.Errorf("got %q after another read", got)
	}
	bytes, _ := first.Bytes(0)
	bytes[0] = 'x'
	if got, _ := first.Bytes(0); string(got) != "first" {
		t.Errorf("got %q after a change of what was returned", got)
	}
}

func TestNoRowIsNoError(t *testing.T) {
	if r, err := openRow(t).Read("SELECT 1 WHERE $1 = 2", 1); r != nil || err != nil {
		t.Errorf("got %v, %v; want none", r, err)
	}
}

func TestWhatFailsIsAnError(t *testing.T) {
	c := openRow(t)
	for query, params := range map[string][]any{
		"SELECT": nil, "SELECT * FROM nothing": nil, "SELECT $1": nil, "SELECT 1": {1}, "SELECT $1 AS a": {true},
		"SELECT $1 AS b": {make([]byte, 2<<20)}, "SELECT json('{')": nil,
	} {
		if _, err := c.Read(query, params...); err == nil {
			t.Errorf("%s with %d parameters: no error", query, len(params))
		}
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
	run := func(query string) {
		t.Helper()
		if _, err := writer.Read(query); err != nil {
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
