package httpapi

import (
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
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
func (c *call) notify(u *account.User, n letters.Notice) {
	if !c.api.Letters.Available() {
		return
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := c.api.Letters.Notify(ctx, u, n, c.about()); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice not stored", slog.String("kind", string(n)), slog.String("user", u.ID), slog.Any("error", err))
	}
}

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
	address, err := c.api.Letters.Verify(c.ctx(), c.who.User.ID, *in.Secret)
	return proveOut{address}, err
}
