package httpapi

import (
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// listUserTokens lists the tokens of one user.
func listUserTokens(c *call, _ none) (tokensOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return tokensOut{}, err
	}
	return c.tokensOf(u)
}

// endUserTokens ends all tokens of a user, whatever their kind.
func endUserTokens(c *call, _ none) (endedOut, error) {
	u, err := c.accounts().ManagedUser(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return endedOut{}, err
	}
	n, err := c.api.Tokens.RevokeAll(c.ctx(), u.ID)
	if err != nil {
		return endedOut{}, err
	}
	c.record(audit.AuthzKinds.Admin, u, slog.String("deed", "tokens ended"), slog.Int("tokens", n))
	return endedOut{n}, nil
}

// endAnyToken ends a token of any user.
func endAnyToken(c *call, _ none) (none, error) {
	t, err := c.api.Tokens.Find(c.ctx(), c.r.PathValue("id"))
	if err != nil {
		return none{}, err
	}
	u, err := c.accounts().ManagedUser(c.ctx(), t.User)
	if err != nil {
		return none{}, err // the tokens of a deleted user have ended, too
	}
	if err := c.api.Tokens.Revoke(c.ctx(), u.ID, t.ID); err != nil {
		return none{}, err
	}
	c.record(audit.AuthzKinds.Admin, u, slog.String("deed", "token ended"), slog.String("token", t.ID))
	return none{}, nil
}
