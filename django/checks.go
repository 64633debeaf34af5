package django

import (
	"context"
	"database/sql"
	"hash/maphash"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/hint"
)

// checks are the statements that a check runs, made once. On SQLite they are prepared; pgx prepares statements by itself.
//
// PostgreSQL spends more on the subqueries of a user's lists than on all else, even if none is run. So it is first asked for the user without
// them, and whether there are any; then all is read again with the lists, so that what is returned is from one state of the database.
type checks struct {
	session, whole *query
	brief          *query // without the lists; nil: whole is run at once

	listed *hint.Set // of the users who had lists the last time: for them whole is run at once
	seed   maphash.Seed
}

// query is a statement that returns at most one row.
type query struct {
	text     string
	pool     *sql.DB
	prepared *sql.Stmt // nil: the driver prepares it
}

func (q *query) row(ctx context.Context, args ...any) *sql.Row {
	if q.prepared != nil {
		return q.prepared.QueryRowContext(ctx, args...)
	}
	return q.pool.QueryRowContext(ctx, q.text, args...)
}

// newChecks makes the statements for a schema that was read.
func (db *DB) newChecks(ctx context.Context) (c *checks, err error) {
	c = &checks{listed: new(hint.Set), seed: maphash.MakeSeed()}
	ready := func(text string) *query {
		q := &query{text: text, pool: db.read}
		if err == nil && !db.dialect.postgres {
			q.prepared, err = db.read.PrepareContext(ctx, text)
		}
		return q
	}
	where := ` WHERE u.` + quote(db.config.UserKey) + ` = $1`
	c.whole = ready(db.selectUser() + where)
	if text := (*sessions)(db).selectOne(); db.config.UsersOnly { // there may be no sessions
		c.session = &query{text: text, pool: db.read}
	} else {
		c.session = ready(text)
	}
	if _, _, either := db.hasRights(); db.dialect.postgres {
		c.brief = ready(`SELECT ` + db.userColumns() + `, ` + either + db.fromUsers() + where)
	}
	return c, err
}

// user reads the user with an ID, whose key in the database is given.
func (c *checks) user(ctx context.Context, db *DB, id string, key any) (*account.User, error) {
	if c.brief == nil {
		return db.scanUser(c.whole.row(ctx, key).Scan)
	}
	sum := maphash.String(c.seed, id)
	if !c.listed.Has(sum) {
		var lists bool
		u, err := db.scanFields(c.brief.row(ctx, key).Scan, &lists)
		if err != nil || !lists {
			return u, err
		}
	}
	u, err := db.scanUser(c.whole.row(ctx, key).Scan)
	if err == nil {
		c.listed.Put(sum, u.Groups != nil || u.UserPermissions != nil)
	}
	return u, err
}
