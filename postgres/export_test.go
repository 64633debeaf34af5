package postgres

import "database/sql"

const LockPurge = lockPurge

// Pool returns the connections under the stores, which try nothing again.
func (db *DB) Pool() *sql.DB { return db.pool }
