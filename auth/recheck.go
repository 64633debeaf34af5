package auth

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
)

// Recheck returns an identity with the current state of its session; or nil and why the session has ended, as far as the
// stores show it. It doesn't count as use of the session.
func (a *Resolver) Recheck(ctx context.Context, i *Identity) (now *Identity, why string, err error) {
	c, ok, err := a.c.Sessions.Recheck(ctx, i.Session)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		why, err = a.why(ctx, i)
		return nil, why, err
	}
	u, err := a.load(ctx, c.User)
	if err != nil && !errors.Is(err, errNoAccount) {
		return nil, "", err
	}
	s := c.Session(epochOf(u))
	if s == nil {
		why, err = a.why(ctx, i)
		return nil, why, err
	}
	return &Identity{User: u, Method: s.Method, Session: s, AuthenticatedAt: authenticated(s)}, "", nil
}

// why returns why the session of an identity has ended.
func (a *Resolver) why(ctx context.Context, i *Identity) (string, error) {
	u, err := a.c.Accounts.Load(ctx, i.User.ID)
	switch {
	case errors.Is(err, account.ErrNotFound):
		return endreason.Deleted, nil
	case err != nil:
		return "", err
	case !u.IsActive:
		return endreason.Disabled, nil
	case u.Epoch != i.User.Epoch && u.Password != i.User.Password && u.HasPassword():
		return endreason.PasswordChanged, nil
	case u.Epoch != i.User.Epoch && u.ChangedByOwner():
		return endreason.AccountChanged, nil
	case u.Epoch != i.User.Epoch:
		return endreason.Administrator, nil
	case !time.Now().Before(i.Session.ExpiresAt):
		return endreason.Expired, nil
	}
	return endreason.EndedElsewhere, nil
}
