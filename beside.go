package cloakroom

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// endsSessions is the accounts of a database of Django's, with sessions in front of which there is a memory. What ends
// everything of a user's but leaves the password removes the sessions' rows; here they leave the memory, too, before it
// is done.
type endsSessions struct {
	account.Store
	sessions session.Store
}

// View implements account.Viewer.
func (a endsSessions) View(ctx context.Context, id string) (*account.User, error) {
	return account.View(ctx, a.Store, id)
}

func (a endsSessions) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	ended := false
	u, err := a.Store.Change(ctx, id, func(u *account.User) error {
		epoch, password := u.Epoch, u.Password
		err := change(u)
		ended = u.Epoch != epoch && u.Password == password
		return err
	})
	if err != nil || !ended {
		return u, err
	}
	if _, err := a.sessions.DeleteUser(ctx, id, session.ID{}); err != nil {
		return nil, err
	}
	return u, nil
}
