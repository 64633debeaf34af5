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
	if err := db.checkLatest(ctx); err != nil {
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

// checkLatest refuses sessions of PickleSerializer, or of a project's own: each side would take the other's for empty.
// The latest tell. A project that has changed the serializer still has old ones. What they tell of the keys is a doubt.
func (db *DB) checkLatest(ctx context.Context) error {
	s := (*sessions)(db)
	latest, err := all(ctx, db.read, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) },
		`SELECT `+s.columns()+` FROM `+s.table()+` ORDER BY expire_date DESC LIMIT 20`)
	if err != nil {
		return fmt.Errorf("look at the sessions: %w", err)
	}
	var foreign, strange, old int
	for _, r := range latest {
		switch signed, _, err := db.form.keys.open(r.data); {
		case errors.Is(err, errNotJSON):
			foreign++
		case err != nil:
			strange++
		case signed.old:
			old++
		}
	}
	switch known := len(latest) - strange - foreign; {
	case foreign > 0 && known == 0:
		return errSerializer
	case strange > 0 && known == 0:
		db.keyWarning = strangeKey
	case old > 0 && old == known:
		db.keyWarning = oldKey
	}
	return nil
}

// What looks wrong with the keys, and may be right just after they have been changed.
const (
	strangeKey = "none of the latest sessions is signed with the secret key that was given: nobody who is signed in at Django is here, nor the other way"
	oldKey     = "all of the latest sessions are signed with a fallback, and none with the first key that was given: Django refuses what is signed with any other than its own"
)

// KeyWarning is what looks wrong with the keys by the latest sessions, for the operator; "" if nothing does. It may be that they
// have just been changed.
func (db *DB) KeyWarning() string { return db.keyWarning }
