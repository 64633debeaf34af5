package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/token"
)

// maxDRFTokens is the largest number of Django REST framework's tokens that a user has. Django REST framework returns the same
// token each time, and so must store its text. Here each call creates a token, and the oldest one beyond the limit ends.
const maxDRFTokens = 10

var (
	errNoToken = error(&problem.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated", Challenge: "Token",
		Detail: "Authentication credentials were not provided."})
	errNotKnox = error(&problem.Problem{Status: http.StatusUnauthorized, Code: "invalid_token", Challenge: "Token",
		Detail: "Invalid token."})
	errUnableToLogIn = error(&problem.Problem{Status: http.StatusBadRequest, Code: "invalid_credentials",
		Fields: map[string][]string{"non_field_errors": {"Unable to log in with provided credentials."}}})
	errTooManyKnox = error(&problem.Problem{Status: http.StatusForbidden, Code: "too_many_tokens",
		Plain: map[string]any{"error": "Maximum amount of tokens allowed per user exceeded."}})
)

type credentialsIn struct {
	Username *string `json:"username"`
	Password *string `json:"password"`
}

func (*credentialsIn) takesForms() {}

// requireFilled returns an error that names the missing and empty fields, with the text of Django REST framework. It trims the
// username, but not the password.
func (in *credentialsIn) requireFilled() error {
	if in.Username != nil {
		trimmed := strings.TrimSpace(*in.Username)
		in.Username = &trimmed
	}
	wrong := map[string][]string{}
	for name, value := range map[string]*string{"username": in.Username, "password": in.Password} {
		switch {
		case value == nil:
			wrong[name] = []string{"This field is required."}
		case *value == "":
			wrong[name] = []string{"This field may not be blank."}
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	return nil
}

// refuseInFields says that a second factor is needed in the form in which obtain_auth_token refuses credentials.
func refuseInFields(err error) error {
	if err != error(errSecondFactor) {
		return err
	}
	return &problem.Problem{Status: http.StatusBadRequest, Code: errSecondFactor.Code,
		Fields: map[string][]string{"non_field_errors": {errSecondFactor.Detail}}}
}

type obtainedToken struct {
	Token string `json:"token"`
}

// obtainToken does what rest_framework.authtoken.views.obtain_auth_token does.
func obtainToken(c *call, in credentialsIn) (obtainedToken, error) {
	if err := in.requireFilled(); err != nil {
		return obtainedToken{}, err
	}
	u, err := c.authenticateAlone(in.Username, in.Password)
	if errors.Is(err, account.ErrInvalidCredentials) {
		return obtainedToken{}, errUnableToLogIn
	}
	if err != nil {
		return obtainedToken{}, refuseInFields(err)
	}
	text, t, err := c.newToken(u, token.Params{Kind: token.DRF, Limit: maxDRFTokens, Evict: true})
	if errors.Is(err, account.ErrInvalidCredentials) {
		return obtainedToken{}, errUnableToLogIn
	}
	if err != nil {
		return obtainedToken{}, err
	}
	if err := c.stillAlone(u, c.revoking(t)); err != nil {
		return obtainedToken{}, refuseInFields(err)
	}
	return obtainedToken{text}, nil
}

// revoking ends a token that this request has made.
func (c *call) revoking(t *token.Token) func(context.Context) error {
	return func(ctx context.Context) error {
		err := c.api.Tokens.Revoke(ctx, t.User, t.ID)
		if errors.Is(err, token.ErrNotFound) {
			err = nil // it has ended already
		}
		return err
	}
}

// newToken creates a token for a user whose password has just been checked. If the epoch has changed since, the password may
// not be valid any more, so the error is account.ErrInvalidCredentials.
func (c *call) newToken(u *account.User, p token.Params) (string, *token.Token, error) {
	p.User, p.Epoch, p.IP, p.Agent = u.ID, u.Epoch, addressText(c.address()), agent(c.r)
	text, t, err := c.api.Tokens.Create(c.ctx(), p)
	if errors.Is(err, token.ErrEpochChanged) {
		return "", nil, account.ErrInvalidCredentials
	}
	return text, t, err
}

type knoxOut struct {
	Expiry *time.Time `json:"expiry"`
	Token  string     `json:"token"`
}

// knoxLogin does what knox's LoginView does with basic and session authentication. It also accepts username and password in
// the body. A session must be fresh.
func knoxLogin(c *call, in credentialsIn) (knoxOut, error) {
	u, err := c.knoxUser(in)
	if err != nil {
		return knoxOut{}, err
	}
	text, t, err := c.newToken(u, token.Params{Kind: token.Knox, TTL: c.api.Knox.ttl(), Limit: c.api.Knox.Limit})
	if errors.Is(err, token.ErrLimit) {
		return knoxOut{}, errTooManyKnox
	}
	if err != nil {
		return knoxOut{}, err
	}
	if c.who != nil {
		c.undoIfEnded(c.revoking(t))
	} else if err := c.stillAlone(u, c.revoking(t)); err != nil {
		return knoxOut{}, err
	}
	out := knoxOut{Token: text}
	if !t.ExpiresAt.IsZero() {
		out.Expiry = &t.ExpiresAt
	}
	return out, nil
}

func (c *call) knoxUser(in credentialsIn) (*account.User, error) {
	scheme, _, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	switch {
	case in.Username != nil || in.Password != nil:
		if err := in.requireFilled(); err != nil {
			return nil, err
		}
		return c.knoxPassword(in.Username, in.Password)
	case strings.EqualFold(scheme, "Basic"):
		basic := loginIn{}
		if err := basic.fromBasic(c.r); err != nil {
			return nil, err
		}
		return c.knoxPassword(basic.Username, basic.Password)
	}
	c.needs = needsIdentity
	if err := c.authorizeAgain(c.ctx()); err != nil {
		return nil, err
	}
	if c.who.Session == nil {
		return nil, auth.ErrNotAuthenticated
	}
	if err := c.who.CheckFresh(); err != nil { // as for a personal token: it outlives the session
		return nil, err
	}
	return c.who.User, nil
}

func (c *call) knoxPassword(username, password *string) (*account.User, error) {
	u, err := c.authenticateAlone(username, password)
	if err != nil {
		return nil, err
	}
	return c.api.Accounts.NoteSignIn(c.ctx(), u, "")
}

func knoxLogout(c *call, _ none) (none, error) { return none{}, c.endToken(c.who) }

func knoxLogoutAll(c *call, _ none) (none, error) {
	_, err := c.api.Tokens.RevokeAll(c.ctx(), c.who.User.ID, token.Knox)
	return none{}, err
}

// Knox has the settings of django-rest-knox.
type Knox struct {
	// TTL is the life of a token; 0: 10 hours, knox's default; negative: tokens don't expire.
	TTL time.Duration
	// Limit is the largest number of unexpired tokens of a user; 0: no limit.
	Limit int
}

func (k Knox) ttl() time.Duration {
	switch {
	case k.TTL == 0:
		return 10 * time.Hour
	case k.TTL < 0:
		return 0
	}
	return k.TTL
}
