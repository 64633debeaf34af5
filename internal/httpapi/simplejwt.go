package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// The views of djangorestframework-simplejwt 5.5 with ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION.

// jwtChallenge is what simplejwt's 401 ask for.
const jwtChallenge = `Bearer realm="api"`

var (
	errNoActiveAccount = simpleJWTError(jwtRefusal{Detail: "No active account found with the given credentials"})
	errAccountGone     = simpleJWTError(jwtRefusal{Detail: "No active account found for the given token."})
	errBlacklisted     = invalid(map[string][]string{"non_field_errors": {jwt.ErrEnded.Error()}})
	errJustUsed        = error(&problem.Problem{Status: http.StatusConflict, Code: "token_just_used", Plain: jwtRefusal{
		Detail: "Another request has just used this refresh token, and has the new ones. Nothing has ended: use those.",
		Code:   "token_just_used",
	}})
)

// jwtRefusal is the body of simplejwt's errors, in its order.
type jwtRefusal struct {
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"`
}

func simpleJWTError(plain jwtRefusal) error {
	return &problem.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid", Challenge: jwtChallenge, Plain: plain}
}

// simpleJWT turns the errors of package jwt into those of simplejwt's views. Others stay as they are.
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

// mustFill returns the fields that are missing or blank, in Django REST framework's words, and trims the others as it does.
func mustFill(given map[string]*string) error {
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

// createJWT is TokenObtainPairView.
func createJWT(c *call, in credentialsIn) (pairOut, error) {
	if err := in.blank(); err != nil {
		return pairOut{}, err
	}
	u, err := c.authenticate(c.api.Accounts.Verify, in.Username, in.Password)
	if errors.Is(err, account.ErrInvalidCredentials) {
		return pairOut{}, errNoActiveAccount
	}
	if err != nil {
		return pairOut{}, err
	}
	pair, err := c.api.Auth.JWT.Create(c.ctx(), jwt.SignIn{
		User: u.ID, Epoch: u.Epoch, Address: text(c.address()), Agent: agent(c.r),
	})
	return pairOut{Refresh: pair.Refresh, Access: pair.Access}, err
}

type refreshIn struct {
	Refresh *string `json:"refresh"`
}

func (*refreshIn) takesForms() {}

type refreshedOut struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// refreshJWT is TokenRefreshView.
func refreshJWT(c *call, in refreshIn) (refreshedOut, error) {
	if err := mustFill(map[string]*string{"refresh": in.Refresh}); err != nil {
		return refreshedOut{}, err
	}
	pair, err := c.api.Auth.JWT.Refresh(c.ctx(), *in.Refresh)
	return refreshedOut{Access: pair.Access, Refresh: pair.Refresh}, simpleJWT(err)
}

type verifyIn struct {
	Token    *string `json:"token"`
	Audience *string `json:"audience"`
}

func (*verifyIn) takesForms() {}

// verifyJWT is TokenVerifyView. With an audience, which that doesn't know, it is for services that are shown minted tokens.
func verifyJWT(c *call, in verifyIn) (none, error) {
	if err := mustFill(map[string]*string{"token": in.Token}); err != nil {
		return none{}, err
	}
	audience := ""
	if in.Audience != nil {
		if err := mustFill(map[string]*string{"audience": in.Audience}); err != nil {
			return none{}, err
		}
		audience = *in.Audience
	}
	err := c.api.Auth.JWT.Verify(c.ctx(), *in.Token, audience)
	if errors.Is(err, jwt.ErrEnded) {
		return none{}, errBlacklisted
	}
	return none{}, simpleJWT(err)
}

// blacklistJWT is TokenBlacklistView.
func blacklistJWT(c *call, in refreshIn) (none, error) {
	if err := mustFill(map[string]*string{"refresh": in.Refresh}); err != nil {
		return none{}, err
	}
	return none{}, simpleJWT(c.api.Auth.JWT.Blacklist(c.ctx(), *in.Refresh))
}
