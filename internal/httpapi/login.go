package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

type loginIn struct {
	Username *string `json:"username"`
	Password *string `json:"password"`
	Remember *bool   `json:"remember"`
	App      *bool   `json:"app"`
}

func (*loginIn) takesForms() {}

// login signs in with a JSON or form body, or with HTTP Basic and no body.
func login(c *call, in loginIn) (userOut, error) {
	app, err := c.forApp(in.App)
	if err != nil {
		return userOut{}, err
	}
	method := "password"
	if in.Username == nil && in.Password == nil && in.Remember == nil {
		method = "basic"
		if err := in.fromBasic(c.r); err != nil {
			return userOut{}, err
		}
	}
	if app {
		method = "app"
	}
	u, err := c.authenticate(c.api.Accounts.Authenticate, in.Username, in.Password)
	if err != nil {
		return userOut{}, err
	}
	return newUserOut(u), c.signIn(u, method, in.Remember == nil || *in.Remember, app)
}

// authenticate has a name and a password checked, and logs how that ended.
func (c *call) authenticate(check checkPassword, username, password *string) (*account.User, error) {
	if err := required(map[string]*string{"username": username, "password": password}); err != nil {
		return nil, err
	}
	u, name, err := c.guess(check, *username, *password)
	c.recordVerification(audit.Login, name, err)
	return u, err
}

// guess checks a name and a password, and returns the name as the log may have it. One that is nobody's is masked there: it
// may be a password, typed into the wrong field.
func (c *call) guess(check checkPassword, login, password string) (u *account.User, name string, err error) {
	name = audit.Mask(shorten(login))
	u, err = check(c.ctx(), account.Attempt{
		Login: login, Password: password, Address: c.source(),
		Device: func(u *account.User) string {
			name = shorten(login) // it is somebody's
			return c.device(u)
		},
	})
	return u, name, err
}

// checkPassword is account.Service's Authenticate, or Verify where no sign-in begins.
type checkPassword func(context.Context, account.Attempt) (*account.User, error)

// verifyBasic is how a request is judged by HTTP Basic where that counts on every route. A refusal is a *problem.Problem.
func (a *API) verifyBasic(r *http.Request, login, password string) (*account.User, error) {
	c := &call{api: a, r: r}
	u, name, err := c.guess(a.Accounts.Verify, login, password)
	if err != nil {
		c.recordVerification(audit.Login, name, err)
		return nil, a.problem(r, err)
	}
	return u, nil
}

// pageHeaders are what only browsers send, with every POST of a page: none without Origin, and none of today's without
// Sec-Fetch-Site and Sec-Fetch-Dest (W3C Fetch Metadata). Sec-Fetch-Mode isn't among them: the fetch of Node and Deno sends
// that, and nothing else of theirs.
var pageHeaders = []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest", "Cookie"}

// forApp reports whether the ticket is to go to a program that is no browser. A page must never see one, so a request that
// may come from a page gets none, and neither does one with a cookie, which a page would bring.
func (c *call) forApp(asked *bool) (bool, error) {
	if !session.RequestFrom(c.ctx()).FromApp() && (asked == nil || !*asked) {
		return false, nil
	}
	if !c.api.Sessions.AppTokens {
		return false, errNoAppTokens
	}
	for _, name := range pageHeaders {
		if _, there := c.r.Header[name]; there {
			return false, errNotAnApp
		}
	}
	return true, nil
}

// fromBasic takes the credentials from the Authorization header.
func (in *loginIn) fromBasic(r *http.Request) error {
	lines := r.Header.Values("Authorization")
	if len(lines) == 0 {
		return auth.ErrNotAuthenticated
	}
	username, password, err := auth.ParseBasic(lines[0])
	if err != nil {
		return err
	}
	if len(lines) > 1 {
		return problem.New(http.StatusUnauthorized, "invalid_credentials",
			"Invalid basic header. Only one Authorization header, please.")
	}
	in.Username, in.Password = &username, &password
	return nil
}

// recordVerification records what came of the check of a password.
func (c *call) recordVerification(kinds audit.Verification, name string, err error, more ...slog.Attr) {
	var kind audit.Kind
	switch _, throttled := errors.AsType[*throttle.Error](err); {
	case err == nil:
		kind = kinds.Success
	case throttled, errors.Is(err, account.ErrLocked):
		kind = kinds.Lock
	case errors.Is(err, account.ErrInvalidCredentials):
		kind = kinds.Fail
	default:
		return // the error is logged elsewhere
	}
	c.api.Audit.Record(c.ctx(), kind, append(more, slog.String("login", name))...)
}

// shorten makes a text that a stranger may have written fit for the log.
func shorten(s string) string { return admin.LogText(s) }

type logoutIn struct {
	Everywhere *bool `json:"everywhere"`
}

func (*logoutIn) takesForms() {}

// logout ends what the request is judged by: the session, or the token. Everywhere ends all sessions of the user's besides,
// and the tokens that stand for a sign-in; those that programs were given stay.
func logout(c *call, in logoutIn) (none, error) {
	everywhere := in.Everywhere != nil && *in.Everywhere
	if !everywhere && (!auth.ByHeader(c.ctx()) || session.RequestFrom(c.ctx()).FromApp()) {
		return none{}, c.signOut()
	}
	c.needs = needsIdentity
	if err := c.authorizeAgain(c.ctx()); err != nil {
		return none{}, err
	}
	if !everywhere {
		return none{}, c.endToken(c.who)
	}
	if err := auth.CheckSession(c.who); err != nil {
		return none{}, err
	}
	if _, err := c.api.Auth.SignOutEverywhere(c.ctx(), c.who.User.ID); err != nil {
		return none{}, err
	}
	return none{}, c.signOut()
}

// endToken ends the token that the request is judged by, or the family of its JWT; it is no error if it has ended meanwhile.
func (c *call) endToken(who *auth.Identity) error {
	id := ""
	switch {
	case who.Token != nil:
		id = who.Token.ID
	case who.JWT != nil:
		id = who.JWT.Family
	default:
		return nil
	}
	err := c.api.Auth.Tokens.Revoke(c.ctx(), who.User.ID, id)
	if errors.Is(err, token.ErrNotFound) {
		return nil
	}
	return err
}

type csrfOut struct {
	Token string `json:"csrftoken"`
}

// csrfToken gives a page what it must send as X-CSRFToken, in the body and as a cookie that scripts can read.
func csrfToken(c *call, _ none) (csrfOut, error) {
	i, err := auth.FromContext(c.ctx())
	if err != nil {
		return csrfOut{}, err
	}
	binding := ""
	if i != nil && i.Session != nil {
		binding = i.Session.ID
	}
	return csrfOut{c.api.CSRF.Issue(c.w, c.r, binding)}, nil
}
