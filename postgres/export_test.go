package postgres

import "database/sql"

const LockPurge = lockPurge

// Pool returns the connections under the stores, which repeat nothing.
func (db *DB) Pool() *sql.DB { return db.pool }
