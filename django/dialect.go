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

// dialect is how one database's SQL differs from the other's. Both know $1 and CAST(… AS TEXT).
type dialect struct {
	postgres  bool
	columns   string // the names and types of the columns of the table $1
	tables    string // the names of all tables
	lock      string // at the end of a SELECT: nobody else changes the row before the transaction ends
	share     string // likewise, while others may lock it in the same way
	jsonArray string // the aggregate function that makes a JSON array
	tail      string // the last 43 characters of %s
	instant   string // the time %s as text, YYYY-MM-DD HH:MM:SS and perhaps a fraction
	anyOf     string // a condition: %s is one of the texts in the JSON array $1

	lockRights string // a statement: no other transaction that ran it is under way; empty: transactions write one at a time
}

var sqliteDialect = dialect{
	columns:   `SELECT name, lower(type) FROM pragma_table_info($1)`,
	tables:    `SELECT name FROM sqlite_master WHERE type = 'table'`,
	jsonArray: "json_group_array",
	tail:      "substr(%s, -43)",
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
	tail:      "right(%s, 43)",
	instant:   "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
	anyOf:     "%s IN (SELECT json_array_elements_text($1::json))",

	lockRights: "SELECT pg_advisory_xact_lock(7020664105)", // "Cloa" as a number, and one more digit
}

// forms are those in which a time may stand in an SQLite file: as Django writes it, and what Django reads besides, which other
// programs have written. Each takes a fraction.
var forms = []string{time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04", time.DateOnly}

// seconds reads a time as instant writes it; a fraction is cut off.
func (db *DB) seconds(text string) (int64, error) {
	zone := db.config.Zone
	if db.dialect.postgres {
		zone = time.UTC
	}
	for _, form := range forms {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time as Django writes it", text)
}

// endOfTime is the last second of the year 9999, beyond which Python has no time.
const endOfTime = 253402300799

// stamp returns a time as an argument for its column: on SQLite exactly Django's text, since that is how it compares.
func (db *DB) stamp(seconds int64) string {
	t := time.Unix(min(seconds, endOfTime), 0)
	if db.dialect.postgres {
		return t.UTC().Format(time.DateTime) + "+00"
	}
	return t.In(db.config.Zone).Format(time.DateTime)
}

func (d dialect) of(form, column string) string { return fmt.Sprintf(form, column) }

// openSQLite opens two pools on Django's file: reads wait for nobody here, writes queue for one connection. The journal
// stays as Django has it.
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

// readable says why a file can't be opened. SQLite would say no more than that.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
