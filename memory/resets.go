package memory

import (
	"context"
	"crypto/subtle"

	"github.com/cloakroom-auth/cloakroom/account"
)

// reset is a secret with which a user's password can be reset, while the user is at this epoch and has no rights beyond
// these.
type reset struct {
	hash    [32]byte
	epoch   string
	rights  []string
	expires int64
}

func (a *accounts) SetReset(ctx context.Context, id string, secretHash [32]byte, expires int64) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
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

func (a *accounts) DeleteAllSecrets(ctx context.Context) (int, error) {
	if err := a.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer a.mu.Unlock()
	n := len(a.resets)
	if a.setup != nil {
		n++
	}
	clear(a.resets)
	a.setup = nil
	return n, nil
}

func (a *accounts) FindReset(ctx context.Context, secretHash [32]byte, now int64) (*account.User, error) {
	if err := a.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.RUnlock()
	return a.findReset(secretHash, now)
}

// findReset returns the user whose valid secret has this hash.
func (a *accounts) findReset(secretHash [32]byte, now int64) (*account.User, error) {
	for id, r := range a.resets {
		if subtle.ConstantTimeCompare(r.hash[:], secretHash[:]) == 0 {
			continue
		}
		u, err := a.load(id)
		if err != nil || now >= r.expires || u.Epoch != r.epoch || u.Exceeds(r.rights) {
			return nil, account.SpentErrors.Reset
		}
		return u, nil
	}
	return nil, account.SpentErrors.Reset
}

func (a *accounts) SpendReset(ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error) (*account.User, error) {
	if err := a.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	u, err := a.findReset(secretHash, now)
	if err != nil {
		return nil, err
	}
	changed, err := a.change(u.ID, change)
	if err != nil {
		return nil, err
	}
	delete(a.resets, u.ID)
	return changed, nil
}
