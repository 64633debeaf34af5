package httpapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/basicauth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
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

// login signs in with the credentials of a JSON or form body, or of HTTP Basic if there is no body.
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
	u, err := c.authenticate(in.Username, in.Password)
	if err != nil {
		return userOut{}, err
	}
	return c.complete(u, firstStep{
		login: shorten(*in.Username), method: method, methods: []signin.Method{signin.Password}, remember: in.Remember == nil || *in.Remember, app: app,
	})
}

// authenticate checks a username and a password. It records a failure in the audit log, and leaves a success to its caller, since
// the password may not be enough.
func (c *call) authenticate(username, password *string) (*account.User, error) {
	if err := required(map[string]*string{"username": username, "password": password}); err != nil {
		return nil, err
	}
	u, name, err := c.tryPassword(*username, *password)
	if err != nil {
		c.recordVerification(audit.LoginKinds, name, err)
		return nil, err
	}
	return u, nil
}

// authenticateAlone is authenticate for the ways in that have no room for a second step, and records a success.
func (c *call) authenticateAlone(username, password *string) (*account.User, error) {
	u, err := c.authenticate(username, password)
	if err != nil {
		return nil, err
	}
	if u, err = c.passwordAlone(u); err != nil {
		return nil, err
	}
	c.recordVerification(audit.LoginKinds, shorten(*username), nil)
	return u, nil
}

// tryPassword checks a username and a password. It also returns the username for the audit log. The name is masked there unless
// it is an account's, since people type passwords into the wrong field.
func (c *call) tryPassword(login, password string) (u *account.User, name string, err error) {
	name = audit.Mask(shorten(login))
	u, err = c.api.Accounts.Verify(c.ctx(), account.Attempt{
		Login: login, Password: password, Address: c.source(),
		Device: func(u *account.User) string {
			name = shorten(login) // Verify has found the account
			return c.device(u)
		},
	})
	return u, name, err
}

// VerifyBasic checks the credentials of HTTP Basic, for auth.Config.Basic. A refusal is a *problem.Problem.
func (a *API) VerifyBasic(r *http.Request, login, password string) (*account.User, error) {
	c := &call{api: a, r: r}
	u, name, err := c.tryPassword(login, password)
	if err != nil {
		c.recordVerification(audit.LoginKinds, name, err)
		return nil, a.problem(r, err)
	}
	if u, err = c.passwordAlone(u); err != nil {
		return nil, a.problem(r, err)
	}
	return u, nil
}

// pageHeaders are headers that only browsers send. Every POST of a page has an Origin, and in current browsers also
// Sec-Fetch-Site and Sec-Fetch-Dest (W3C Fetch Metadata). Sec-Fetch-Mode isn't listed, because fetch in Node and Deno sends it,
// though none of the others.
var pageHeaders = []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest", "Cookie"}

// forApp reports whether the request is an app's, whose ticket goes into a header of the response. Scripts of a page could read
// that, so forApp returns an error if the request may come from a page: if it has a header that only browsers send, or a
// cookie.
func (c *call) forApp(asked *bool) (bool, error) {
	if !session.RequestFrom(c.ctx()).UsesTokenHeader() && (asked == nil || !*asked) {
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

// fromBasic sets the credentials from the Authorization header.
func (in *loginIn) fromBasic(r *http.Request) error {
	lines := r.Header.Values("Authorization")
	if len(lines) == 0 {
		return auth.ErrNotAuthenticated
	}
	username, password, err := basicauth.Parse(lines[0])
	if err == basicauth.ErrScheme {
		return auth.ErrNotAuthenticated
	}
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

// recordVerification records the result of the check of a password.
func (c *call) recordVerification(kinds audit.ProofKinds, name string, err error, more ...slog.Attr) {
	var kind audit.Kind
	switch _, throttled := errors.AsType[*throttle.Error](err); {
	case err == nil:
		kind = kinds.Success
	case throttled, errors.Is(err, account.ErrSilentLimit):
		kind = kinds.Lock
	case errors.Is(err, account.ErrInvalidCredentials):
		kind = kinds.Fail
	default:
		return // a.problem logs the error
	}
	c.api.Audit.Record(c.ctx(), kind, append(more, slog.String("login", name))...)
}

// shorten makes untrusted text safe for the log.
func shorten(s string) string { return admin.LogText(s) }

type logoutIn struct {
	Everywhere *bool `json:"everywhere"`
}

func (*logoutIn) takesForms() {}

type logoutOut struct {
	// EndSessionURL is where the browser goes to sign out at the provider of the session as well.
	EndSessionURL string `json:"end_session_url,omitempty"`
}

// logout ends the credential of the request: the session, or the token. With everywhere it also ends all sessions of the user
// and the tokens that come from a sign-in. Personal tokens stay.
func logout(c *call, in logoutIn) (logoutOut, error) {
	p := c.providerToLeave() // while the session says where it was begun
	if err := c.logOut(in); err != nil {
		return logoutOut{}, err
	}
	return logoutOut{c.endSessionURL(p)}, nil
}

func (c *call) logOut(in logoutIn) error {
	everywhere := in.Everywhere != nil && *in.Everywhere
	c.endPending()
	if !everywhere && (!c.api.Auth.CSRFSafe(c.ctx()) || session.RequestFrom(c.ctx()).UsesTokenHeader()) {
		return c.signOut()
	}
	c.needs = needsIdentity
	if err := c.authorizeAgain(c.ctx()); err != nil {
		return err
	}
	if !everywhere {
		return c.endToken(c.who)
	}
	if err := c.who.CheckSession(); err != nil {
		return err
	}
	if _, err := c.api.Auth.EndSignIns(c.ctx(), c.who.User.ID); err != nil {
		return err
	}
	return c.signOut()
}

// endToken ends the token of the request, or the family of its JWT. It is no error if that has ended meanwhile.
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
	err := c.api.Tokens.Revoke(c.ctx(), who.User.ID, id)
	if errors.Is(err, token.ErrNotFound) {
		return nil
	}
	return err
}

type csrfOut struct {
	Token string `json:"csrftoken"`
}

// csrfToken returns the token that a page must send as X-CSRFToken, in the body and in a cookie that scripts can read.
func csrfToken(c *call, _ none) (csrfOut, error) {
	binding, err := c.api.Auth.SessionID(c.ctx())
	if err != nil {
		return csrfOut{}, err
	}
	return csrfOut{c.api.CSRF.Issue(c.w, c.r, binding)}, nil
}
