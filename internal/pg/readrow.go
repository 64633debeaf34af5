package pg

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ReadRows runs a query and calls scan with each row of the answer, until it returns an error. The answer counts only if the server hasn't
// turned read-only. scan must keep no memory of the row.
func (c *Conn) ReadRows(ctx context.Context, query string, scan func(row pgx.Rows) error, args ...any) error {
	rows, err := c.Conn.Conn().Query(ctx, query, args...)
	if err != nil {
		if pgconn.SafeToRetry(err) {
			return driver.ErrBadConn
		}
		return c.judge(err)
	}
	defer rows.Close()
	var scanned error
	for scanned == nil && rows.Next() {
		scanned = scan(rows)
	}
	rows.Close() // the server reports its settings at the end of the answer
	if err := c.judge(rows.Err()); err != nil {
		return err
	}
	return scanned
}
