package httpapi

import (
	"context"
	"errors"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type resetIn struct {
	Secret *string `json:"secret"`
	New    *string `json:"new_password"`
}

// resetPassword sets the password of whoever holds the one-time link, which ends everything of theirs. It signs nobody in.
func resetPassword(c *call, in resetIn) (none, error) {
	if err := required(map[string]*string{"secret": in.Secret, "new_password": in.New}); err != nil {
		return none{}, err
	}
	u, err := c.api.Accounts.ResetPassword(c.ctx(), *in.Secret, *in.New, c.source())
	c.recordReset(u, err)
	if err != nil {
		return none{}, err
	}
	c.removeAll(u.ID, auth.PasswordChanged)
	return none{}, nil
}

// removeAll takes all sessions and tokens of a user out of the store, and tells the pages why. The epoch has ended them
// already, so a failure harms nobody.
func (c *call) removeAll(user, why string) { c.remove(user, why, nil) }

// remove is removeAll without one session.
func (c *call) remove(user, why string, except *session.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), callTimeout)
	defer cancel()
	if err := c.api.Auth.RemoveDead(session.WithReason(ctx, why), user, except); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "dead sessions not removed", slog.Any("error", err))
	}
}

// recordReset records what came of the use of a reset link. The record of a wrong link names no user.
func (c *call) recordReset(u *account.User, err error) {
	_, throttled := errors.AsType[*throttle.Error](err)
	_, refused := errors.AsType[*account.InvalidError](err)
	fail := func(reason string) {
		c.api.Audit.Record(c.ctx(), audit.Password.ChangeFail, slog.String("method", "reset"), slog.String("reason", reason))
	}
	switch {
	case err == nil:
		c.api.Audit.Record(c.ctx(), audit.Password.Change, slog.String("user", u.ID), slog.String("method", "reset"))
	case throttled:
		fail("throttled")
	case refused:
		fail("new password refused")
	case errors.Is(err, account.ErrResetSpent):
		fail("reset link not valid")
	}
}
