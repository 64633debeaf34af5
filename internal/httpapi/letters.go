package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	words "github.com/cloakroom-auth/cloakroom/internal/texts"
)

// about says who has sent the request, for the message that it causes.
func (c *call) about() letters.About {
	return letters.About{
		Address: addressText(c.address()), Agent: agent(c.r), AcceptLanguage: words.Accept(c.r),
	}
}

// notify tells a user by mail what has happened to the account. It has happened, so a failure is only logged.
func (c *call) notify(u *account.User, n letters.Notice) { c.notifyAbout(u, n, c.about()) }

// notifyAbout is notify for what someone else has done, as about says.
func (c *call) notifyAbout(u *account.User, n letters.Notice, about letters.About) {
	if !c.api.Letters.Available() {
		return
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := c.api.Letters.Notify(ctx, u, n, about); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice not stored", slog.String("kind", string(n)), slog.String("user", u.ID), slog.Any("error", err))
	}
}

// notifyFor is notify for what an administrator has done. The user isn't told where the administrator is.
func (c *call) notifyFor(u *account.User, n letters.Notice) { c.notifyAbout(u, n, letters.About{}) }

// errNoMail answers requests that would send mail.
var errNoMail = problem.New(http.StatusNotFound, "mail_not_configured", "This server sends no mail.")

// sendVerification sends a link to the user's address, with which the user proves to receive mail there.
func sendVerification(c *call, _ none) error {
	if !c.api.Letters.Available() {
		return errNoMail
	}
	return c.api.Letters.SendVerification(c.ctx(), c.who.User, c.about())
}

type proveIn struct {
	Secret *string `json:"secret"`
}

type proveOut struct {
	Email string `json:"email"`
}

// verifyEmail takes the secret of that link.
func verifyEmail(c *call, in proveIn) (proveOut, error) {
	if !c.api.Letters.Available() {
		return proveOut{}, errNoMail
	}
	if err := required(map[string]*string{"secret": in.Secret}); err != nil {
		return proveOut{}, err
	}
	wanted, err := c.api.Letters.WantedEmail(c.ctx(), c.who.User, *in.Secret)
	if err != nil {
		return proveOut{}, err
	}
	if wanted != "" {
		return proveOut{wanted}, c.moveTo(wanted)
	}
	address, err := c.api.Letters.Verify(c.ctx(), c.who.User.ID, *in.Secret)
	return proveOut{address}, err
}

// changeEmail sends a link to an address that the caller wants to have. The answer doesn't tell whether it is another account's.
func changeEmail(c *call, in forgotIn) error {
	if !c.api.Letters.Available() {
		return errNoMail
	}
	address, err := requiredEmail(in.Email)
	if err != nil {
		return err
	}
	if _, err := c.accounts().UsernameAfterEmailChange(c.who.User, address); err != nil {
		return err
	}
	return c.api.Letters.ChangeEmail(c.ctx(), c.who.User, address, c.about())
}

// moveTo gives the caller an address at which the caller has proven to receive mail. It changes the epoch, which ends every other session,
// and gives this one a new ticket. The message to the former address is stored before, so that no crash loses its owner's way back. Once the
// address is committed the call succeeds, as in changePassword.
func (c *call) moveTo(address string) error {
	if err := c.who.CheckFullyFresh(c.ctx()); err != nil {
		return err
	}
	before := c.who.User
	change, err := c.api.Letters.Changing(c.ctx(), before, address, c.about())
	if err != nil {
		return err
	}
	after, err := c.accounts().ChangeEmail(c.ctx(), before, address)
	ctx, cancel := c.afterwards()
	defer cancel()
	if err != nil {
		return c.unmoved(ctx, change, err)
	}
	c.api.Audit.Record(c.ctx(), audit.EmailKinds.Changed, slog.String("user", after.ID))
	if err := change.Done(ctx); err != nil { // the former address is told a little later
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "former address not told at once", slog.String("user", after.ID), slog.Any("error", err))
	}
	c.afterChange(&authenticator.Change{User: after, Ended: true}, false)
	return nil
}

// unmoved returns the error of a change of the address, and forgets the change if it surely hasn't happened.
func (c *call) unmoved(ctx context.Context, change *letters.Change, err error) error {
	switch {
	case errors.Is(err, account.AddressErrors.Taken), errors.Is(err, account.AddressErrors.Changed):
		err = letters.ErrLink
	case errors.Is(err, account.ErrEpochChanged), errors.Is(err, account.ErrNotFound):
	default:
		return err
	}
	if failed := change.Undone(ctx); failed != nil { // then it is found out when the message is written
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice of a change of the address not removed", slog.Any("error", failed))
	}
	return err
}

type revertIn struct {
	Secret   *string `json:"secret"`
	Username *string `json:"username"`
}

type revertOut struct {
	Secret string `json:"secret"` // of a link for a new password
}

// revertEmail gives an account back to the owner of an address that it had, and takes it away from everyone else.
func revertEmail(c *call, in revertIn) (revertOut, error) {
	if !c.api.Letters.Available() {
		return revertOut{}, errNoMail
	}
	if err := required(map[string]*string{"secret": in.Secret, "username": in.Username}); err != nil {
		return revertOut{}, err
	}
	reset, err := c.api.Letters.Revert(c.ctx(), *in.Secret, *in.Username, c.source(), c.removeSince)
	if errors.Is(err, account.AddressErrors.WrongName) {
		err = invalid(map[string][]string{"username": {"This isn't the username of the account. It is in the message with the link."}})
	}
	return revertOut{reset}, err
}

// removeSince removes what was added to an account since a time, in Unix seconds, and what its new epoch has ended. It reports whether
// anything was removed that signs someone in.
func (c *call) removeSince(u *account.User, since int64) (removed bool, err error) {
	if c.api.Links != nil {
		all, err := c.api.Links.List(c.ctx(), u.ID)
		if err != nil {
			return false, err
		}
		for _, l := range all {
			if l.Added < since {
				continue
			}
			if err := c.api.Links.Remove(c.ctx(), u.ID, l.ID, 0); err != nil && !errors.Is(err, federation.ErrNotFound) {
				return removed, err
			}
			removed = true
		}
	}
	c.removeAll(u.ID, endreason.AccountChanged)
	// Only now: while the password counted, a second factor that was missing would have let it in alone.
	n, err := c.api.Steps.RemoveSince(c.ctx(), u.ID, since)
	return removed || n > 0, err
}
