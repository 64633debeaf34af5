package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// checkSessions refuses sessions that can't be shared, as far as the table tells.
func (db *DB) checkSessions(ctx context.Context) error {
	if err := db.checkSerializer(ctx); err != nil {
		return err
	}
	return db.checkEmpty(ctx)
}

// checkEmpty refuses a table in which Django keeps no sessions: it is empty, although somebody has signed in so lately that
// the session would be there. Who has signed out again leaves that trace, too, which is why SessionsSeen overrules it.
func (db *DB) checkEmpty(ctx context.Context) error {
	if db.config.SessionEngine != "" || db.config.SessionsSeen || !db.schema.users.has("last_login") {
		return nil
	}
	var anything, signedIn bool
	err := db.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+quote(db.config.SessionTable)+`),
		EXISTS (SELECT 1 FROM `+quote(db.config.UserTable)+` WHERE last_login > $1)`,
		db.stamp(time.Now().Add(-db.config.Idle).Unix())).Scan(&anything, &signedIn)
	if err != nil {
		return fmt.Errorf("look for sessions: %w", err)
	}
	if anything || !signedIn {
		return nil
	}
	return &EngineError{Reason: "table " + db.config.SessionTable + " is empty, although somebody has signed in lately"}
}

// errSerializer says that Django's sessions are no JSON.
var errSerializer = errors.New("Django's sessions are signed with the secret key, but are not JSON, so nobody but Python can read them. " +
	`Set SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer" in Django; everybody has to sign in once more then`)

// checkSerializer refuses sessions of PickleSerializer, or of a project's own: each side would take the other's for empty.
// The latest tell. A project that has changed the serializer still has old ones.
func (db *DB) checkSerializer(ctx context.Context) error {
	s := (*sessions)(db)
	latest, err := all(ctx, db.read, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) },
		`SELECT `+s.columns()+` FROM `+s.table()+` ORDER BY expire_date DESC LIMIT 20`)
	if err != nil {
		return fmt.Errorf("look at the sessions: %w", err)
	}
	foreign := 0
	for _, r := range latest {
		switch signed, err := db.form.keys.verify(r.data); {
		case err != nil:
		case isJSON(signed.payload):
			return nil
		default:
			foreign++
		}
	}
	if foreign > 0 {
		return errSerializer
	}
	return nil
}

func isJSON(payload string) bool {
	text, err := unpack(payload)
	if err == nil {
		_, err = parseDict(text)
	}
	return err == nil
}
