package django

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite"
)

// dialect is how the SQL of PostgreSQL and SQLite differs. Both accept $1 and CAST(… AS TEXT).
type dialect struct {
	postgres  bool
	columns   string // the names and types of the columns of the table $1
	tables    string // the names of all tables
	lock      string // at the end of a SELECT: locks the rows against changes until the transaction ends
	share     string // the same, as a shared lock
	jsonArray string // the aggregate function that makes a JSON array
	signature string // the signature, which is the last 43 characters of %s
	instant   string // the time %s as text: YYYY-MM-DD HH:MM:SS with an optional fraction
	anyOf     string // a condition: %s is one of the texts in the JSON array $1

	lockRights string // a statement that waits until no other transaction that ran it is open; "": the database runs one writing transaction at a time anyway
}

var sqliteDialect = dialect{
	columns:   `SELECT name, lower(type) FROM pragma_table_info($1)`,
	tables:    `SELECT name FROM sqlite_master WHERE type = 'table'`,
	jsonArray: "json_group_array",
	signature: "substr(%s, -43)",
	instant:   "CAST(%s AS TEXT)",
	anyOf:     "%s IN (SELECT value FROM json_each($1))",
}

var postgresDialect = dialect{
	postgres: true,
	columns: `SELECT column_name, data_type || COALESCE('(' || character_maximum_length || ')', '') FROM information_schema.columns
		WHERE table_name = $1 AND table_schema = ANY (current_schemas(false))`,
	tables:    `SELECT table_name FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false))`,
	lock:      " FOR UPDATE",
	share:     " FOR SHARE",
	jsonArray: "json_agg",
	signature: "right(%s, 43)",
	instant:   "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
	anyOf:     "%s IN (SELECT json_array_elements_text($1::json))",

	// "Cloa" as a number, and one more digit, which no key of package postgres has: its locks are in the same database.
	lockRights: "SELECT pg_advisory_xact_lock(7020664106)",
}

// timeLayouts are the layouts in which a time may stand in an SQLite file: Django's own, and those that Django reads from
// other programs. Each accepts a fraction.
var timeLayouts = []string{time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04", time.DateOnly}

// seconds parses a time as dialect.instant returns it, and cuts off the fraction.
func (db *DB) seconds(text string) (int64, error) {
	zone := db.config.Zone
	if db.dialect.postgres {
		zone = time.UTC
	}
	for _, form := range timeLayouts {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time in a layout that Django reads", text)
}

// endOfTime is the last second of the year 9999, the latest that Python's datetime can hold.
const endOfTime = 253402300799

// stamp returns a time as an argument for its column. On SQLite it is exactly Django's text, since SQLite compares times as
// text.
func (db *DB) stamp(seconds int64) string {
	t := time.Unix(min(seconds, endOfTime), 0)
	if db.dialect.postgres {
		return t.UTC().Format(time.DateTime) + "+00"
	}
	return t.In(db.config.Zone).Format(time.DateTime)
}

// format puts a column into one of the dialect's expressions.
func (d dialect) format(form, column string) string { return fmt.Sprintf(form, column) }

// openSQLite opens two pools on Django's file: readers don't wait for each other, and writers queue for one connection. The
// journal mode stays as it is.
func openSQLite(path string) (read, write *sql.DB, err error) {
	if path == "" {
		return nil, nil, fmt.Errorf("the address names no file; give django+sqlite:PATH")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	if err := readable(path); err != nil {
		return nil, nil, err
	}
	if path = filepath.ToSlash(path); path[0] != '/' {
		path = "/" + path // C:/…
	}
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	open := func(begin, readOnly string) (*sql.DB, error) {
		query := url.Values{"mode": {"rw"}, "_txlock": {begin}, "_dqs": {"0"}, "_error_rc": {"1"}, "_pragma": {
			"busy_timeout(5000)", "synchronous(full)", "foreign_keys(on)", "query_only(" + readOnly + ")",
		}}
		connector, err := sqlite3.NewConnector("file:" + escaped + "?" + query.Encode())
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	if read, err = open("deferred", "on"); err != nil {
		return nil, nil, err
	}
	if write, err = open("immediate", "off"); err != nil {
		return nil, nil, err
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	write.SetMaxOpenConns(1)
	return read, write, nil
}

// readable returns the system's reason why a file can't be opened. SQLite would not give it.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
