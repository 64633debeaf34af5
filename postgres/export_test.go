package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

const LockPurge = lockPurge

// Pool returns the connections under the stores, which repeat nothing.
func (db *DB) Pool() *sql.DB { return db.pool }

// Prepare prepares every statement for the tables in a schema.
func Prepare(ctx context.Context, db *sql.DB, schema string) error {
	for _, query := range sqlstore.New(db, db, dialectIn(schema)).Queries() {
		s, err := db.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("%w: %s", err, query)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Tables are the names of all tables.
func Tables() []string { return append(dialect.Tables(), dialect.Versions) }
