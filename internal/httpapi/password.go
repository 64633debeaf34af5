package httpapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type reauthenticateIn struct {
	Password *string `json:"password"`
	Code     *string `json:"code"`

	Credential json.RawMessage `json:"credential"`

	MailedCode *string `json:"mailed_code"` // of a user who has nothing else to show
}

// reauthenticatedOut is the user, and until when this session is fresh, and fully fresh; null: it isn't.
type reauthenticatedOut struct {
	userOut
	FreshUntil      time.Time  `json:"fresh_until"`
	FullyFreshUntil *time.Time `json:"fully_fresh_until"`
}

// reauthenticate checks the password or a second factor again, or both, which makes the session fresh and gives it a new ticket.
// Both together make it fully fresh, and so does a passkey that has verified its user.
func reauthenticate(c *call, in reauthenticateIn) (reauthenticatedOut, error) {
	if in.MailedCode != nil {
		return reauthenticateByMail(c, in.MailedCode)
	}
	if in.Password == nil && in.Code == nil && in.Credential == nil {
		return reauthenticatedOut{}, required(map[string]*string{"password": nil})
	}
	u, methods := c.who.User, []signin.Method(nil)
	if in.Password != nil {
		var err error
		if u, err = c.confirmPassword(*in.Password); err != nil {
			return reauthenticatedOut{}, err
		}
		methods = append(methods, signin.Password)
	}
	if in.Code != nil {
		v, err := c.verifyCode(audit.ReauthenticateKinds, c.who.User, *in.Code, c.device(c.who.User))
		if err != nil {
			return reauthenticatedOut{}, codeProblem(err)
		}
		methods = append(methods, v.Method)
	}
	both := len(methods) == 2
	if in.Credential != nil {
		proof, err := c.showPasskeyAgain(in.Credential)
		if err != nil {
			return reauthenticatedOut{}, err
		}
		both = both || in.Password != nil || proof.Verified
		methods = append(methods, proof.Methods...)
	}
	return c.reauthenticated(u, both, methods...)
}

// confirmPassword checks the caller's password, and returns the user as it was read together with it.
func (c *call) confirmPassword(typed string) (*account.User, error) {
	u, err := c.accounts().Confirm(c.ctx(), c.who.User.ID, c.attempt(typed))
	if err != nil {
		c.recordVerification(audit.ReauthenticateKinds, shorten(c.who.User.Username), err, slog.String("user", c.who.User.ID))
	}
	if errors.Is(err, account.ErrInvalidCredentials) {
		err = invalid(wrongPassword("password"))
	}
	return u, err
}

// reauthenticated gives the session of the caller a new ticket, after u has shown factors by these methods. second says that they
// are two, or one that is both.
func (c *call) reauthenticated(u *account.User, second bool, methods ...signin.Method) (reauthenticatedOut, error) {
	if second && !slices.Contains(methods, signin.MultiFactor) {
		methods = append(methods, signin.MultiFactor)
	}
	demanded, err := c.api.Steps.Demands(c.ctx(), u.ID)
	if err != nil {
		return reauthenticatedOut{}, err
	}
	c.recordVerification(audit.ReauthenticateKinds, shorten(u.Username), nil, slog.String("user", u.ID), slog.String("method", strings.Join(texts(methods), " ")))
	if err := c.rotate(u.Epoch, second, methods...); err != nil {
		return reauthenticatedOut{}, err
	}
	now := c.current()
	out := reauthenticatedOut{userOut: newUserOut(u), FreshUntil: now.ReauthenticatedAt.Add(auth.FreshFor).UTC()}
	full := now.ReauthenticatedAt
	if demanded {
		full = now.SecondAt
	}
	if until := full.Add(auth.FreshFor).UTC(); time.Now().Before(until) {
		out.FullyFreshUntil = &until
	}
	return out, nil
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
	if err := c.bothIfDemanded(); err != nil {
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
	c.remove(u.ID, endreason.PasswordChanged, c.current())
	return none{}, nil
}

// bothIfDemanded returns an error if a sign-in asks the caller for two factors, and the caller hasn't shown both a short while ago.
func (c *call) bothIfDemanded() error {
	demanded, err := c.api.Steps.Demands(c.ctx(), c.who.User.ID)
	if err == nil && demanded {
		err = c.who.CheckFullyFresh(c.ctx())
	}
	return err
}

// recordPasswordChange records the result of a change of the password. a.problem logs the errors of stores.
func (c *call) recordPasswordChange(err error) {
	_, throttled := errors.AsType[*throttle.Error](err)
	_, refused := errors.AsType[*account.InvalidError](err)
	kind, reason := audit.PasswordKinds.ChangeFail, ""
	switch {
	case err == nil:
		kind = audit.PasswordKinds.Change
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
