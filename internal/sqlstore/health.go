package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

type health struct{ read, beat *sql.Stmt }

func newHealth(p *preparer) *health {
	return &health{
		read: p.reading(`SELECT beats FROM health WHERE id = 1`),
		beat: p.writing(`UPDATE health SET beats = beats + 1 WHERE id = 1`),
	}
}

func (h *health) ping(ctx context.Context) error {
	var beats int64
	if err := h.read.QueryRowContext(ctx).Scan(&beats); err != nil {
		return fmt.Errorf("read from the database: %w", err)
	}
	if _, err := h.beat.ExecContext(ctx); err != nil {
		return fmt.Errorf("write to the database: %w", err)
	}
	return nil
}
