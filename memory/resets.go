package memory

import (
	"context"
	"crypto/subtle"

	"github.com/cloakroom-auth/cloakroom/account"
)

// reset is a secret with which a user's password can be reset, while the user is at this epoch.
type reset struct {
	hash    [32]byte
	epoch   string
	expires int64
}

func (a *accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u, ok := a.users[id]
	if !ok {
		return account.ErrNotFound
	}
	a.resets[id] = reset{secretHash, u.Epoch, expires}
	return nil
}

func (a *accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, r := range a.resets {
		if subtle.ConstantTimeCompare(r.hash[:], secretHash[:]) == 0 || now >= r.expires || a.users[id].Epoch != r.epoch {
			continue
		}
		u, err := a.change(id, change)
		if err == nil {
			delete(a.resets, id)
		}
		return u, err
	}
	return nil, account.ErrResetSpent
}
