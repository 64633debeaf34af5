package httpapi

import (
	"context"
	"errors"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
)

type reauthenticateIn struct {
	Password *string `json:"password"`
}

// reauthenticate takes the password again, which makes the session fresh and gives it a new ticket.
func reauthenticate(c *call, in reauthenticateIn) (userOut, error) {
	if err := required(map[string]*string{"password": in.Password}); err != nil {
		return userOut{}, err
	}
	u, err := c.api.Accounts.Confirm(c.ctx(), c.who.User.ID, c.attempt(*in.Password))
	c.logAttempt("authn_reauthenticate", c.who.User.Username, err)
	if errors.Is(err, account.ErrInvalidCredentials) {
		return userOut{}, invalid(wrongPassword("password"))
	}
	if err != nil {
		return userOut{}, err
	}
	return newUserOut(u), c.rotate(u.Epoch)
}

func (c *call) attempt(password string) account.Attempt {
	return account.Attempt{Login: c.who.User.Username, Password: password, Address: c.address(), Device: c.device}
}

// wrongPassword is a 400 and not a 401: the session is alive, and a client that saw 401 would sign the person out.
func wrongPassword(field string) map[string][]string {
	return map[string][]string{field: {"Your password was entered incorrectly. Please enter it again."}}
}

type changePasswordIn struct {
	Current *string `json:"current_password"`
	New     *string `json:"new_password"`
}

// changePassword ends every other session by moving the epoch, and gives this one a new ticket. Once the new hash is
// committed the answer is 200: what may fail afterwards only signs this session out too, or leaves dead rows to the purge.
func changePassword(c *call, in changePasswordIn) (none, error) {
	if err := required(map[string]*string{"current_password": in.Current, "new_password": in.New}); err != nil {
		return none{}, err
	}
	u, err := c.api.Accounts.ChangePassword(c.ctx(), c.who.User.ID, c.attempt(*in.Current), *in.New)
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "authn_password_change_fail", slog.String("user", c.who.User.ID))
	}
	if errors.Is(err, account.ErrInvalidCredentials) {
		return none{}, invalid(wrongPassword("current_password"))
	}
	if err != nil {
		return none{}, err
	}
	c.api.Log.LogAttrs(c.ctx(), slog.LevelInfo, "authn_password_change", slog.String("user", u.ID))
	if err := c.rotate(u.Epoch); err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "session not renewed after a password change", slog.Any("error", err))
		return none{}, nil
	}
	c.api.rememberDevice(c.w, c.r, u.ID)
	if _, err := c.api.Sessions.RevokeAll(context.WithoutCancel(c.ctx()), u.ID, c.current()); err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "dead sessions not removed", slog.Any("error", err))
	}
	return none{}, nil
}
