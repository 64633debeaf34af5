package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type resetIn struct {
	Secret *string `json:"secret"`
	New    *string `json:"new_password"`
}

// resetOut says what comes next, if the user must set up a second factor now.
type resetOut struct {
	Pending *pendingOut `json:"pending,omitempty"`
}

// resetPassword sets the password of the user that the one-time link was made for. It ends all of the user's sessions and
// tokens, and starts no session. The browser is a known device from then on, so that an attacker who goes on guessing the former
// password doesn't lock the user out of it.
func resetPassword(c *call, in resetIn) (resetOut, error) {
	if err := required(map[string]*string{"secret": in.Secret, "new_password": in.New}); err != nil {
		return resetOut{}, err
	}
	mailedTo, err := c.api.Letters.MailedTo(c.ctx(), *in.Secret)
	if err != nil {
		return resetOut{}, err
	}
	u, err := c.api.Accounts.ResetMailedPassword(c.ctx(), *in.Secret, mailedTo, *in.New, c.source())
	c.recordReset(u, err)
	if err != nil {
		return resetOut{}, err
	}
	c.notify(u, letters.PasswordChanged) // it is another, whatever fails from here on
	u, err = c.proveByReset(u, mailedTo)
	c.removeAll(u.ID, endreason.PasswordChanged)
	if err != nil {
		return resetOut{}, err
	}
	c.api.rememberDevice(c.w, c.r, u)
	return resetOut{c.enrolAfterReset(u)}, nil
}

// enrolAfterReset begins a sign-in that waits for its user to set up a second factor, if the user must have one and has none: only
// the owner of the account was given the link. It returns nil otherwise, and if the store fails; another link is needed then.
func (c *call) enrolAfterReset(u *account.User) *pendingOut {
	if !c.api.Steps.Requires(u) {
		return nil
	}
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err == nil && !demand.Enrol {
		return nil
	}
	out := pendingOut{}
	if err == nil {
		out, err = c.beginPending(&signin.Pending{
			Kind:     signin.Enrolment,
			Proof:    signin.Proof{User: u.ID, Epoch: u.Epoch, Methods: []signin.Method{signin.Password}, FirstAt: time.Now().Unix()},
			Remember: true, Device: c.device(u), Address: addressText(c.address()),
		}, c.enrollable())
	}
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "no second factor can be set up after this reset", slog.Any("error", err))
		return nil
	}
	return &out
}

// proveByReset notes that the user whose password was reset receives mail at the address to which the link was mailed. Until then a
// stranger may have had the account, under an address that isn't the stranger's. So what the account has been given before is removed,
// and what was signed in with it has ended when the address counts as proven. If that fails, the address stays unproven, and the next reset
// by mail removes it. It returns the user as the user then is, also beside an error.
func (c *call) proveByReset(u *account.User, mailedTo string) (*account.User, error) {
	if mailedTo == "" || u.Email != mailedTo || u.HasProvenEmail() {
		return u, nil
	}
	ctx, cancel := c.afterwards() // the link is used up
	defer cancel()
	for range resetRounds {
		err := c.tryToProve(ctx, &u, mailedTo)
		if err == nil {
			c.api.Audit.Record(c.ctx(), audit.EmailKinds.Verified, slog.String("user", u.ID), slog.String("method", "reset"))
		}
		if !errors.Is(err, account.ErrEpochChanged) {
			return u, err
		}
		now, err := c.endAfterReset(ctx, u, mailedTo)
		if err != nil {
			return u, err
		}
		if now == nil {
			return u, nil
		}
		u = now
	}
	return u, errors.New("prove an address by a reset: its account changes all the time")
}

const resetRounds = 10 // in each of which something of the stranger must have moved the epoch

// tryToProve removes what user was given before, and notes that the address is proven. It sets user to the user as the user then is.
// [account.ErrEpochChanged] if the epoch was moved meanwhile; then something may be left.
func (c *call) tryToProve(ctx context.Context, user **account.User, mailedTo string) error {
	u := *user
	service := admin.Service{Accounts: c.api.Accounts, Audit: c.api.Audit, SecondStep: c.api.Steps, Links: c.api.Links}
	removed, err := service.RemoveWaysIn(ctx, u, func() error {
		now, err := c.api.Accounts.RevokeAllIfUnchanged(ctx, u.ID, u.Epoch)
		if err == nil {
			u, *user = now, now
		}
		return err
	})
	if removed {
		c.record(audit.SecondFactorKinds.Removed, u, slog.String("kind", "all"), slog.String("method", "reset"))
	}
	if err == nil {
		_, err = c.api.Accounts.ProveEmail(ctx, u.ID, u.Epoch, mailedTo)
	}
	return err
}

// endAfterReset ends everything of a user whose epoch isn't that of u any more, and returns the user as the user then is: what signed in with
// a stranger's factor can have moved it, for instance by another factor. It returns nil if the user has another password or address than
// u by now, is disabled or deleted: then another reset or an administrator came between, and the account isn't this reset's any more.
func (c *call) endAfterReset(ctx context.Context, u *account.User, mailedTo string) (*account.User, error) {
	for range resetRounds {
		now, err := c.api.Accounts.Store.Load(ctx, u.ID)
		if errors.Is(err, account.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if !now.IsActive || now.Password != u.Password || now.Email != mailedTo {
			return nil, nil
		}
		now, err = c.api.Accounts.RevokeAllIfUnchanged(ctx, u.ID, now.Epoch)
		if !errors.Is(err, account.ErrEpochChanged) {
			return now, err
		}
	}
	return nil, errors.New("end an account after a reset: it changes all the time")
}

type forgotIn struct {
	Email *string `json:"email"`
}

// forgotPassword sends a link for a new password to an address, if it is that of an account. The answer doesn't tell.
func forgotPassword(c *call, in forgotIn) error {
	if !c.api.Letters.Available() {
		return errNoMail
	}
	address, err := requiredEmail(in.Email)
	if err != nil {
		return err
	}
	return c.api.Letters.Forgot(c.ctx(), address, c.source(), c.about())
}

// removeAll deletes the ended sessions and tokens of a user from the stores, and notifies the open pages of the reason. The
// epoch has ended them already, so a failure is only logged.
func (c *call) removeAll(user, reason string) { c.remove(user, reason, nil) }

// remove is removeAll for all sessions but one.
func (c *call) remove(user, reason string, except *session.Session) {
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := c.api.Auth.DeleteRevoked(session.WithReason(ctx, reason), user, except); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "ended sessions not deleted", slog.Any("error", err))
	}
}

// removeOf is removeAll for many users.
func (c *call) removeOf(users []string, reason string) {
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := c.api.Auth.DeleteRevokedOf(session.WithReason(ctx, reason), users); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "ended sessions not deleted", slog.Any("error", err))
	}
}

// recordReset records the result of the use of a reset link. If the link is invalid, the event has no user.
func (c *call) recordReset(u *account.User, err error) {
	_, throttled := errors.AsType[*throttle.Error](err)
	_, refused := errors.AsType[*account.InvalidError](err)
	fail := func(reason string) {
		c.api.Audit.Record(c.ctx(), audit.PasswordKinds.ChangeFail, slog.String("method", "reset"), slog.String("reason", reason))
	}
	switch {
	case err == nil:
		c.api.Audit.Record(c.ctx(), audit.PasswordKinds.Change, slog.String("user", u.ID), slog.String("method", "reset"))
	case throttled:
		fail("throttled")
	case refused:
		fail("new password refused")
	case errors.Is(err, account.SpentErrors.Reset):
		fail("reset link not valid")
	}
}
