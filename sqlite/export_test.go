package sqlite

import (
	"context"
	"database/sql"
)

// Pools are the connections of a DB.
func (db *DB) Pools() (read, write *sql.DB) { return db.read, db.write }

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

// OpenRowConn opens the file that a URI of SQLite's names.
func OpenRowConn(uri string) (*RowConn, error) { return openRowConn(uri) }
