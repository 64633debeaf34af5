package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// What goes on when SECRET_KEY changes, and the old one stays as a fallback: each session and each token is brought under
// the new key when it is looked at, so that it outlives the fallback.

// renew brings a session from before a change of SECRET_KEY under the new one, as Django does when it looks at the user,
// but under the ticket that it has. nil: another program has changed the session meanwhile.
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

// renewAll gives sessions the epoch that they will have when they are used.
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

// currentEpoch returns the epoch of a user under the present key, if the one that is given was made of the same password by
// a fallback; else the one that is given.
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

// password returns the password column of a user; "" if there is no such user.
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

// loadOurs loads a token of our own tables.
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

// renew brings a token under the present key. [token.ErrConflict]: it has been changed meanwhile.
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

// renewAll gives tokens the epoch that they will have when they are used.
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
