package django

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/account"
)

// A reset secret is two anonymous rows among Django's sessions. One is found by the hash of the secret and holds the user;
// the other is found by the user and holds the hash, so that a newer secret makes it invalid. Both expire like sessions, and
// manage.py clearsessions removes them. Their keys are keyed hashes, so the table reveals no secret.

const resetKey = "_cloakroom_reset"

// reset is the value of resetKey.
type reset struct {
	User  string `json:"user"`
	Hash  string `json:"hash"`
	Epoch string `json:"epoch"`

	// Rights are the user's rights when the secret was made.
	Rights []string `json:"rights"`

	expires int64
}

// resetRows returns the key of such a row, followed by the keys that it has if a fallback key made it.
func (f *form) resetRows(kind, of string) (rows []string) {
	for _, secret := range f.keys {
		rows = append(rows, hex.EncodeToString(salted("cloakroom.reset."+kind, secret, of)[:16]))
	}
	return rows
}

func (a *accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	return a.transaction(ctx, func(t *sql.Tx) error { return a.setReset(ctx, t, id, secretHash, expires) })
}

func (a *accounts) setReset(ctx context.Context, t *sql.Tx, id string, secretHash [32]byte, expires int64) error {
	u, err := a.locked(ctx, t, id)
	if err != nil {
		return err
	}
	hash := hex.EncodeToString(secretHash[:])
	value, err := json.Marshal(reset{User: id, Hash: hash, Epoch: u.Epoch, Rights: u.Rights()})
	if err != nil {
		return err
	}
	d := newDict()
	d.set(resetKey, value)
	payload, err := pack(d.encode())
	if err != nil {
		return err
	}
	for _, keys := range [][]string{a.form.resetRows("user", id), a.form.resetRows("secret", hash)} {
		if err := a.deleteResets(ctx, t, keys); err != nil {
			return err
		}
		if err := a.sessions.insert(ctx, t, row{keys[0], a.form.keys.sign(payload, expires), expires}); err != nil {
			return fmt.Errorf("store reset secret: %w", err)
		}
	}
	return nil
}

func (a *accounts) deleteResets(ctx context.Context, t *sql.Tx, keys []string) error {
	for _, key := range keys {
		if _, err := t.ExecContext(ctx, `DELETE FROM `+a.sessions.table()+` WHERE session_key = $1`, key); err != nil {
			return fmt.Errorf("void reset secret: %w", err)
		}
	}
	return nil
}

// DeleteAllSecrets removes the rows that are found by the user, without which a secret is invalid. The other rows expire.
func (a *accounts) DeleteAllSecrets(ctx context.Context) (n int, err error) {
	for after := ""; ; {
		users, err := a.List(ctx, account.Query{After: after, Limit: 500})
		if err != nil || len(users) == 0 {
			return n, err
		}
		deleted := 0
		err = a.transaction(ctx, func(t *sql.Tx) error {
			deleted = 0
			for _, u := range users {
				for _, key := range a.form.resetRows("user", u.ID) {
					one, err := affected(t.ExecContext(ctx, `DELETE FROM `+a.sessions.table()+` WHERE session_key = $1`, key))
					if err != nil {
						return fmt.Errorf("void reset secret: %w", err)
					}
					deleted += one
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n, after = n+deleted, users[len(users)-1].ID
	}
}

func (a *accounts) FindReset(ctx context.Context, secretHash [32]byte, now int64) (u *account.User, err error) {
	err = a.transaction(ctx, func(t *sql.Tx) error {
		u, err = a.lockReset(ctx, t, hex.EncodeToString(secretHash[:]), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// lockReset returns the user whose valid reset secret has this hash. The lock on the user's row puts a newer secret, and a
// second use of this one, before or after the transaction.
func (a *accounts) lockReset(ctx context.Context, t *sql.Tx, hash string, now int64) (*account.User, error) {
	r, err := a.reset(ctx, t, a.form.resetRows("secret", hash), now)
	if err != nil {
		return nil, err
	}
	u, err := a.locked(ctx, t, r.User)
	if err != nil {
		return nil, asSpent(err)
	}
	newest, err := a.reset(ctx, t, a.form.resetRows("user", r.User), now)
	if err != nil {
		return nil, err
	}
	if newest.Hash != hash || r.Hash != hash || !r.valid(&a.form, u) {
		return nil, account.SpentErrors.Reset
	}
	return u, nil
}

// valid reports whether the user has the same password and has been given no right since.
func (r reset) valid(f *form, u *account.User) bool {
	return f.keys.provesPassword(r.Epoch, u.Password) && !u.Exceeds(r.Rights)
}

// resetOf returns the hash and the expiry of a user's valid reset secret.
func (a *accounts) resetOf(ctx context.Context, t *sql.Tx, id string, now int64) (secretHash [32]byte, expires int64, err error) {
	u, err := a.locked(ctx, t, id)
	if err != nil {
		return secretHash, 0, asSpent(err)
	}
	r, err := a.reset(ctx, t, a.form.resetRows("user", u.ID), now)
	if err != nil {
		return secretHash, 0, err
	}
	hash, err := hex.DecodeString(r.Hash)
	if err != nil || len(hash) != len(secretHash) || !r.valid(&a.form, u) {
		return secretHash, 0, account.SpentErrors.Reset
	}
	return [32]byte(hash), r.expires, nil
}

func (a *accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	hash := hex.EncodeToString(secretHash[:])
	var changed *account.User
	err := a.transaction(ctx, func(t *sql.Tx) error {
		u, err := a.lockReset(ctx, t, hash, now)
		if err != nil {
			return err
		}
		if changed, err = a.changeLocked(ctx, t, u, change); err != nil {
			return err
		}
		if err := a.deleteResets(ctx, t, a.form.resetRows("secret", hash)); err != nil {
			return err
		}
		return a.deleteResets(ctx, t, a.form.resetRows("user", u.ID))
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// asSpent replaces account.ErrNotFound by account.SpentErrors.Reset.
func asSpent(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return account.SpentErrors.Reset
	}
	return err
}

// reset reads the row under whichever of the keys it has.
func (a *accounts) reset(ctx context.Context, t *sql.Tx, keys []string, now int64) (r reset, err error) {
	for _, key := range keys {
		if r, err = a.resetAt(ctx, t, key, now); !errors.Is(err, account.SpentErrors.Reset) {
			break
		}
	}
	return r, err
}

func (a *accounts) resetAt(ctx context.Context, t *sql.Tx, key string, now int64) (r reset, err error) {
	found, err := a.sessions.scan(t.QueryRowContext(ctx, `SELECT `+a.sessions.columns()+` FROM `+a.sessions.table()+` WHERE session_key = $1`, key).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, account.SpentErrors.Reset
	}
	if err != nil {
		return r, fmt.Errorf("find the reset secret: %w", err)
	}
	_, d, err := a.form.keys.open(found.data)
	if err != nil || now >= found.expires || json.Unmarshal(d.values[resetKey], &r) != nil {
		return r, account.SpentErrors.Reset
	}
	r.expires = found.expires
	return r, nil
}
