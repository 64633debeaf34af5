package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/account"
)

type resets struct{ put, spend *statement }

func newResets(p *preparer) resets {
	return resets{
		put: p.writing(`INSERT INTO resets (user_id, hash, epoch, rights, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id) DO UPDATE
			SET hash = excluded.hash, epoch = excluded.epoch, rights = excluded.rights, expires = excluded.expires`),
		spend: p.writing(`DELETE FROM resets WHERE hash = $1 AND expires > $2 RETURNING user_id, epoch, rights`),
	}
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

func (a *accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	var changed *account.User
	err := a.dialect.transaction(ctx, a.write, func(t tx) error {
		var id int64
		var epoch string
		var list []byte
		err := t.queryRow(a.resets.spend, secretHash[:], now).Scan(&id, &epoch, &list)
		if errors.Is(err, sql.ErrNoRows) {
			return account.ErrResetSpent
		}
		if err != nil {
			return fmt.Errorf("spend reset secret: %w", err)
		}
		var rights []string
		if err := names(list, &rights); err != nil {
			return fmt.Errorf("read the rights at a reset secret: %w", err)
		}
		changed, err = a.alter(t, id, func(u *account.User) error {
			if u.Epoch != epoch || u.Exceeds(rights) {
				return account.ErrResetSpent
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
