package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/account"
)

type resets struct {
	put, ofUser, spend, clear, clearSetup *statement
	find                                  rowQuery
}

func newResets(p *queries) resets {
	return resets{
		put: p.writing(`INSERT INTO resets (user_id, hash, epoch, rights, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id) DO UPDATE
			SET hash = excluded.hash, epoch = excluded.epoch, rights = excluded.rights, expires = excluded.expires`),
		find:   p.row(`SELECT user_id, epoch, rights FROM resets WHERE hash = $1 AND expires > $2`),
		ofUser: p.writing(`SELECT hash, expires, epoch, rights FROM resets WHERE user_id = $1 AND expires > $2`),
		spend:  p.writing(`DELETE FROM resets WHERE hash = $1 AND expires > $2 RETURNING user_id, epoch, rights`),

		clear: p.writing(`DELETE FROM resets`), clearSetup: p.writing(`DELETE FROM setup`),
	}
}

func (a *accounts) DeleteAllSecrets(ctx context.Context) (n int, err error) {
	err = a.dialect.transaction(ctx, a.write, func(t tx) error {
		resets, err := t.exec(a.resets.clear)
		if err != nil {
			return fmt.Errorf("delete reset secrets: %w", err)
		}
		setups, err := t.exec(a.resets.clearSetup)
		if err != nil {
			return fmt.Errorf("delete the set-up secret: %w", err)
		}
		n = resets + setups
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (a *accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	return a.dialect.transaction(ctx, a.write, func(t tx) error { return a.setReset(t, id, secretHash, expires) })
}

func (a *accounts) setReset(t tx, id string, secretHash [32]byte, expires int64) error {
	number, ok := number(id)
	if !ok {
		return account.ErrNotFound
	}
	u, err := a.loadLocked(t, number)
	if err != nil {
		return err
	}
	rights, err := json.Marshal(u.Rights())
	if err != nil {
		return err
	}
	if _, err := t.exec(a.resets.put, number, secretHash[:], u.Epoch, string(rights), expires); err != nil {
		return fmt.Errorf("store reset secret: %w", err)
	}
	return nil
}

// resetOf returns the hash and the expiry of a user's valid reset secret.
func (a *accounts) resetOf(t tx, id string, now int64) (secretHash [32]byte, expires int64, err error) {
	number, ok := number(id)
	if !ok {
		return secretHash, 0, account.SpentErrors.Reset
	}
	u, err := a.loadLocked(t, number)
	if errors.Is(err, account.ErrNotFound) {
		return secretHash, 0, account.SpentErrors.Reset
	}
	if err != nil {
		return secretHash, 0, err
	}
	var r storedReset
	var hash, list []byte
	err = t.queryRow(a.resets.ofUser, number, now).Scan(&hash, &expires, &r.epoch, &list)
	if errors.Is(err, sql.ErrNoRows) {
		return secretHash, 0, account.SpentErrors.Reset
	}
	if err == nil {
		err = names(list, &r.rights)
	}
	if err != nil {
		return secretHash, 0, fmt.Errorf("read the reset secret: %w", err)
	}
	if !r.valid(u) {
		return secretHash, 0, account.SpentErrors.Reset
	}
	copy(secretHash[:], hash)
	return secretHash, expires, nil
}

// storedReset is what a reset secret is bound to.
type storedReset struct {
	user   int64
	epoch  string
	rights []string
}

func scanReset(row scanner) (r storedReset, err error) {
	var list []byte
	if err := row.Scan(&r.user, &r.epoch, &list); err != nil {
		return r, err
	}
	if err := names(list, &r.rights); err != nil {
		return r, fmt.Errorf("read the rights of a reset secret: %w", err)
	}
	return r, nil
}

// valid reports whether the user is at the same epoch and has been given no right since.
func (r storedReset) valid(u *account.User) bool { return u.Epoch == r.epoch && !u.Exceeds(r.rights) }

func (a *accounts) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	r, err := one(ctx, a.dialect, a.resets.find, scanReset, account.SpentErrors.Reset, secretHash[:], now)
	if err != nil {
		return nil, fmt.Errorf("find reset secret: %w", err)
	}
	u, err := a.Load(ctx, strconv.FormatInt(r.user, 10))
	switch {
	case errors.Is(err, account.ErrNotFound), err == nil && !r.valid(u):
		return nil, account.SpentErrors.Reset
	case err != nil:
		return nil, err
	}
	return u, nil
}

func (a *accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	var changed *account.User
	err := a.dialect.transaction(ctx, a.write, func(t tx) error {
		r, err := scanReset(t.queryRow(a.resets.spend, secretHash[:], now))
		if errors.Is(err, sql.ErrNoRows) {
			return account.SpentErrors.Reset
		}
		if err != nil {
			return fmt.Errorf("spend reset secret: %w", err)
		}
		changed, err = a.alter(t, r.user, func(u *account.User) error {
			if !r.valid(u) {
				return account.SpentErrors.Reset
			}
			return change(u)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}
