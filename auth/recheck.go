package auth

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Why a session has ended, where the store shows it. Package session has the reasons that its own calls give.
const (
	ReasonExpired         = "expired"
	ReasonPasswordChanged = "password_changed"
	ReasonAccountChanged  = "account_changed" // its user changed the factors or the address of the account from another session
	ReasonDisabled        = "disabled"
	ReasonDeleted         = "deleted"
	ReasonAdministrator   = "administrator" // an administrator ended it
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
	if err != nil && !errors.Is(err, session.ErrNoAccount) {
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
		return ReasonDeleted, nil
	case err != nil:
		return "", err
	case !u.IsActive:
		return ReasonDisabled, nil
	case u.Epoch != i.User.Epoch && u.Password != i.User.Password && u.HasPassword():
		return ReasonPasswordChanged, nil
	case u.Epoch != i.User.Epoch && u.ChangedByOwner():
		return ReasonAccountChanged, nil
	case u.Epoch != i.User.Epoch:
		return ReasonAdministrator, nil
	case !time.Now().Before(i.Session.ExpiresAt):
		return ReasonExpired, nil
	}
	return session.ReasonEndedElsewhere, nil
}
