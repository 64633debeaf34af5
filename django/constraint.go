package django

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// constraint is a rule of a table that a write has broken, by what SQLite and PostgreSQL call it.
type constraint struct {
	sqlite   int
	postgres string
}

var (
	notNull    = constraint{sqlitelib.SQLITE_CONSTRAINT_NOTNULL, "23502"}
	foreignKey = constraint{sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY, "23503"} // Django's are deferred: it is the commit that fails
)

func (c constraint) broken(err error) bool {
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		return e.Code() == c.sqlite
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == c.postgres
}

// whose names the column or the table that err is about, as far as it says; else "".
func whose(err error) string {
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		_, name, _ := strings.Cut(e.Error(), "constraint failed: NOT NULL constraint failed: ")
		name, _, _ = strings.Cut(name, " ")
		return name
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.ColumnName != "" {
		return e.TableName + "." + e.ColumnName
	} else if ok {
		return e.TableName
	}
	return ""
}

// onlyDjangoCan says that a project's own tables demand more than can be done here: no waiting mends it.
func onlyDjangoCan(code, message string) error {
	return &account.InvalidError{Fields: map[string][]password.Problem{"non_field_errors": {{Code: code, Message: message}}}}
}

// explained returns err, or what it means where a project's own tables are the reason.
func explained(err error) error {
	about := whose(err)
	if about != "" {
		about = " (" + about + ")"
	}
	switch {
	case foreignKey.broken(err):
		return onlyDjangoCan("protected", "Rows of the project's own refer to this user"+about+", and only Django knows what is to become of them. "+
			"Delete the user in Django, or disable it.")
	case notNull.broken(err):
		return onlyDjangoCan("incomplete", "The project's users have a column that only Django can fill"+about+". Make the user in Django.")
	}
	return err
}
