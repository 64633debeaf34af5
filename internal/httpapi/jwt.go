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
		"Send the access token that you want to exchange: Authorization: Bearer, and the token.")
	errSpent = &problem.Problem{Status: http.StatusUnauthorized, Code: "token_spent", Challenge: jwtChallenge,
		Detail: "This token has been exchanged for a session before. Refresh it, and exchange the new one."}
	errUnknownAudience = invalid(map[string][]string{"audience": {
		"No such audience. The operator names them with --audience."}})
)

type exchangeIn struct {
	Remember *bool `json:"remember"`
}

// exchangeJWT makes a session of an access token, which it uses up. The session is as old as the sign-in that the token
// comes from, and not fresh. The token's family goes on.
func exchangeJWT(c *call, in exchangeIn) (userOut, error) {
	if c.who.JWT == nil {
		return userOut{}, errJWTRequired
	}
	if err := c.api.Auth.JWT.Spend(c.ctx(), c.who.JWT); err != nil {
		return userOut{}, err
	}
	s, err := c.api.Sessions.SignIn(c.w, c.r, session.SignIn{
		User: c.who.User.ID, Epoch: c.who.JWT.Epoch, Method: "jwt", Address: text(c.address()),
		BrowserSession: in.Remember != nil && !*in.Remember, AuthenticatedAt: c.who.AuthenticatedAt,
	})
	if err != nil {
		return userOut{}, err
	}
	c.making(func(ctx context.Context) error { return c.api.Sessions.Revoke(ctx, s.User, s.ID) })
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

// mintJWT gives a session a token for another service.
func mintJWT(c *call, in mintIn) (mintedOut, error) {
	if err := required(map[string]*string{"audience": in.Audience}); err != nil {
		return mintedOut{}, err
	}
	text, expires, err := c.api.Auth.JWT.Mint(c.ctx(), jwt.Mint{
		Session: c.who.Session, Epoch: c.who.User.Epoch, AuthenticatedAt: c.who.AuthenticatedAt, Audience: *in.Audience,
	})
	if errors.Is(err, jwt.ErrAudience) {
		return mintedOut{}, errUnknownAudience
	}
	if err != nil {
		return mintedOut{}, err
	}
	c.making(c.neverShown("minted"))
	return mintedOut{text, expires}, nil
}

// publicKeys answers with the keys that our tokens can be verified by, for anybody and for caches.
func publicKeys(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		keys, keep, err := a.Auth.JWT.PublicKeys(ctx)
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
