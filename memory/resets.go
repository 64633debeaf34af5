package memory

import (
	"context"
	"crypto/subtle"

	"github.com/cloakroom-auth/cloakroom/account"
)

// reset is a secret with which a user's password can be reset, while the user is at this epoch and has no
// other rights than these.
type reset struct {
	hash    [32]byte
	epoch   string
	rights  []string
	expires int64
}

func (a *accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.setReset(id, secretHash, expires)
}

func (a *accounts) setReset(id string, secretHash [32]byte, expires int64) error {
	u, err := a.load(id)
	if err != nil {
		return err
	}
	a.resets[id] = reset{secretHash, u.Epoch, u.Rights(), expires}
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
		u, err := a.change(id, func(u *account.User) error {
			if u.Exceeds(r.rights) {
				return account.ErrResetSpent
			}
			return change(u)
		})
		if err == nil {
			delete(a.resets, id)
		}
		return u, err
	}
	return nil, account.ErrResetSpent
}
