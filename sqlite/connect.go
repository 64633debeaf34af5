package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

var dialect = sqlstore.Dialect{
	Name:       "sqlite3",
	Bytes:      func(text string) any { return text },
	Unique:     isUnique,
	ForeignKey: func(err error) (table string, broken bool) { return "", isForeignKey(err) },
	JSONArray:  func(item string) string { return "nullif(json_group_array(" + item + "), '[]')" },
	Number:     func(column string) string { return "CAST(" + column + " AS INTEGER)" },
	Position:   func(text, part string) string { return "instr(" + text + ", " + part + ")" },
}

func isUnique(err error) bool {
	return hasCode(err, sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// isForeignKey reports whether err is of a foreign key. One with RESTRICT has the code of triggers.
func isForeignKey(err error) bool {
	return hasCode(err, sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY) ||
		hasCode(err, sqlitelib.SQLITE_CONSTRAINT_TRIGGER) && strings.Contains(err.Error(), "FOREIGN KEY constraint failed")
}

// hasCode reports whether err is an SQLite error with one of these codes. A primary code matches all its extended codes.
func hasCode(err error, codes ...int) bool {
	var e *sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains(codes, e.Code()) || slices.Contains(codes, e.Code()&0xff)
}

// explain adds to an error of SQLite what the operator can do about it.
func explain(err error) error {
	switch {
	case hasCode(err, sqlitelib.SQLITE_BUSY):
		return fmt.Errorf("%w; another program is holding it", err)
	case hasCode(err, sqlitelib.SQLITE_CORRUPT):
		return fmt.Errorf("%w; restore a backup, or what the sqlite3 program's .recover can save", err)
	case hasCode(err, sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY):
		return fmt.Errorf("%w; the file and its directory must be writable", err)
	}
	return err
}

// setting is a PRAGMA, the value it is set to, and the value that it must read as afterwards.
type setting struct{ name, value, reads string }

// settings are those of every connection to the stores.
var settings = []setting{
	{"busy_timeout", "5000", "5000"},
	{"journal_mode", "wal", "wal"},
	{"synchronous", "full", "2"}, // a commit waits for the disk
	{"foreign_keys", "on", "1"},  // off by default on every new connection
	{"trusted_schema", "off", "0"},
	{"secure_delete", "fast", "2"}, // deleted data is overwritten where that needs no extra write
	{"wal_autocheckpoint", "1000", "1000"},
	{"journal_size_limit", "67108864", "67108864"}, // the WAL shrinks again after a long read has let it grow
}

// use is the purpose of a connection: how its transactions begin, and its settings.
type use struct {
	transactions string
	settings     []setting
}

var (
	reading = use{"deferred", append(slices.Clone(settings), setting{"query_only", "on", "1"})}
	writing = use{"immediate", append(slices.Clone(settings), setting{"query_only", "off", "0"})}
)

// pool returns a pool of connections with the settings of their use. It opens no connection yet.
func pool(path string, u use) *sql.DB {
	return sql.OpenDB(connector{path, u})
}

// connector makes connections and reads their settings back, because SQLite ignores a PRAGMA that it can't carry out.
type connector struct {
	path string
	use  use
}

func (c connector) Driver() driver.Driver { return &sqlite3.Driver{} }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	name, err := c.name()
	if err != nil {
		return nil, err
	}
	base, err := sqlite3.NewConnector(name)
	if err != nil {
		return nil, err
	}
	conn, err := base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range c.use.settings {
		if err := check(ctx, conn, s); err != nil {
			conn.Close()
			return nil, fmt.Errorf("connect to %s: %w", c.path, err)
		}
	}
	return conn, nil
}

// name returns the URI of the database. With mode=rw a missing file is an error instead of a new, empty database.
func (c connector) name() (string, error) {
	query := url.Values{"mode": {"rw"}, "_txlock": {c.use.transactions}, "_dqs": {"0"}, "_defensive": {"1"}, "_error_rc": {"1"}}
	for _, s := range c.use.settings {
		query.Add("_pragma", s.name+"("+s.value+")")
	}
	path, err := filepath.Abs(c.path)
	if err != nil {
		return "", err
	}
	if path = filepath.ToSlash(path); path[0] != '/' {
		path = "/" + path // C:/…
	}
	escape := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")
	return "file:" + escape.Replace(path) + "?" + query.Encode(), nil
}

func check(ctx context.Context, conn driver.Conn, s setting) error {
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "PRAGMA "+s.name, nil)
	if err != nil {
		return fmt.Errorf("read back %s: %w", s.name, err)
	}
	defer rows.Close()
	value := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(value); err != nil && err != io.EOF {
		return fmt.Errorf("read back %s: %w", s.name, err)
	}
	if len(value) != 1 || fmt.Sprint(value[0]) != s.reads {
		return fmt.Errorf("%s is %v, but must be %s", s.name, value, s.reads)
	}
	return nil
}
