package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// webToken is an access token of package jwt.
type webToken struct{ text string }

func (webToken) sentByBrowsers() bool { return false }

func (c webToken) identify(ctx context.Context, a *Resolver) (*Identity, error) {
	claims, err := a.c.JWT.Authenticate(ctx, c.text)
	refusal, refused := errors.AsType[*jwt.Refusal](err)
	if claims == nil || err != nil && !refused {
		return nil, badJWT(refusal, err)
	}
	// Problems of the account are reported first, as in simplejwt.
	u, err := a.load(ctx, claims.User)
	switch {
	case errors.Is(err, session.ErrNoAccount):
		return nil, a.whyNoAccount(ctx, claims.User)
	case err != nil:
		return nil, err
	case refused:
		return nil, badJWT(refusal, nil)
	case claims.Epoch != u.Epoch:
		return nil, badJWT(jwt.ErrEnded, nil)
	}
	return &Identity{User: u, Method: "jwt", JWT: claims, AuthenticatedAt: claims.AuthenticatedAt}, nil
}

// badJWT returns the refusal that simplejwt's JWTAuthentication sends; if err is no refusal, it is an outage.
func badJWT(why *jwt.Refusal, err error) error {
	switch why {
	case nil:
		return err
	case jwt.ErrNoUser:
		return unauthorizedJWT("token_not_valid", why.Error())
	}
	return &problem.Problem{
		Status: http.StatusUnauthorized, Code: "token_not_valid", Challenge: bearerChallenge,
		Detail:  "Given token not valid for any token type",
		Members: map[string]any{"messages": []message{{"AccessToken", "access", why.Error()}}},
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
