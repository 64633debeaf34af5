package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ReadRow runs a query and calls scan with the first row of the answer, if the server hasn't turned read-only. scan must keep no
// memory of the row. It returns sql.ErrNoRows if there is none.
func (c *Conn) ReadRow(ctx context.Context, query string, scan func(row pgx.Rows) error, args ...any) error {
	rows, err := c.Conn.Conn().Query(ctx, query, args...)
	if err != nil {
		if pgconn.SafeToRetry(err) {
			return driver.ErrBadConn
		}
		return c.judge(err)
	}
	defer rows.Close()
	found := rows.Next()
	var scanned error
	if found {
		scanned = scan(rows)
	}
	rows.Close() // the server reports its settings at the end of the answer
	if err := c.judge(rows.Err()); err != nil {
		return err
	}
	if !found {
		return sql.ErrNoRows
	}
	return scanned
}
