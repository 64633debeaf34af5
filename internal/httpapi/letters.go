package httpapi

import (
	"context"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
)

// about says who has sent the request, for the message that it causes.
func (c *call) about() letters.About {
	return letters.About{
		Address: addressText(c.address()), Agent: agent(c.r), AcceptLanguage: c.r.Header.Get("Accept-Language"),
	}
}

// notify tells a user by mail what has happened to the account. It has happened, so a failure is only logged.
func (c *call) notify(u *account.User, n letters.Notice) {
	if !c.api.Letters.Available() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), callTimeout)
	defer cancel()
	if err := c.api.Letters.Notify(ctx, u, n, c.about()); err != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice not stored", slog.String("kind", string(n)), slog.String("user", u.ID), slog.Any("error", err))
	}
}
