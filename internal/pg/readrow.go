package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// readRow is [Pool.ReadRow] on one connection.
func (c *Conn) readRow(ctx context.Context, query string, scan func(row pgx.Rows) error, args ...any) error {
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
