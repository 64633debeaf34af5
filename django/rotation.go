package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// When SECRET_KEY changes and the old one becomes a fallback, each session and each token is moved to the new key when it is
// read, so that it outlives the fallback.

// renew moves a session to the new key. Django does the same when it loads the user, but also gives the session another key;
// here the ticket stays the same. It returns nil if another program has changed the session meanwhile.
func (s *sessions) renew(ctx context.Context, found *stored) (*stored, error) {
	if len(s.form.keys) == 1 {
		return found, nil
	}
	hash, err := s.db().currentEpoch(ctx, found.User, found.Epoch)
	if err != nil || hash == found.Epoch && !found.old {
		return found, err
	}
	found.dict.setText(hashKey, hash)
	payload, err := pack(found.dict.encode())
	if err != nil {
		return nil, err
	}
	n, err := s.db().exec(ctx, `UPDATE `+s.table()+` SET session_data = $1 WHERE session_key = $2 AND session_data = $3`,
		s.form.keys.sign(payload, found.signedAt()), found.key, found.data)
	if err != nil || n == 0 {
		return nil, err
	}
	found.Epoch, found.Version = hash, version(found.dict, found.meta.V)
	return found, nil
}

// renewAll sets the epochs that these sessions will have after their next use.
func (s *sessions) renewAll(ctx context.Context, records []*session.Record) (err error) {
	if len(s.form.keys) == 1 {
		return nil
	}
	for _, r := range records {
		if r.Epoch, err = s.db().currentEpoch(ctx, r.User, r.Epoch); err != nil {
			return err
		}
	}
	return nil
}

// currentEpoch returns the user's epoch under the first key if a fallback key made the given epoch of the same password;
// otherwise it returns the given one.
func (db *DB) currentEpoch(ctx context.Context, user, epoch string) (string, error) {
	password, err := db.password(ctx, user)
	if err != nil || password == "" {
		return epoch, err
	}
	current := authHash(db.form.keys[0], password)
	if epoch != current && db.form.keys[1:].provesPassword(epoch, password) {
		return current, nil
	}
	return epoch, nil
}

// password returns the password column of a user; "" if the user doesn't exist.
func (db *DB) password(ctx context.Context, id string) (string, error) {
	key, err := db.key(id)
	if err != nil {
		return "", nil
	}
	var password string
	err = db.read.QueryRowContext(ctx, `SELECT password FROM `+quote(db.config.UserTable)+` WHERE `+quote(db.config.UserKey)+` = $1`, key).Scan(&password)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return password, err
}

// loadOurs loads a token from our own tables.
func (t *tokens) loadOurs(ctx context.Context, id token.ID) (*token.Record, error) {
	for {
		r, err := t.Store.Load(ctx, id)
		if err != nil {
			return nil, err
		}
		fresh, err := t.renew(ctx, r)
		if !errors.Is(err, token.ErrConflict) {
			return fresh, err
		}
	}
}

// renew moves a token to the first key. It returns [token.ErrConflict] if the token has changed meanwhile.
func (t *tokens) renew(ctx context.Context, r *token.Record) (*token.Record, error) {
	if len(t.db.form.keys) == 1 {
		return r, nil
	}
	epoch, err := t.db.currentEpoch(ctx, r.User, r.Epoch)
	if err != nil {
		return nil, fmt.Errorf("load token: %w", err)
	}
	if epoch == r.Epoch {
		return r, nil
	}
	next := *r
	next.Epoch = epoch
	if err := t.Store.Replace(ctx, r, &next); err != nil {
		return nil, err
	}
	return &next, nil
}

// renewAll sets the epochs that these tokens will have after their next use.
func (t *tokens) renewAll(ctx context.Context, records []*token.Record) (err error) {
	if len(t.db.form.keys) == 1 {
		return nil
	}
	for _, r := range records {
		if r.Epoch, err = t.db.currentEpoch(ctx, r.User, r.Epoch); err != nil {
			return err
		}
	}
	return nil
}
