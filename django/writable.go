package django

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/session"
)

// Writable returns an error that says which needed write access is missing, if any. It changes nothing.
func (db *DB) Writable(ctx context.Context) error {
	if db.dialect.postgres {
		return db.checkPrivileges(ctx)
	}
	return db.checkFile(ctx)
}

// checkPrivileges checks the privileges on the tables that every sign-in writes to.
func (db *DB) checkPrivileges(ctx context.Context) error {
	var missing []string
	for _, need := range []struct{ table, privileges string }{
		{db.config.SessionTable, "SELECT INSERT UPDATE DELETE"}, {db.config.UserTable, "SELECT UPDATE"},
	} {
		for privilege := range strings.FieldsSeq(need.privileges) {
			var may bool
			err := db.read.QueryRowContext(ctx, `SELECT has_table_privilege($1::regclass, $2)`, quote(need.table), privilege).Scan(&may)
			if err != nil {
				return fmt.Errorf("check privileges: %w", err)
			}
			if !may {
				missing = append(missing, privilege+" on "+need.table)
			}
		}
	}
	if len(missing) > 0 {
		return errors.New("the database can't be written to: these privileges are missing: " + strings.Join(missing, ", "))
	}
	return nil
}

// checkFile inserts a session and rolls back. Both the file and, for the journal, its directory must be writable. If another
// program is writing to the file at the moment, it is writable.
func (db *DB) checkFile(ctx context.Context) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err == nil {
		defer t.Rollback()
		err = (*sessions)(db).insert(ctx, t, row{})
	}
	if errors.Is(err, session.ErrExists) { // there is a row with this key, though Django never makes one; but the file is writable
		return nil
	}
	if e, ok := errors.AsType[*sqlite3.Error](err); ok && e.Code()&0xff == sqlitelib.SQLITE_BUSY {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the database can't be written to: %w", err)
	}
	return nil
}
