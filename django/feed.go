package django

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
)

// The feed from Django: triggers on the tables of sessions, users, rights and tokens send the notices that package
// nearcache understands, on the channel of package postgres in [Schema]. A notice is heard when the transaction has been
// committed, so who drops what it names, and reads anew, reads what is true.
//
// The notices come from a node called "django", which nobody waits for, as it never beats. What is too much for notices is
// a message that nobody can read, on which everybody drops everything. No error of the function's stops Django's statement.

// feedChannel is the channel of the installation in Schema, as package postgres computes it.
func feedChannel() string {
	sum := sha256.Sum256([]byte(Schema))
	return "cloakroom_" + hex.EncodeToString(sum[:])[:16]
}

const feedFunction = Schema + ".django_changed"

// The function of the triggers. Their arguments are the kind of the key, and the expression for its 16 bytes.
func feedFunctionText() string {
	return `CREATE OR REPLACE FUNCTION ` + feedFunction + `() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
	many boolean;
	some_ boolean;
	keys text;
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM pg_notify('` + feedChannel() + `', 'I django everything');
		RETURN NULL;
	END IF;
	EXECUTE 'SELECT count(*) > 0, count(*) > 2000 FROM (SELECT 1 FROM changed LIMIT 2001) AS few' INTO some_, many;
	IF NOT some_ THEN
		RETURN NULL;
	ELSIF many THEN
		PERFORM pg_notify('` + feedChannel() + `', 'I django everything');
		RETURN NULL;
	END IF;
	FOR keys IN EXECUTE format($query$
		SELECT string_agg(key, ' ') FROM (
			SELECT key, (row_number() OVER () - 1) / 200 AS batch FROM (
				SELECT DISTINCT %L || ':' || translate(rtrim(encode(id, 'base64'), '='), '+/', '-_') AS key
				FROM (SELECT %s AS id FROM changed) AS ids WHERE id IS NOT NULL
			) AS keys
		) AS batches GROUP BY batch $query$, TG_ARGV[0], TG_ARGV[1])
	LOOP
		PERFORM pg_notify('` + feedChannel() + `', 'I django django ' || keys);
	END LOOP;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'cloakroom: %', SQLERRM;
	PERFORM pg_notify('` + feedChannel() + `', 'I django everything');
	RETURN NULL;
END $body$`
}

// watched is a table with triggers: the kind of its keys for nearcache, and the expression for their 16 bytes.
type watched struct{ table, kind, expression string }

const everyAccount = `decode(repeat('00', 16), 'hex')`

// textKey is nearcache's key of an ID that is a text: its length, itself and zeros, or its hash.
func textKey(column string) string {
	id := `(` + column + `)::text`
	return `CASE WHEN octet_length(` + id + `) < 16
		THEN decode(rpad(lpad(to_hex(octet_length(` + id + `)), 2, '0') || encode(convert_to(` + id + `, 'UTF8'), 'hex'), 32, '0'), 'hex')
		ELSE substr(sha256(convert_to(` + id + `, 'UTF8')), 1, 16) END`
}

// hexKey is the key of an ID that is in the table as hexadecimal digits.
func hexKey(column string, digits int) string {
	return fmt.Sprintf(`CASE WHEN %[1]s ~ '^[0-9a-f]{%[2]d}$' THEN decode(left(%[1]s, 32), 'hex') END`, column, digits)
}

func (db *DB) watches() []watched {
	s := db.schema
	all := []watched{
		{db.config.SessionTable, "s", `CASE WHEN octet_length(session_key) >= 16 THEN substr(convert_to(session_key, 'UTF8'), 1, 16) END`},
		{db.config.UserTable, "u", textKey(quote(db.config.UserKey))},
	}
	for _, join := range []string{s.groups, s.permissions} {
		if join != "" {
			all = append(all, watched{join, "u", textKey(quote(s.member))})
		}
	}
	for _, table := range []string{"auth_group_permissions", "auth_group", "auth_permission", "django_content_type"} {
		if s.tables[table] {
			all = append(all, watched{table, "g", everyAccount})
		}
	}
	if s.tokens["authtoken_token"] {
		all = append(all, watched{"authtoken_token", "t", hexKey("key", 40)})
	}
	if s.tokens["knox_authtoken"] {
		all = append(all, watched{"knox_authtoken", "t", hexKey("digest", 128)})
	}
	return all
}

// feedEvents are the triggers of a table: what they are for, and which rows their function looks at. A row that is given to
// somebody else concerns both; the same notice given twice in a transaction is sent once.
var feedEvents = []struct{ name, event, rows string }{
	{"cloakroom_feed_insert", "INSERT", "REFERENCING NEW TABLE AS changed "},
	{"cloakroom_feed_update_old", "UPDATE", "REFERENCING OLD TABLE AS changed "},
	{"cloakroom_feed_update_new", "UPDATE", "REFERENCING NEW TABLE AS changed "},
	{"cloakroom_feed_delete", "DELETE", "REFERENCING OLD TABLE AS changed "},
	{"cloakroom_feed_truncate", "TRUNCATE", ""},
}

// ErrNoFeed says that a database has no notifications: SQLite.
var ErrNoFeed = errors.New("only PostgreSQL tells of changes: on SQLite every check asks the database")

// InstallFeed adds the triggers, all or none, and returns the tables that have them. Installing again brings them up to
// date. It waits a few seconds at most for Django's transactions on a table, and then gives up.
func (db *DB) InstallFeed(ctx context.Context) (tables []string, err error) {
	if !db.dialect.postgres {
		return nil, ErrNoFeed
	}
	if err := db.config.CreateSchema(ctx); err != nil {
		return nil, err
	}
	err = db.altering(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, feedFunctionText()); err != nil {
			return fmt.Errorf("make the function: %w", err)
		}
		for _, w := range db.watches() {
			if err := w.install(ctx, t); err != nil {
				return fmt.Errorf("make triggers on %s: %w", w.table, err)
			}
			tables = append(tables, w.table)
		}
		return nil
	})
	return tables, err
}

func (w watched) install(ctx context.Context, t *sql.Tx) error {
	for _, e := range feedEvents {
		for _, statement := range []string{
			`DROP TRIGGER IF EXISTS ` + e.name + ` ON ` + quote(w.table),
			`CREATE TRIGGER ` + e.name + ` AFTER ` + e.event + ` ON ` + quote(w.table) + ` ` + e.rows + `FOR EACH STATEMENT
				EXECUTE FUNCTION ` + feedFunction + `('` + w.kind + `', '` + strings.ReplaceAll(w.expression, `'`, `''`) + `')`,
		} {
			if _, err := t.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// altering runs do in a transaction that holds nobody up for long.
func (db *DB) altering(ctx context.Context, do func(t *sql.Tx) error) error {
	return db.transaction(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
			return err
		}
		return do(t)
	})
}

// ErrListening says that a server answers from memory, which would no longer be true without the feed.
var ErrListening = errors.New("a Cloakroom answers from memory, and needs the feed: stop it first, or start it with --revocation strict")

// RemoveFeed removes the triggers and their function, and leaves nothing of them. [ErrListening].
func (db *DB) RemoveFeed(ctx context.Context) error {
	if !db.dialect.postgres {
		return ErrNoFeed
	}
	listening, err := db.listening(ctx)
	if err != nil {
		return err
	}
	if listening {
		return ErrListening
	}
	return db.altering(ctx, func(t *sql.Tx) error {
		names, err := all(ctx, t, func(rows *sql.Rows) (statement string, err error) {
			err = rows.Scan(&statement)
			return statement, err
		}, `SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE tgname LIKE 'cloakroom\_feed\_%' AND NOT tgisinternal`)
		if err != nil {
			return fmt.Errorf("look for triggers: %w", err)
		}
		for _, statement := range append(names, `DROP FUNCTION IF EXISTS `+feedFunction) {
			if _, err := t.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return dropEmptySchema(ctx, t)
	})
}

// dropEmptySchema removes our schema unless a server has made something of its own in it.
func dropEmptySchema(ctx context.Context, t *sql.Tx) error {
	var empty bool
	err := t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1) AND NOT EXISTS
		(SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1) AND NOT EXISTS
		(SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1)`, Schema).Scan(&empty)
	if err == nil && empty {
		_, err = t.ExecContext(ctx, `DROP SCHEMA `+Schema)
	}
	if err != nil {
		return fmt.Errorf("remove the schema %s: %w", Schema, err)
	}
	return nil
}

// beatTime is several times as long as a node is silent that answers from memory.
const beatTime = 1500 * time.Millisecond

// listening reports whether a node beats on the feed.
func (db *DB) listening(ctx context.Context) (bool, error) {
	d, err := dialPostgres(db.config.Database)
	if err != nil {
		return false, err
	}
	made, err := d.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("listen to the feed: %w", err)
	}
	defer made.(*pgdial.Conn).HangUp()
	if made.(*pgdial.Conn).Pooled() {
		return false, fmt.Errorf("listen to the feed: %w", errPooled)
	}
	conn := made.(*pgdial.Conn).Conn.Conn()
	if _, err := conn.Exec(ctx, `LISTEN `+pgx.Identifier{feedChannel()}.Sanitize()); err != nil {
		return false, fmt.Errorf("listen to the feed: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	for {
		notice, err := conn.WaitForNotification(bounded)
		if err != nil {
			return false, ctx.Err()
		}
		if strings.HasPrefix(notice.Payload, "B ") {
			return true, nil
		}
	}
}

// HasFeed reports whether all triggers are there and fire.
func (db *DB) HasFeed(ctx context.Context) (bool, error) {
	if !db.dialect.postgres {
		return false, nil
	}
	silent, err := db.silent(ctx)
	return err == nil && len(silent) == 0, err
}

// silent returns the tables that lack a trigger, or have one that doesn't fire.
func (db *DB) silent(ctx context.Context) (tables []string, err error) {
	for _, w := range db.watches() {
		var n int
		err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
			WHERE t.tgrelid = $1::regclass AND t.tgname LIKE 'cloakroom\_feed\_%' AND t.tgenabled IN ('O', 'A') AND p.proname = 'django_changed'`,
			quote(w.table)).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("look for the feed: %w", err)
		}
		if n != len(feedEvents) {
			tables = append(tables, w.table)
		}
	}
	return tables, nil
}
