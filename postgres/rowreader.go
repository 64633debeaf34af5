package postgres

import (
	"context"
	"database/sql"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// readRow implements sqlstore.Dialect.ReadRow. The connection is one of the pool's, but the query and its answer don't go through
// package database/sql.
func readRow(pool *sql.DB) func(context.Context, string, func(sqlstore.Columns) error, ...any) error {
	return func(ctx context.Context, query string, scan func(sqlstore.Columns) error, args ...any) error {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // gives the connection back
		return conn.Raw(func(c any) error {
			return c.(*pg.Conn).ReadRow(ctx, query, func(row pgx.Rows) error { return scan(newColumns(row)) }, args...)
		})
	}
}

// columns are the columns of the row that an answer has reached.
type columns struct {
	fields []pgconn.FieldDescription
	values [][]byte
	types  *pgtype.Map
}

func newColumns(rows pgx.Rows) *columns {
	return &columns{rows.FieldDescriptions(), rows.RawValues(), rows.Conn().TypeMap()}
}

func (c *columns) Len() int        { return len(c.values) }
func (c *columns) Null(i int) bool { return c.values[i] == nil }

func (c *columns) scan(i int, dest any) error {
	return c.types.Scan(c.fields[i].DataTypeOID, c.fields[i].Format, c.values[i], dest)
}

func (c *columns) Int64(i int) (n int64, err error) {
	v := c.values[i]
	binaryFormat := c.fields[i].Format == pgtype.BinaryFormatCode
	switch oid := c.fields[i].DataTypeOID; {
	case oid == pgtype.BoolOID:
		var b bool
		if err = c.scan(i, &b); b {
			n = 1
		}
		return n, err
	case oid == pgtype.Int8OID && binaryFormat && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), nil
	}
	err = c.scan(i, &n)
	return n, err
}

func (c *columns) Text(i int) (text string, err error) {
	switch oid := c.fields[i].DataTypeOID; {
	case oid == pgtype.ByteaOID && c.fields[i].Format != pgtype.BinaryFormatCode:
		b, err := c.Bytes(i)
		return string(b), err
	case oid == pgtype.ByteaOID, oid == pgtype.TextOID, oid == pgtype.VarcharOID, oid == pgtype.JSONOID:
		return string(c.values[i]), nil
	}
	err = c.scan(i, &text)
	return text, err
}

func (c *columns) Bytes(i int) (b []byte, err error) {
	if c.fields[i].DataTypeOID == pgtype.ByteaOID {
		err = c.scan(i, &b)
		return b, err
	}
	text, err := c.Text(i)
	return []byte(text), err
}
