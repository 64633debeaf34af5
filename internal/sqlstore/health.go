package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

type health struct {
	dialect Dialect
	read    rowQuery
	beat    *statement
}

func newHealth(p *queries) *health {
	return &health{
		dialect: p.dialect,

		read: p.row(`SELECT beats FROM health WHERE id = 1`),
		beat: p.writing(`UPDATE health SET beats = beats + 1 WHERE id = 1`),
	}
}

func (h *health) ping(ctx context.Context) error {
	if _, err := one(ctx, h.dialect, h.read, scanNumber, sql.ErrNoRows); err != nil {
		return fmt.Errorf("read from the database: %w", err)
	}
	n, err := affected(h.beat.ExecContext(ctx))
	if err == nil && n != 1 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return fmt.Errorf("write to the database: %w", err)
	}
	return nil
}

func scanNumber(row scanner) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}
