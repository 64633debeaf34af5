package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// The views of djangorestframework-simplejwt 5.5 with ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION.

// jwtChallenge is the WWW-Authenticate of simplejwt's 401.
const jwtChallenge = `Bearer realm="api"`

var (
	errNoActiveAccount = simpleJWTError(jwtRefusal{Detail: "No active account found with the given credentials"})
	errAccountGone     = simpleJWTError(jwtRefusal{Detail: "No active account found for the given token."})
	errBlacklisted     = invalid(map[string][]string{"non_field_errors": {jwt.ErrEnded.Error()}})
	errJustUsed        = error(&problem.Problem{Status: http.StatusConflict, Code: "token_just_used", Plain: jwtRefusal{
		Detail: "Another request has just used this refresh token. Nothing has ended: use the tokens that it got.",
		Code:   "token_just_used",
	}})
)

// jwtRefusal is the body of simplejwt's errors, with the members in simplejwt's order.
type jwtRefusal struct {
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"`
}

func simpleJWTError(plain jwtRefusal) error {
	return &problem.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid", Challenge: jwtChallenge, Plain: plain}
}

// simpleJWT returns the error of simplejwt's views for an error of package jwt, and any other error unchanged.
func simpleJWT(err error) error {
	why, refused := errors.AsType[*jwt.Refusal](err)
	switch {
	case refused:
		return simpleJWTError(jwtRefusal{why.Error(), "token_not_valid"})
	case errors.Is(err, jwt.ErrNoAccount):
		return errAccountGone
	case errors.Is(err, jwt.ErrJustUsed):
		return errJustUsed
	}
	return err
}

// requireFilled returns an error that names the missing and blank fields, with the text of Django REST framework. Like Django
// REST framework it trims the others.
func requireFilled(given map[string]*string) error {
	wrong := map[string][]string{}
	for name, value := range given {
		switch {
		case value == nil:
			wrong[name] = []string{"This field is required."}
		case strings.TrimSpace(*value) == "":
			wrong[name] = []string{"This field may not be blank."}
		default:
			*value = strings.TrimSpace(*value)
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

type pairOut struct {
	Refresh string `json:"refresh"`
	Access  string `json:"access"`
}

// createJWT does what TokenObtainPairView does.
func createJWT(c *call, in credentialsIn) (pairOut, error) {
	if err := in.requireFilled(); err != nil {
		return pairOut{}, err
	}
	u, err := c.authenticateAlone(in.Username, in.Password)
	switch {
	case errors.Is(err, account.ErrInvalidCredentials):
		return pairOut{}, errNoActiveAccount
	case err != nil:
		return pairOut{}, secondFactorOfJWT(err)
	}
	pair, err := c.api.JWT.Create(c.ctx(), jwt.SignIn{
		User: u.ID, Epoch: u.Epoch, Address: addressText(c.address()), Agent: agent(c.r),
	})
	if err != nil {
		return pairOut{}, err
	}
	undo := func(ctx context.Context) error {
		err := c.api.JWT.Blacklist(ctx, pair.Refresh)
		if errors.Is(err, jwt.ErrEnded) {
			err = nil // it has ended already
		}
		return err
	}
	if err := c.stillAlone(u, undo); err != nil {
		return pairOut{}, secondFactorOfJWT(err)
	}
	return pairOut{Refresh: pair.Refresh, Access: pair.Access}, nil
}

// secondFactorOfJWT says that a second factor is needed in the form in which simplejwt refuses credentials.
func secondFactorOfJWT(err error) error {
	if err != error(errSecondFactor) {
		return err
	}
	return simpleJWTError(jwtRefusal{Detail: errSecondFactor.Detail, Code: errSecondFactor.Code})
}

type refreshIn struct {
	Refresh *string `json:"refresh"`
}

func (*refreshIn) takesForms() {}

type refreshedOut struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// refreshJWT does what TokenRefreshView does.
func refreshJWT(c *call, in refreshIn) (refreshedOut, error) {
	if err := requireFilled(map[string]*string{"refresh": in.Refresh}); err != nil {
		return refreshedOut{}, err
	}
	pair, err := c.api.JWT.Refresh(c.ctx(), *in.Refresh)
	return refreshedOut{Access: pair.Access, Refresh: pair.Refresh}, simpleJWT(err)
}

type verifyIn struct {
	Token    *string `json:"token"`
	Audience *string `json:"audience"`
}

func (*verifyIn) takesForms() {}

// verifyJWT does what TokenVerifyView does. The member audience, which simplejwt doesn't have, is for services that verify
// minted tokens.
func verifyJWT(c *call, in verifyIn) (none, error) {
	if err := requireFilled(map[string]*string{"token": in.Token}); err != nil {
		return none{}, err
	}
	audience := ""
	if in.Audience != nil {
		if err := requireFilled(map[string]*string{"audience": in.Audience}); err != nil {
			return none{}, err
		}
		audience = *in.Audience
	}
	err := c.api.JWT.Verify(c.ctx(), *in.Token, audience)
	if errors.Is(err, jwt.ErrEnded) {
		return none{}, errBlacklisted
	}
	return none{}, simpleJWT(err)
}

// blacklistJWT does what TokenBlacklistView does.
func blacklistJWT(c *call, in refreshIn) (none, error) {
	if err := requireFilled(map[string]*string{"refresh": in.Refresh}); err != nil {
		return none{}, err
	}
	return none{}, simpleJWT(c.api.JWT.Blacklist(c.ctx(), *in.Refresh))
}
