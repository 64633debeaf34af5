package postgres

import (
	"context"
	"database/sql"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

const LockPurge = lockPurge

// Pool returns the connections under the stores, which repeat nothing.
func (db *DB) Pool() *sql.DB { return db.pool }

// Prepare prepares every statement for the tables in a schema.
func Prepare(ctx context.Context, db *sql.DB, schema string) error {
	d := dialectIn(schema)
	d.Unprepared = false
	_, err := sqlstore.New(ctx, db, db, d)
	return err
}

// Tables are the names of all tables.
func Tables() []string { return append(dialect.Tables(), dialect.Versions) }
