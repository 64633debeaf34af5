package httpapi

import (
	"errors"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type reauthenticateIn struct {
	Password *string `json:"password"`
}

// reauthenticate checks the password again, which makes the session fresh and gives it a new ticket.
func reauthenticate(c *call, in reauthenticateIn) (userOut, error) {
	if err := required(map[string]*string{"password": in.Password}); err != nil {
		return userOut{}, err
	}
	u, err := c.accounts().Confirm(c.ctx(), c.who.User.ID, c.attempt(*in.Password))
	c.recordVerification(audit.Reauthenticate, shorten(c.who.User.Username), err, slog.String("user", c.who.User.ID))
	if errors.Is(err, account.ErrInvalidCredentials) {
		return userOut{}, invalid(wrongPassword("password"))
	}
	if err != nil {
		return userOut{}, err
	}
	return newUserOut(u), c.rotate(u.Epoch, false, signin.Password)
}

func (c *call) attempt(password string) account.Attempt {
	return account.Attempt{
		Login: c.who.User.Username, Password: password, Epoch: c.who.User.Epoch, Address: c.source(), Device: c.device,
	}
}

// wrongPassword returns the field error of a 400. A 401 would make the client believe that the session has ended.
func wrongPassword(field string) map[string][]string {
	return map[string][]string{field: {"Your password was entered incorrectly. Please enter it again."}}
}

type changePasswordIn struct {
	Current *string `json:"current_password"`
	New     *string `json:"new_password"`
}

// changePassword sets a new password. It changes the epoch, which ends every other session, and gives this one a new ticket.
// Once the new hash is committed the response is 200, even if a later step fails: that only ends this session as well, or
// leaves the rows of ended sessions for the purge.
func changePassword(c *call, in changePasswordIn) (none, error) {
	if err := required(map[string]*string{"current_password": in.Current, "new_password": in.New}); err != nil {
		return none{}, err
	}
	u, err := c.accounts().ChangePassword(c.ctx(), c.who.User.ID, c.attempt(*in.Current), *in.New)
	c.recordPasswordChange(err)
	if errors.Is(err, account.ErrInvalidCredentials) {
		return none{}, invalid(wrongPassword("current_password"))
	}
	if err != nil {
		return none{}, err
	}
	c.notify(u, letters.PasswordChanged)
	if err := c.rotate(u.Epoch, false, signin.Password); err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "session not renewed after a password change", slog.Any("error", err))
		return none{}, nil
	}
	c.api.rememberDevice(c.w, c.r, u)
	c.remove(u.ID, auth.PasswordChanged, c.current())
	return none{}, nil
}

// recordPasswordChange records the result of a change of the password. a.problem logs the errors of stores.
func (c *call) recordPasswordChange(err error) {
	_, throttled := errors.AsType[*throttle.Error](err)
	_, refused := errors.AsType[*account.InvalidError](err)
	kind, reason := audit.Password.ChangeFail, ""
	switch {
	case err == nil:
		kind = audit.Password.Change
	case throttled:
		reason = "throttled"
	case refused:
		reason = "new password refused"
	case errors.Is(err, account.ErrInvalidCredentials):
		reason = "wrong password"
	default:
		return
	}
	about := []slog.Attr{slog.String("user", c.who.User.ID)}
	if reason != "" {
		about = append(about, slog.String("reason", reason))
	}
	c.api.Audit.Record(c.ctx(), kind, about...)
}
