package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

var (
	errJWTRequired = problem.New(http.StatusForbidden, "access_token_required",
		"Send the access token to exchange in the header Authorization: Bearer <token>.")
	errSpent = &problem.Problem{Status: http.StatusUnauthorized, Code: "token_spent", Challenge: jwtChallenge,
		Detail: "This token has been exchanged for a session before. Refresh it, and exchange the new one."}
	errUnknownAudience = invalid(map[string][]string{"audience": {
		"No such audience. The operator configures audiences with --audience."}})
)

type exchangeIn struct {
	Remember *bool `json:"remember"`
}

// exchangeJWT starts a session for an access token, which can be exchanged only once. The session counts as authenticated when
// the user signed in for the token, and isn't fresh. The token and its family stay valid.
func exchangeJWT(c *call, in exchangeIn) (userOut, error) {
	if c.who.JWT == nil {
		return userOut{}, errJWTRequired
	}
	if err := c.api.JWT.Spend(c.ctx(), c.who.JWT); err != nil {
		return userOut{}, err
	}
	s, err := c.api.Sessions.SignIn(c.w, c.r, session.SignIn{
		User: c.who.User.ID, Epoch: c.who.JWT.Epoch, Method: "jwt", Address: addressText(c.address()),
		BrowserSession: in.Remember != nil && !*in.Remember, AuthenticatedAt: c.who.AuthenticatedAt,
	})
	if err != nil {
		return userOut{}, err
	}
	c.undoIfEnded(func(ctx context.Context) error { return c.api.Sessions.Revoke(ctx, s.User, s.ID) })
	c.api.CSRF.Issue(c.w, c.r, s.ID)
	return newUserOut(c.who.User), nil
}

type mintIn struct {
	Audience *string `json:"audience"`
}

type mintedOut struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// mintJWT returns a token with which the user of a session can authenticate to another service.
func mintJWT(c *call, in mintIn) (mintedOut, error) {
	if err := required(map[string]*string{"audience": in.Audience}); err != nil {
		return mintedOut{}, err
	}
	text, expires, err := c.api.JWT.Mint(c.ctx(), jwt.Mint{
		Session: c.who.Session, Epoch: c.who.User.Epoch, AuthenticatedAt: c.who.AuthenticatedAt, Methods: c.who.Methods(),
		Audience: *in.Audience,
	})
	if errors.Is(err, jwt.ErrAudience) {
		return mintedOut{}, errUnknownAudience
	}
	if err != nil {
		return mintedOut{}, err
	}
	c.undoIfEnded(c.recordUnused("minted"))
	return mintedOut{text, expires}, nil
}

// publicKeys answers with the keys that verify our tokens. The response is public and may be cached.
func publicKeys(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		keys, keep, err := a.JWT.PublicKeys(ctx)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		if keep > 0 {
			h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keep.Seconds())))
			h["Vary"] = slices.DeleteFunc(slices.Clone(h["Vary"]), func(name string) bool { return name == "Cookie" })
		}
		_, _ = w.Write(append(keys, '\n'))
	})
}
