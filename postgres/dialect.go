package postgres

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// The keys of advisory locks. Another program in the same database is unlikely to use these numbers. Package django has one more, for
// Django's tables, which are in the same database.
const (
	lockMigration = "7020664101" // "Cloa" as a number, and one more digit
	lockPurge     = "7020664102"
	seedCounter   = "7020664103" // of the hash of a counter's key
	lockEvents    = "7020664105"
	seedTokens    = "7020664104" // of the hash of a user's ID
)

var dialect = sqlstore.Dialect{
	Name:       "postgres",
	Versions:   "cloakroom_migrations",
	Bytes:      func(text string) any { return []byte(text) },
	Unique:     func(err error) bool { return hasCode(err, "23505") },
	ForeignKey: foreignKey,
	Undone:     func(err error) bool { return pg.Undone(err) || isReadOnly(err) },
	Lost:       isLost,
	JSONArray:  func(item string) string { return "json_agg(" + item + ")" },
	Position:   func(text, part string) string { return "position(" + part + " in " + text + ")" },
	Holds:      func(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") },
	// The escapes are of bytes that are no digits, so it fails on no text. IDs of 19 digits are not found.
	Number: func(column string) string {
		return "CASE WHEN encode(" + column + ", 'escape') ~ '^[1-9][0-9]{0,17}$' THEN encode(" + column + ", 'escape')::bigint END"
	},
	CostlySubqueries: true, // a plan of twelve, none of which runs, takes twice the time of the rest of the statement
	ForUpdate:        " FOR UPDATE",
	SkipLocked:       " FOR UPDATE SKIP LOCKED",
	// IN may run a query with a LIMIT and locks once for each row, and so select more rows than the limit.
	Among:    func(column, query string) string { return column + " = ANY (ARRAY(" + query + "))" },
	RowPlace: "ctid", // a place stays right while the row is locked
	GivenID:  "OVERRIDING SYSTEM VALUE ",
	RaiseID: "SELECT setval('users_id_seq', greatest((SELECT max(id) FROM users), (SELECT last_value FROM users_id_seq))) " +
		"WHERE EXISTS (SELECT 1 FROM users)",
	LockUser:   "SELECT 1 FROM users WHERE id = $1 FOR UPDATE",
	LockRights: "LOCK TABLE groups IN SHARE ROW EXCLUSIVE MODE",
	LockSealed: "LOCK TABLE sealed IN SHARE ROW EXCLUSIVE MODE",
	LockUsers:  "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE",
	LockTokens: "SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), " + seedTokens + "))",
	// A commit of a counter waits for this server's disk and for no standby. If it waited for a missing standby, a reserved
	// attempt could not be given back, and the right password would be refused. A failover may lose a few failures.
	LockCounter: "SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), " + seedCounter + ")), " +
		"set_config('synchronous_commit', 'local', true)",
	DeleteAmong:  "DELETE FROM sessions WHERE id = ANY (ARRAY(SELECT id FROM sessions WHERE id = ANY ($1::bytea[]) ORDER BY id FOR UPDATE))",
	LockSessions: "SELECT 1 FROM sessions WHERE user_id = $1 ORDER BY id FOR UPDATE",
	// IDs are taken in the order of the rows, once the filter has taken the lock. That is shared, so that no transaction waits for another.
	AddEvents: `INSERT INTO audit (at, name, outcome, actor, subject, login, session, address, agent, request, detail)
		SELECT e.at, e.name, e.outcome, e.actor, e.subject, e.login, e.session, e.address, e.agent, e.request, e.detail
		FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[],
			$10::bytea[], $11::bytea[]) WITH ORDINALITY
			AS e (at, name, outcome, actor, subject, login, session, address, agent, request, detail, place)
		WHERE (SELECT pg_advisory_xact_lock_shared(` + lockEvents + `)) IS NOT NULL ORDER BY e.place RETURNING id`,
	AddingEvents: "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 " +
		"AND classid::bigint = " + lockEvents + " >> 32 AND objid::bigint = " + lockEvents + " & 4294967295 " +
		"AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
	Alone: "(SELECT pg_try_advisory_xact_lock(" + lockPurge + "))",
	Touch: `UPDATE sessions s SET seen = u.seen, expires = u.expires
		FROM (SELECT s.id, u.seen, u.expires FROM sessions s
			JOIN unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS u (id, seen, expires) ON u.id = s.id
			ORDER BY s.id FOR NO KEY UPDATE OF s) AS u
		WHERE s.id = u.id AND s.seen < u.seen AND s.expires > u.seen`,
}

// dialectIn returns the dialect of tables in a schema, which stands before the name of each.
func dialectIn(schema string) sqlstore.Dialect {
	d := dialect
	d.Table = func(name string) string { return quoted(schema) + "." + name }
	d.Versions = d.Table(d.Versions)
	return d
}

// quoted returns the name of a schema for a statement, where it could also be a key word.
func quoted(schema string) string { return `"` + schema + `"` }

// hasCode reports whether err is an error of the server with one of these SQLSTATEs.
func hasCode(err error, codes ...string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, e.Code)
}

// foreignKey reports whether err is of a foreign key, and the table that has it. A key with RESTRICT has a code of its own.
func foreignKey(err error) (table string, broken bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "23503" && e.Code != "23001" {
		return "", false
	}
	return e.TableName, true
}

// isReadOnly reports whether the server has turned read-only. Nothing was written, and all connections to it are closed.
func isReadOnly(err error) bool { return errors.Is(err, pg.ErrReadOnly) }

// isLost reports whether err means that the connection was lost while it was in use. It is false if no connection could be
// made, because retrying at once doesn't help then.
func isLost(err error) bool {
	if _, ok := errors.AsType[*pg.ConnectError](err); ok {
		return false
	}
	return isReadOnly(err) || hasCode(err, "57P01", "57P02", "08006") || // the server shuts down; it crashed; the pooler lost it
		pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT)
}
