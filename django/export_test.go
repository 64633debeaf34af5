package django

import (
	"bytes"
	"compress/zlib"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite3 "modernc.org/sqlite"

	"github.com/cloakroom-auth/cloakroom/session"
)

// SetPage sets how many users are copied in one step.
func (i *Import) SetPage(users int) { i.page = users }

// Indexed returns how many rows the index knows. No other call may be in progress.
func (db *DB) Indexed() int { return len(db.index.rows) }

// InsertSession adds a row to Django's sessions.
func (db *DB) InsertSession(ctx context.Context, key, data string, expires int64) error {
	return (*sessions)(db).insert(ctx, db.write, row{key, data, expires})
}

// Sign returns session_data that holds a JSON object, signed at a time.
func (k Keys) Sign(object string, at int64) (string, error) {
	payload, err := pack([]byte(object))
	return k.sign(payload, at), err
}

// SignAs signs as another session engine of Django does.
func SignAs(salt, secret, text string) string {
	return text + ":" + base64URL(salted(salt+"signer", secret, text))
}

// Open returns the JSON object in session_data, the same object encoded again, and when it was signed.
func (k Keys) Open(data string) (object, anew string, at int64, err error) {
	s, err := k.verify(data)
	if err != nil {
		return "", "", 0, err
	}
	text, err := unpack(s.payload)
	if err != nil {
		return "", "", 0, err
	}
	d, err := parseDict(text)
	if err != nil {
		return "", "", 0, err
	}
	return string(text), string(ascii(d.encode())), s.at, nil
}

// Read returns the session in a row.
func (k Keys) Read(key, data string, expires int64) (*session.Record, error) {
	c := Config{Keys: k}
	c.fill()
	f := c.form()
	s, err := f.read(row{key, data, expires})
	if err != nil {
		return nil, err
	}
	return s.Record, nil
}

// Rewrite returns the data of a row after an update of its session.
func (k Keys) Rewrite(key, data string, change func(r *session.Record)) (string, error) {
	c := Config{Keys: k}
	c.fill()
	f := c.form()
	s, err := f.read(row{key, data, 1 << 40})
	if err != nil {
		return "", err
	}
	next := *s.Record
	change(&next)
	r, _, err := f.write(&next, s)
	return r.data, err
}

var (
	AuthHash = authHash
	HashKind = hashKind
)

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// SignRaw signs bytes that may be non-ASCII.
func (k Keys) SignRaw(object []byte, at int64) string { return k.sign(base64URL(object), at) }

// SignSqueezed is SignRaw that always compresses.
func (k Keys) SignSqueezed(object []byte, at int64) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(object); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return k.sign("."+base64URL(b.Bytes()), at)
}

// ASCII writes JSON as Django does.
func ASCII(object []byte) []byte { return ascii(object) }

// HoldReadings delays all readings of the table of sessions until release is called.
func (db *DB) HoldReadings(ctx context.Context) (release func(), err error) {
	return db.index.unlock, db.index.lock(ctx)
}

// InReading calls do with the table of sessions as it has been read, before the reading ends.
func (db *DB) InReading(ctx context.Context, do func()) error {
	return (*sessions)(db).snapshot(ctx, func(context.Context, *sql.Tx) error { do(); return nil })
}

// Readings returns whether the table is being read, and whether callers wait for the next reading.
func (db *DB) Readings() (now, next bool) {
	db.index.mu.Lock()
	defer db.index.mu.Unlock()
	return db.index.reading, db.index.next != nil
}

// CountQueries replaces the connections that read by ones that count the queries of the table of sessions.
func (db *DB) CountQueries() (*atomic.Int64, error) {
	c := counter{queries: new(atomic.Int64)}
	if path, ok := strings.CutPrefix(db.config.Database, "sqlite:"); ok {
		connector, err := sqlite3.NewConnector("file:" + path + "?_pragma=busy_timeout(5000)")
		if err != nil {
			return nil, err
		}
		c.Connector = connector
	} else {
		config, err := pgx.ParseConfig(db.config.Database)
		if err != nil {
			return nil, err
		}
		c.Connector = stdlib.GetConnector(*config)
	}
	if db.read != db.write {
		if err := db.read.Close(); err != nil {
			return nil, err
		}
	}
	db.read = sql.OpenDB(c)
	return c.queries, nil
}

type counter struct {
	driver.Connector
	queries *atomic.Int64
}

func (c counter) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	return countedConn{conn, c.queries}, err
}

type countedConn struct {
	driver.Conn
	queries *atomic.Int64
}

func (c countedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, `"django_session"`) {
		c.queries.Add(1)
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}
