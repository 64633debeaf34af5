package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// checkSessions returns an error if the table shows that Django's sessions can't be shared.
func (db *DB) checkSessions(ctx context.Context) error {
	if err := db.checkLatest(ctx); err != nil {
		return err
	}
	return db.checkEmpty(ctx)
}

// checkEmpty refuses a table in which Django seems to keep no sessions: it is empty although a user has signed in so
// recently that the session would be there. If all users have signed out, the table looks the same, so SessionsSeen turns
// this check off.
func (db *DB) checkEmpty(ctx context.Context) error {
	if db.config.SessionEngine != "" || db.config.SessionsSeen || !db.schema.users.has("last_login") {
		return nil
	}
	var stored, signedIn bool
	err := db.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+quote(db.config.SessionTable)+`),
		EXISTS (SELECT 1 FROM `+quote(db.config.UserTable)+` WHERE last_login > $1)`,
		db.stamp(time.Now().Add(-db.config.Idle).Unix())).Scan(&stored, &signedIn)
	if err != nil {
		return fmt.Errorf("check for sessions: %w", err)
	}
	if stored || !signedIn {
		return nil
	}
	return &EngineError{Reason: "table " + db.config.SessionTable + " is empty, although a user has signed in recently"}
}

// errSerializer says that Django's sessions are not JSON.
var errSerializer = errors.New("Django's sessions are signed with the secret key, but are not JSON, so only Python can read them. " +
	`Set SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer" in Django; all users then have to sign in again`)

// checkLatest refuses sessions written by PickleSerializer or by a serializer of the project's own: each program would take
// the other's sessions for empty. It reads the latest sessions, since a project that has changed its serializer still has
// old ones. What these sessions show about the keys is only a warning, since the keys may have changed.
func (db *DB) checkLatest(ctx context.Context) error {
	s := (*sessions)(db)
	latest, err := queryAll(ctx, db.read, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) },
		`SELECT `+s.columns()+` FROM `+s.table()+` ORDER BY expire_date DESC LIMIT 20`)
	if err != nil {
		return fmt.Errorf("read the latest sessions: %w", err)
	}
	var notJSON, unknownKey, fallback int
	for _, r := range latest {
		switch signed, _, err := db.form.keys.open(r.data); {
		case errors.Is(err, errNotJSON):
			notJSON++
		case err != nil:
			unknownKey++
		case signed.old:
			fallback++
		}
	}
	switch readable := len(latest) - unknownKey - notJSON; {
	case notJSON > 0 && readable == 0:
		return errSerializer
	case unknownKey > 0 && readable == 0:
		db.keyWarning = unknownKeyWarning
	case fallback > 0 && fallback == readable:
		db.keyWarning = fallbackWarning
	}
	return nil
}

// Warnings about the keys. Both are normal just after the keys have changed.
const (
	unknownKeyWarning = "none of the latest sessions is signed with the given secret key: a sign-in at one program is none at the other"
	fallbackWarning   = "all of the latest sessions are signed with a fallback key, and none with the first key of the file: Django refuses what is signed with another key than its own"
)

// KeyWarning returns what the latest sessions show to be wrong with the keys, for the operator's log; "" if nothing. It may
// be wrong if the keys have just been changed.
func (db *DB) KeyWarning() string { return db.keyWarning }
