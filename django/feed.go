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

// The feed from Django consists of triggers on the tables of sessions, users, permissions and tokens. They send notices that
// package nearcache understands, on the channel that package postgres uses in [Schema]. PostgreSQL delivers a notice after
// the commit, so a node that then drops its cached entry and reads again reads the new state.
//
// The notices come from a node called "django", which never beats, so no other node waits for it. If there are too many
// changes for notices, the triggers send a message that no node can parse, and every node then drops its whole cache. An
// error in the trigger function never fails Django's statement.

// feedChannel is the channel of the installation in [Schema], as package postgres computes it.
func feedChannel() string {
	sum := sha256.Sum256([]byte(Schema))
	return "cloakroom_" + hex.EncodeToString(sum[:])[:16]
}

const feedFunction = Schema + ".django_changed"

// feedFunctionText creates the trigger function. Its arguments are the kind of the key, and the expression for the key's 16
// bytes.
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

// watchedTable is a table with triggers: the kind of its keys in nearcache, and the expression for their 16 bytes.
type watchedTable struct{ table, kind, expression string }

const everyAccount = `decode(repeat('00', 16), 'hex')`

// textKey is nearcache's key of an ID that is a text: its length, the text and zeros, or the hash of a longer text.
func textKey(column string) string {
	id := `(` + column + `)::text`
	return `CASE WHEN octet_length(` + id + `) < 16
		THEN decode(rpad(lpad(to_hex(octet_length(` + id + `)), 2, '0') || encode(convert_to(` + id + `, 'UTF8'), 'hex'), 32, '0'), 'hex')
		ELSE substr(sha256(convert_to(` + id + `, 'UTF8')), 1, 16) END`
}

// hexKey is the key of an ID that the table has in hexadecimal.
func hexKey(column string, digits int) string {
	return fmt.Sprintf(`CASE WHEN %[1]s ~ '^[0-9a-f]{%[2]d}$' THEN decode(left(%[1]s, 32), 'hex') END`, column, digits)
}

func (db *DB) watchedTables() []watchedTable {
	s := db.schema
	all := []watchedTable{
		{db.config.SessionTable, "s", `CASE WHEN octet_length(session_key) >= 16 THEN substr(convert_to(session_key, 'UTF8'), 1, 16) END`},
		{db.config.UserTable, "u", textKey(quote(db.config.UserKey))},
	}
	for _, join := range []string{s.groups, s.permissions} {
		if join != "" {
			all = append(all, watchedTable{join, "u", textKey(quote(s.member))})
		}
	}
	for _, table := range []string{"auth_group_permissions", "auth_group", "auth_permission", "django_content_type"} {
		if s.tables[table] {
			all = append(all, watchedTable{table, "g", everyAccount})
		}
	}
	if s.tokens["authtoken_token"] {
		all = append(all, watchedTable{"authtoken_token", "t", hexKey("key", 40)})
	}
	if s.tokens["knox_authtoken"] {
		all = append(all, watchedTable{"knox_authtoken", "t", hexKey("digest", 128)})
	}
	return all
}

// feedEvents are the triggers of each table, and the rows that the function reads. If an update gives a row to another user,
// both the old and the new row name a key. PostgreSQL sends equal notices of one transaction once.
var feedEvents = []struct{ name, event, rows string }{
	{"cloakroom_feed_insert", "INSERT", "REFERENCING NEW TABLE AS changed "},
	{"cloakroom_feed_update_old", "UPDATE", "REFERENCING OLD TABLE AS changed "},
	{"cloakroom_feed_update_new", "UPDATE", "REFERENCING NEW TABLE AS changed "},
	{"cloakroom_feed_delete", "DELETE", "REFERENCING OLD TABLE AS changed "},
	{"cloakroom_feed_truncate", "TRUNCATE", ""},
}

// ErrFeedUnsupported is returned on SQLite, which has no notifications.
var ErrFeedUnsupported = errors.New("only PostgreSQL notifies of changes; on SQLite every check reads the database")

// InstallFeed creates the triggers, all or none, and returns the tables that have them. It may be called again to bring them
// up to date. It waits at most five seconds for a lock on a table, and then returns an error.
func (db *DB) InstallFeed(ctx context.Context) (tables []string, err error) {
	if !db.dialect.postgres {
		return nil, ErrFeedUnsupported
	}
	if err := db.config.CreateSchema(ctx); err != nil {
		return nil, err
	}
	err = db.alterTables(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, feedFunctionText()); err != nil {
			return fmt.Errorf("create the trigger function: %w", err)
		}
		for _, w := range db.watchedTables() {
			if err := w.install(ctx, t); err != nil {
				return fmt.Errorf("create triggers on %s: %w", w.table, err)
			}
			tables = append(tables, w.table)
		}
		return nil
	})
	return tables, err
}

func (w watchedTable) install(ctx context.Context, t *sql.Tx) error {
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

// alterTables runs do in a transaction that waits at most five seconds for each lock, so that it doesn't block Django's
// requests for longer.
func (db *DB) alterTables(ctx context.Context, do func(t *sql.Tx) error) error {
	return db.transaction(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
			return err
		}
		return do(t)
	})
}

// ErrListening is returned by RemoveFeed while a server answers from memory. Without the feed, that server would miss
// Django's changes.
var ErrListening = errors.New("a running Cloakroom server answers from memory and needs the feed: stop it first, or start it with --revocation strict")

// RemoveFeed removes the triggers, their function and, if nothing else is in it, [Schema]. It returns [ErrListening] while a
// server needs them.
func (db *DB) RemoveFeed(ctx context.Context) error {
	if !db.dialect.postgres {
		return ErrFeedUnsupported
	}
	listening, err := db.hasListener(ctx)
	if err != nil {
		return err
	}
	if listening {
		return ErrListening
	}
	return db.alterTables(ctx, func(t *sql.Tx) error {
		names, err := queryAll(ctx, t, func(rows *sql.Rows) (statement string, err error) {
			err = rows.Scan(&statement)
			return statement, err
		}, `SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE tgname LIKE 'cloakroom\_feed\_%' AND NOT tgisinternal`)
		if err != nil {
			return fmt.Errorf("list the triggers: %w", err)
		}
		for _, statement := range append(names, `DROP FUNCTION IF EXISTS `+feedFunction) {
			if _, err := t.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return dropEmptySchema(ctx, t)
	})
}

// dropEmptySchema removes our schema if it is empty.
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

// listenTime is several times the interval in which a node that answers from memory sends its beat.
const listenTime = 1500 * time.Millisecond

// hasListener reports whether any node beats on the feed.
func (db *DB) hasListener(ctx context.Context) (bool, error) {
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
	bounded, cancel := context.WithTimeout(ctx, listenTime)
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

// HasFeed reports whether all triggers exist and are enabled.
func (db *DB) HasFeed(ctx context.Context) (bool, error) {
	if !db.dialect.postgres {
		return false, nil
	}
	missing, err := db.tablesWithoutFeed(ctx)
	return err == nil && len(missing) == 0, err
}

// tablesWithoutFeed returns the tables on which a trigger is missing or disabled.
func (db *DB) tablesWithoutFeed(ctx context.Context) (tables []string, err error) {
	for _, w := range db.watchedTables() {
		var n int
		err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
			WHERE t.tgrelid = $1::regclass AND t.tgname LIKE 'cloakroom\_feed\_%' AND t.tgenabled IN ('O', 'A') AND p.proname = 'django_changed'`,
			quote(w.table)).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("check the feed's triggers: %w", err)
		}
		if n != len(feedEvents) {
			tables = append(tables, w.table)
		}
	}
	return tables, nil
}
