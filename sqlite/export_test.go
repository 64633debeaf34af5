package sqlite

import (
	"context"
	"database/sql"
)

// Pools are the connections of a DB.
func (db *DB) Pools() (read, write *sql.DB) { return db.read, db.write }

// Queries are the statements of the stores.
func (db *DB) Queries() []string { return db.health.Queries() }

// Kept returns how many statements a connection has prepared and keeps.
func Kept(c *sql.Conn) (n int, err error) {
	err = c.Raw(func(driver any) error {
		n = len(driver.(*preparedConn).idle)
		return nil
	})
	return n, err
}

// Keeps reports whether a connection keeps a statement that it has prepared.
func Keeps(c *sql.Conn, query string) (kept bool, err error) {
	err = c.Raw(func(driver any) error {
		kept = driver.(*preparedConn).idle[query] != nil
		return nil
	})
	return kept, err
}

// MostPrepared is how many statements a connection keeps.
const MostPrepared = mostPrepared

// ConnectWith connects with one more setting, which must read as given.
func ConnectWith(ctx context.Context, path, name, value, reads string) error {
	u := reading
	u.settings = append([]setting{{name, value, reads}}, u.settings...)
	db := pool(path, u)
	defer db.Close()
	return db.PingContext(ctx)
}

// RowConn reads single rows.
type RowConn = rowConn

// Row is a row of an answer.
type Row = row

// OpenRowConn opens the file that a URI of SQLite's names.
func OpenRowConn(uri string) (*RowConn, error) { return openRowConn(uri) }

// OccupyReaders takes all connections that read, until release is called.
func (db *DB) OccupyReaders() (release func()) {
	slots := db.rows.limit.slots
	for range cap(slots) {
		slots <- struct{}{}
	}
	return func() {
		for range cap(slots) {
			<-slots
		}
	}
}

// Remembered returns how many parameters of queries have remembered rows, and their memory in bytes.
func (db *DB) Remembered() (rows, bytes int) {
	m := &db.rows.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows), m.size
}

// RowMemory remembers rows.
type RowMemory struct{ memory rowMemory }

// NewRowMemory returns a memory that compares these numbers of commits.
func NewRowMemory(commits func() (all uint64, ok bool)) *RowMemory {
	return &RowMemory{rowMemory{commits: commits}}
}

// Find returns the remembered row of a query; nil if there is none.
func (m *RowMemory) Find(query, id string) *Row { return m.memory.find(query, []any{[]byte(id)}) }

// Read remembers a row that was read while something happened.
func (m *RowMemory) Read(query, id string, r *Row, meanwhile func()) {
	before, ok := m.memory.begin()
	meanwhile()
	if ok {
		m.memory.keep(before, query, []any{[]byte(id)}, r)
	}
}
