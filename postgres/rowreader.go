package postgres

import (
	"context"
	"database/sql"
	"encoding/binary"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// readRow implements sqlstore.Dialect.ReadRow.
func readRow(pool *sql.DB) func(context.Context, string, func(sqlstore.Columns) error, ...any) error {
	return func(ctx context.Context, query string, scan func(sqlstore.Columns) error, args ...any) error {
		found := false
		err := eachRow(ctx, pool, query, func(c sqlstore.Columns) error {
			if found {
				return nil
			}
			found = true
			return scan(c)
		}, args...)
		if err == nil && !found {
			return sql.ErrNoRows
		}
		return err
	}
}

// readRows implements sqlstore.Dialect.ReadRows.
func readRows(pool *sql.DB) func(context.Context, string, [][]byte, func(sqlstore.Columns) error) error {
	return func(ctx context.Context, query string, ids [][]byte, scan func(sqlstore.Columns) error) error {
		return eachRow(ctx, pool, query, scan, ids)
	}
}

// eachRow runs a query on one of the pool's connections. The query and its answer don't go through package database/sql.
func eachRow(ctx context.Context, pool *sql.DB, query string, scan func(sqlstore.Columns) error, args ...any) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives the connection back
	return conn.Raw(func(c any) error {
		return c.(*pg.Conn).ReadRows(ctx, query, func(row pgx.Rows) error { return scan(newColumns(row)) }, args...)
	})
}

// columns are the columns of the row that an answer has reached. The texts that it returns keep all of the row in memory.
type columns struct {
	fields []pgconn.FieldDescription
	values [][]byte
	types  *pgtype.Map
	row    string // a copy of the values, one after the other
	ends   []int  // of each value in it
}

func newColumns(rows pgx.Rows) *columns {
	c := &columns{fields: rows.FieldDescriptions(), values: rows.RawValues(), types: rows.Conn().TypeMap()}
	c.ends = make([]int, len(c.values))
	size := 0
	for i, v := range c.values {
		size += len(v)
		c.ends[i] = size
	}
	var row strings.Builder
	row.Grow(size)
	for _, v := range c.values {
		row.Write(v)
	}
	c.row = row.String()
	return c
}

func (c *columns) Len() int        { return len(c.values) }
func (c *columns) Null(i int) bool { return c.values[i] == nil }

// raw returns a value as the server has sent it.
func (c *columns) raw(i int) string { return c.row[c.ends[i]-len(c.values[i]) : c.ends[i]] }

// isBinary reports whether a column is of this type and in binary format.
func (c *columns) isBinary(i int, oid uint32) bool {
	f := &c.fields[i]
	return f.Format == pgtype.BinaryFormatCode && f.DataTypeOID == oid
}

func (c *columns) Int64(i int) (int64, error) {
	v := c.values[i]
	switch {
	case c.isBinary(i, pgtype.Int8OID) && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), nil
	case c.isBinary(i, pgtype.BoolOID) && len(v) == 1:
		return int64(v[0]), nil
	case c.fields[i].DataTypeOID == pgtype.BoolOID:
		if yes, err := scanned[bool](c, i); err != nil || !yes {
			return 0, err
		}
		return 1, nil
	}
	return scanned[int64](c, i)
}

func (c *columns) Text(i int) (string, error) {
	switch f := &c.fields[i]; f.DataTypeOID {
	case pgtype.ByteaOID:
		if f.Format != pgtype.BinaryFormatCode {
			b, err := scanned[[]byte](c, i)
			return string(b), err
		}
		return c.raw(i), nil
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.JSONOID:
		return c.raw(i), nil
	}
	return scanned[string](c, i)
}

// Bytes returns a copy.
func (c *columns) Bytes(i int) ([]byte, error) {
	text, err := c.Text(i)
	return []byte(text), err
}

// scanned returns a value of another type or format, by the rules of pgx.
func scanned[T any](c *columns, i int) (value T, err error) {
	err = c.types.Scan(c.fields[i].DataTypeOID, c.fields[i].Format, c.values[i], &value)
	return value, err
}
