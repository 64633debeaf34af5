package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/token"
)

// webToken is an access token of package jwt.
type webToken struct{ text string }

func (webToken) sentByBrowsers() bool { return false }

func (c webToken) identify(ctx context.Context, a *Resolver) (*Identity, error) {
	claims, invalid := a.c.JWTs.Authenticate(ctx, c.text)
	if claims == nil && invalid == nil {
		invalid = token.ErrInvalid
	}
	if claims == nil || invalid != nil && !errors.Is(invalid, token.ErrInvalid) {
		return nil, badJWT(invalid)
	}
	// Problems of the account are reported first, as in simplejwt.
	u, err := a.load(ctx, claims.User)
	switch {
	case errors.Is(err, errNoAccount):
		return nil, a.whyNoAccount(ctx, claims.User)
	case err != nil:
		return nil, err
	case invalid != nil:
		return nil, badJWT(invalid)
	case claims.Epoch != u.Epoch:
		return nil, badJWT(jwt.ErrEnded)
	}
	return &Identity{User: u, Method: "jwt", JWT: claims, AuthenticatedAt: claims.AuthenticatedAt}, nil
}

// badJWT returns the refusal that simplejwt's JWTAuthentication sends; any other error is an outage.
func badJWT(err error) error {
	switch {
	case !errors.Is(err, token.ErrInvalid):
		return err
	case errors.Is(err, jwt.ErrNoUser):
		return unauthorizedJWT("token_not_valid", err.Error())
	}
	return &problem.Problem{
		Status: http.StatusUnauthorized, Code: "token_not_valid", Challenge: bearerChallenge,
		Detail:  "Given token not valid for any token type",
		Members: map[string]any{"messages": []message{{"AccessToken", "access", err.Error()}}},
	}
}

// message is simplejwt's report about a class of tokens that it has tried. There is one class.
type message struct {
	Class   string `json:"token_class"`
	Type    string `json:"token_type"`
	Message string `json:"message"`
}

func unauthorizedJWT(code, detail string) error {
	return &problem.Problem{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenge: bearerChallenge}
}

// whyNoAccount returns why no one can be signed in as this user.
func (a *Resolver) whyNoAccount(ctx context.Context, id string) error {
	switch _, err := a.c.Accounts.Load(ctx, id); {
	case errors.Is(err, account.ErrNotFound):
		return unauthorizedJWT("user_not_found", "User not found")
	case err != nil:
		return err
	}
	return unauthorizedJWT("user_inactive", "User is inactive")
}
