package django

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
)

// The feed from Django consists of triggers on the tables of sessions, users, permissions and tokens. They send notices that
// package nearcache understands, on the channel that package postgres uses in [Schema]. PostgreSQL delivers a notice after
// the commit, so a node that then drops its cached entry and reads again reads the new state.
//
// The notices come from a node called "django", which sends no heartbeat, so no other node waits for it. After too many changes in
// one transaction, the triggers send a message that no node can parse, and every node then drops its whole cache. An error in
// the trigger function never fails Django's statement.
//
// PostgreSQL commits transactions with a notice one after the other, each with its write to the disk. So what takes nothing
// away sends none: a session's creation, a write that only lets it last longer, a user's creation, and last_login. The
// conditions are in the triggers, so that PostgreSQL calls no function for these. They name no column of users: PostgreSQL refuses
// to change the type of a column that a trigger names, as Django's migrations do.

// feedChannel is the channel of the installation in [OwnSchema], as package postgres computes it.
func feedChannel() string {
	sum := sha256.Sum256([]byte(OwnSchema))
	return "cloakroom_" + hex.EncodeToString(sum[:])[:16]
}

const feedFunction = OwnSchema + ".django_changed"

// feedFunctionText creates the trigger function. Its arguments are the kind of the keys, and the column with the ID. Its
// setting cloakroom.changes counts the changes of the transaction.
func feedFunctionText() string {
	return `CREATE OR REPLACE FUNCTION ` + feedFunction + `() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
	everything CONSTANT text := 'I django everything';
	channel CONSTANT text := '` + feedChannel() + `';
	ids text[];
	id text;
	key bytea;
	changes integer;
BEGIN
	changes := coalesce(nullif(current_setting('cloakroom.changes', true), ''), '0')::integer + 1;
	PERFORM set_config('cloakroom.changes', changes::text, true);
	IF TG_OP = 'TRUNCATE' OR changes > ` + fmt.Sprint(mostNotices) + ` THEN
		PERFORM pg_notify(channel, everything);
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		ids := ids || (to_jsonb(OLD) ->> TG_ARGV[1]);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		ids := ids || (to_jsonb(NEW) ->> TG_ARGV[1]);
	END IF;
	FOREACH id IN ARRAY ids LOOP
		key := CASE TG_ARGV[0]
			WHEN 's' THEN CASE WHEN octet_length(id) >= 16 THEN substr(convert_to(id, 'UTF8'), 1, 16) END
			WHEN 't' THEN CASE WHEN id ~ '^([0-9a-f]{40}|[0-9a-f]{128})$' THEN decode(left(id, 32), 'hex') END
			WHEN 'u' THEN CASE WHEN octet_length(id) < 16
				THEN decode(rpad(lpad(to_hex(octet_length(id)), 2, '0') || encode(convert_to(id, 'UTF8'), 'hex'), 32, '0'), 'hex')
				ELSE substr(sha256(convert_to(id, 'UTF8')), 1, 16) END
			ELSE decode(repeat('00', 16), 'hex')
		END;
		IF key IS NOT NULL THEN
			PERFORM pg_notify(channel, 'I django django ' || TG_ARGV[0] || ':' || translate(rtrim(encode(key, 'base64'), '='), '+/', '-_'));
		END IF;
	END LOOP;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'cloakroom: %', SQLERRM;
	PERFORM pg_notify(channel, everything);
	RETURN NULL;
END $body$`
}

// mostNotices is the number of rows of one transaction that are named. Nodes drop everything sooner than they read more names.
const mostNotices = 2000

// watchedTable is a table with triggers: the kind of its keys in nearcache, the column with the ID, and which changes of a row
// send a notice, as conditions over OLD and NEW. "true" stands for all, "" for none.
type watchedTable struct{ table, kind, column, insert, update, delete string }

// feedTrigger is a trigger on a watched table.
type feedTrigger struct{ name, event string }

// mark changes with what the trigger does, and is its last argument, by which a trigger of another version is recognised.
func (t feedTrigger) mark() string {
	sum := sha256.Sum256([]byte(t.event + feedFunctionText()))
	return hex.EncodeToString(sum[:8])
}

func (w watchedTable) triggers() []feedTrigger {
	all := []feedTrigger{{"cloakroom_feed_truncate", "TRUNCATE ON " + quote(w.table) + " FOR EACH STATEMENT"}}
	for _, e := range []struct{ name, when string }{{"insert", w.insert}, {"update", w.update}, {"delete", w.delete}} {
		if e.when != "" {
			all = append(all, feedTrigger{"cloakroom_feed_" + e.name, e.name + " ON " + quote(w.table) + " FOR EACH ROW WHEN (" + e.when + ")"})
		}
	}
	return all
}

// sessionUpdate is the condition under which a write to a session is told. Its data are Django's values, a time and a
// signature; Django writes the latter two anew each time. A session that seems to have expired is read again before it is
// refused, so one that lasts longer need not be told. Touch says itself that it does nothing else.
const sessionUpdate = `current_setting('cloakroom.touch', true) IS DISTINCT FROM 'on' AND (
	OLD.session_key <> NEW.session_key OR NEW.expire_date < OLD.expire_date OR
	split_part(OLD.session_data, ':', 1) <> split_part(NEW.session_data, ':', 1) OR
	NEW.session_data !~ '^[^:]+:[0-9A-Za-z]+:[0-9A-Za-z_-]{43}$')`

// sessionDelete is the condition under which a deletion is told. What is cached is a minute old at most, so a session that
// expired before that has been seen to have expired.
const sessionDelete = `OLD.expire_date > now() - interval '2 minutes'`

func (db *DB) watchedTables() []watchedTable {
	s := db.schema
	all := []watchedTable{
		{db.config.SessionTable, "s", "session_key", "", sessionUpdate, sessionDelete},
		{db.config.UserTable, "u", db.config.UserKey, "", db.userUpdate(), "true"},
	}
	for _, join := range []string{s.groups, s.permissions} {
		if join != "" {
			all = append(all, watchedTable{join, "u", s.member, "true", "true", "true"})
		}
	}
	for _, table := range []string{"auth_group_permissions", "auth_group", "auth_permission", "django_content_type"} {
		if s.tables[table] {
			all = append(all, watchedTable{table, "g", "id", "true", "true", "true"})
		}
	}
	if s.tokens["authtoken_token"] {
		all = append(all, watchedTable{"authtoken_token", "t", "key", "true", "true", "true"})
	}
	if s.tokens["knox_authtoken"] {
		all = append(all, watchedTable{"knox_authtoken", "t", "digest", "true", "true", "true"})
	}
	return all
}

// userUpdate is the condition under which a write to a user is told: one of the columns that are read has changed, and not
// just last_login.
func (db *DB) userUpdate() string {
	columns := []string{db.config.UserKey}
	for _, f := range db.fields() {
		if f.column != "last_login" {
			columns = append(columns, f.column)
		}
	}
	for i, c := range columns {
		columns[i] = `to_jsonb(OLD) -> ` + literal(c) + ` IS DISTINCT FROM to_jsonb(NEW) -> ` + literal(c)
	}
	return strings.Join(columns, " OR ")
}

// literal quotes a text for SQL.
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// ErrFeedUnsupported is returned on SQLite, which has no notifications.
var ErrFeedUnsupported = errors.New("only PostgreSQL notifies of changes; on SQLite every check reads the database")

// InstallFeed creates the triggers, all or none, and returns the tables that have them. It may be called again to bring them
// up to date. It waits at most five seconds for a lock on a table, and then returns an error.
func (db *DB) InstallFeed(ctx context.Context) (tables []string, err error) {
	if !db.dialect.postgres {
		return nil, ErrFeedUnsupported
	}
	if err := db.config.CreateOwnSchema(ctx); err != nil {
		return nil, err
	}
	err = db.alterTables(ctx, func(t *sql.Tx) error {
		tables = nil
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
	if err := dropTriggers(ctx, t, w.table); err != nil {
		return err
	}
	for _, e := range w.triggers() {
		_, err := t.ExecContext(ctx, `CREATE TRIGGER `+e.name+` AFTER `+e.event+`
			EXECUTE FUNCTION `+feedFunction+`(`+literal(w.kind)+`, `+literal(w.column)+`, `+literal(e.mark())+`)`)
		if err != nil {
			return err
		}
	}
	return nil
}

// dropTriggers removes the feed's triggers from a table; "": from all.
func dropTriggers(ctx context.Context, t *sql.Tx, table string) error {
	name := ""
	if table != "" {
		name = quote(table)
	}
	names, err := queryAll(ctx, t, func(rows *sql.Rows) (statement string, err error) {
		err = rows.Scan(&statement)
		return statement, err
	}, `SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
		WHERE tgname LIKE 'cloakroom\_feed\_%' AND NOT tgisinternal AND ($1 = '' OR tgrelid = to_regclass($1))`, name)
	if err != nil {
		return fmt.Errorf("list the triggers: %w", err)
	}
	for _, statement := range names {
		if _, err := t.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
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

// ErrFeedInUse is returned by RemoveFeed while a server answers from memory. Without the feed, that server would miss
// Django's changes.
var ErrFeedInUse = errors.New("a running Cloakroom server answers from memory and needs the feed: stop it first, or start it with --revocation strict")

// RemoveFeed removes the triggers, their function and, if nothing else is in it, [OwnSchema]. It returns [ErrFeedInUse] while a
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
		return ErrFeedInUse
	}
	return db.alterTables(ctx, func(t *sql.Tx) error {
		if err := dropTriggers(ctx, t, ""); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `DROP FUNCTION IF EXISTS `+feedFunction); err != nil {
			return fmt.Errorf("drop the trigger function: %w", err)
		}
		return dropEmptySchema(ctx, t)
	})
}

// dropEmptySchema removes our schema if it is empty.
func dropEmptySchema(ctx context.Context, t *sql.Tx) error {
	var empty bool
	err := t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1) AND NOT EXISTS
		(SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1) AND NOT EXISTS
		(SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1)`, OwnSchema).Scan(&empty)
	if err == nil && empty {
		_, err = t.ExecContext(ctx, `DROP SCHEMA `+OwnSchema)
	}
	if err != nil {
		return fmt.Errorf("remove the schema %s: %w", OwnSchema, err)
	}
	return nil
}

// listenTime is several times the interval in which a node that answers from memory sends its heartbeat.
const listenTime = 1500 * time.Millisecond

// hasListener reports whether any node sends heartbeats on the feed.
func (db *DB) hasListener(ctx context.Context) (bool, error) {
	d, err := dialPostgres(db.config.Database)
	if err != nil {
		return false, err
	}
	made, err := d.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("listen to the feed: %w", err)
	}
	defer made.(*pg.Conn).HangUp()
	if made.(*pg.Conn).Pooled() {
		return false, fmt.Errorf("listen to the feed: %w", errPooled)
	}
	conn := made.(*pg.Conn).Conn.Conn()
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

// HasFeed reports whether all triggers exist, are enabled, and tell what this version needs to hear.
func (db *DB) HasFeed(ctx context.Context) (bool, error) {
	if !db.dialect.postgres {
		return false, nil
	}
	missing, err := db.tablesWithoutFeed(ctx)
	return err == nil && len(missing) == 0, err
}

// tablesWithoutFeed returns the tables on which a trigger is missing, disabled, or of another version: one that was installed
// before a column was added may not tell of that column.
func (db *DB) tablesWithoutFeed(ctx context.Context) (tables []string, err error) {
	for _, w := range db.watchedTables() {
		there, err := queryAll(ctx, db.read, func(rows *sql.Rows) (t [2]string, err error) {
			err = rows.Scan(&t[0], &t[1])
			return t, err
		}, `SELECT t.tgname, encode(t.tgargs, 'escape') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
			WHERE t.tgrelid = $1::regclass AND t.tgname LIKE 'cloakroom\_feed\_%' AND t.tgenabled IN ('O', 'A') AND p.proname = 'django_changed'`,
			quote(w.table))
		if err != nil {
			return nil, fmt.Errorf("check the feed's triggers: %w", err)
		}
		for _, want := range w.triggers() {
			if !slices.ContainsFunc(there, func(t [2]string) bool { return t[0] == want.name && strings.Contains(t[1], want.mark()) }) {
				tables = append(tables, w.table)
				break
			}
		}
	}
	return tables, nil
}
