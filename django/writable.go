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

// Writable says what of that which is needed can't be written, if anything. It changes nothing.
func (db *DB) Writable(ctx context.Context) error {
	if db.dialect.postgres {
		return db.privileged(ctx)
	}
	return db.journaled(ctx)
}

// privileged looks for the privileges on the tables that every sign-in writes to.
func (db *DB) privileged(ctx context.Context) error {
	var missing []string
	for _, need := range []struct{ table, deeds string }{
		{db.config.SessionTable, "SELECT INSERT UPDATE DELETE"}, {db.config.UserTable, "SELECT UPDATE"},
	} {
		for deed := range strings.FieldsSeq(need.deeds) {
			var may bool
			err := db.read.QueryRowContext(ctx, `SELECT has_table_privilege($1::regclass, $2)`, quote(need.table), deed).Scan(&may)
			if err != nil {
				return fmt.Errorf("look for privileges: %w", err)
			}
			if !may {
				missing = append(missing, deed+" on "+need.table)
			}
		}
	}
	if len(missing) > 0 {
		return errors.New("the database can't be written to: missing are the privileges " + strings.Join(missing, ", "))
	}
	return nil
}

// journaled begins to write a session, and takes it back: the file must be writable, and so must its directory, for the
// journal. A file that another program is writing to is.
func (db *DB) journaled(ctx context.Context) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err == nil {
		defer t.Rollback()
		err = (*sessions)(db).insert(ctx, t, row{})
	}
	if errors.Is(err, session.ErrExists) { // Django never gives a session this key; if somebody has, it can be written all the same
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
