package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// A pending sign-in is held by a secret of its own: browsers have it in the pending cookie, programs in X-Session-Token, where
// its prefix keeps it from being taken for a session's ticket. Nothing but the routes in this file looks at it.

// PendingCookies are the names of the cookie with the secret of a pending sign-in: over https, and over http on loopback.
var PendingCookies = []string{"__Host-Http-cloakroom_pending", "cloakroom_pending"}

var errPendingEnded = problem.New(http.StatusUnauthorized, "pending_ended", "This sign-in has ended. Start over.")

// errSecondFactor refuses a password that comes alone where no second step can be taken. Programs use a token instead.
var errSecondFactor = problem.New(http.StatusUnauthorized, "second_factor_required",
	"This account needs a second factor, so its password isn't enough here. Make a token on the account page, and use that.")

// errEnrolment refuses a sign-in of a user who must have a second factor and has none.
var errEnrolment = problem.New(http.StatusUnauthorized, "second_factor_enrolment_required",
	"This server asks you for a second factor, and you have none yet. Ask an administrator for a link on which you set one up.")

// pendingOut says what a pending sign-in waits for: one of the factors that the user has, or, if the kind is "enrol", that the user
// sets up one of the factors. If it is "enrol_code", a mailed code is asked for before that; if it is "code", a mailed code is the first step.
type pendingOut struct {
	Kind      signin.Kind      `json:"kind"`
	Factors   []secondstep.Way `json:"factors"`
	ExpiresAt string           `json:"expires_at"`

	// Passkey is what the browser asks the passkeys and security keys; nil: the user has none that work here. It comes along
	// because some browsers ask only right after a click, without another request in between.
	Passkey *passkey.RequestOptions `json:"passkey,omitempty"`
}

// The methods of sessions that begin with the making of their account.
const (
	methodSetUp  = "setup"
	methodSignUp = "signup"
)

// isNew reports whether the account was made in this very request, by the person who signs in.
func isNew(method string) bool { return method == methodSetUp || method == methodSignUp }

// firstStep is the first step of a sign-in, which its user has shown.
type firstStep struct {
	login         string // the name that was typed; "": none
	method        string // for lists and logs
	methods       []signin.Method
	remember, app bool
}

// complete ends a sign-in whose first step was right: with a session, or, if the account demands another step, with a pending
// sign-in and the problem second_factor_required. u must be as it was read before the first step was checked.
func (c *call) complete(u *account.User, first firstStep) (userOut, error) {
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err != nil {
		return userOut{}, err
	}
	if u, demand, err = c.settleFactors(u, demand); err != nil {
		return userOut{}, err
	}
	waiting := signin.Pending{
		Proof:    signin.Proof{User: u.ID, Epoch: u.Epoch, Methods: first.methods, FirstAt: time.Now().Unix()},
		Remember: first.remember, App: first.app, Device: c.device(u), Address: addressText(c.address()),
	}
	mailed := slices.Contains(first.methods, signin.MailedCode)
	switch {
	case len(demand.Ways) > 0:
		waiting.Kind = signin.SecondStep
		return userOut{}, c.suspend(&waiting, demand.Ways)
	case demand.Enrol && !c.api.EnrolOnPassword && !isNew(first.method) && !mailed:
		if c.canMailCode(u) {
			waiting.Kind = signin.EnrolmentCode
			return userOut{}, c.suspend(&waiting, c.enrollable())
		}
		c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.Required, slog.String("user", u.ID))
		return userOut{}, errEnrolment
	case demand.Enrol:
		waiting.Kind = signin.Enrolment
		return userOut{}, c.suspend(&waiting, c.enrollable())
	}
	out, err := c.finishSignIn(first.login, completed{
		user: u, epoch: u.Epoch, demand: demand, method: first.method, methods: first.methods, remember: first.remember, app: first.app,
		stale: mailed && c.checkNoOwnFactor(u) != nil,
	})
	if err != nil {
		return userOut{}, err
	}
	c.endPending()
	return out, nil
}

// finishSignIn starts the session of a sign-in that is complete, and records the sign-in.
func (c *call) finishSignIn(login string, in completed) (userOut, error) {
	var err error
	if in.user, err = c.api.Accounts.NoteSignIn(c.ctx(), in.user, c.language()); err != nil {
		return userOut{}, err
	}
	if !isNew(in.method) { // it was recorded as the making of an account
		c.recordVerification(audit.LoginKinds, login, nil, slog.String("method", strings.Join(texts(in.methods), " ")))
	}
	return newUserOut(in.user), c.signIn(in)
}

// enrollable are the factors that a user can set up while a sign-in waits for it.
func (c *call) enrollable() []secondstep.Way {
	if c.api.Passkeys == nil {
		return []secondstep.Way{secondstep.TOTP}
	}
	return []secondstep.Way{secondstep.Passkey, secondstep.SecurityKey, secondstep.TOTP}
}

// suspend keeps the sign-in, and returns the problem that asks for the next step.
func (c *call) suspend(p *signin.Pending, ways []secondstep.Way) error {
	out, err := c.beginPending(p, ways)
	if err != nil {
		return err
	}
	answer := *errSecondFactor
	answer.Detail = "One more step: show your second factor."
	switch p.Kind {
	case signin.Enrolment:
		answer = *errEnrolment
		answer.Detail = "One more step: set up a second factor, which this server asks you for."
	case signin.EnrolmentCode:
		answer = *errEnrolment
		answer.Detail = "Two more steps: enter a code that is mailed to you, and set up a second factor, which this server asks you for."
	}
	answer.Members = map[string]any{"pending": out}
	return &answer
}

// beginPending keeps the sign-in, and gives its secret to the client.
func (c *call) beginPending(p *signin.Pending, ways []secondstep.Way) (pendingOut, error) {
	secret, err := c.api.Steps.Begin(c.ctx(), p)
	if err != nil {
		return pendingOut{}, err
	}
	out, err := c.pendingOut(p, ways)
	if err != nil {
		return pendingOut{}, err
	}
	c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.Required, slog.String("user", p.User))
	c.givePending(secret, p.App)
	return out, nil
}

// givePending gives the secret of a pending sign-in to the client.
func (c *call) givePending(secret string, app bool) {
	if app {
		c.w.Header().Set("X-Session-Token", secret)
	} else {
		c.setPending(secret, secondstep.Lifetime)
	}
}

func (c *call) pendingOut(p *signin.Pending, ways []secondstep.Way) (out pendingOut, err error) {
	out = pendingOut{Kind: p.Kind, Factors: append([]secondstep.Way{}, ways...), ExpiresAt: formatTime(p.Expires)}
	if p.Kind == signin.SecondStep {
		out.Passkey, err = c.stepOptions(p)
	}
	return out, err
}

// passwordAlone returns an error if the account demands a second step. It is for the ways in that have no room for one. It finishes
// interrupted changes of factors, and returns the user as the user then is.
func (c *call) passwordAlone(u *account.User) (*account.User, error) {
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err != nil {
		return nil, err
	}
	if u, demand, err = c.settleFactors(u, demand); err != nil {
		return nil, err
	}
	if len(demand.Ways) > 0 || demand.Enrol {
		c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.Required, slog.String("user", u.ID))
		return nil, errSecondFactor
	}
	return u, nil
}

// stillAlone undoes what a password alone has given, if the account demands a second step by now and no epoch says so: what a change of
// factors had to delete, beside Django, it may have deleted before this was there.
func (c *call) stillAlone(u *account.User, undo func(context.Context) error) error {
	if !c.api.Steps.LookAgain {
		return nil
	}
	_, err := c.passwordAlone(u)
	if err == nil {
		return nil
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	if failed := undo(ctx); failed != nil {
		return failed
	}
	return err
}

// showPending tells what the pending sign-in of the request waits for.
func showPending(c *call, _ none) (pendingOut, error) {
	p, demand, err := c.pending()
	if err != nil {
		return pendingOut{}, err
	}
	ways := demand.Ways
	if p.Kind == signin.Enrolment || p.Kind == signin.EnrolmentCode {
		ways = c.enrollable()
	}
	return c.pendingOut(p, ways)
}

// takeStep ends a pending sign-in whose second step was taken by these methods, with a session.
func (c *call) takeStep(p *signin.Pending, demand secondstep.Demand, methods ...signin.Method) (userOut, error) {
	u, err := c.api.Steps.Spend(c.ctx(), p)
	if errors.Is(err, secondstep.ErrEnded) {
		err = errPendingEnded
	}
	if err != nil {
		return userOut{}, err
	}
	return c.sessionOf(p, u, demand, methods)
}

// sessionOf starts the session of a pending sign-in that has ended because its step was taken by these methods.
func (c *call) sessionOf(p *signin.Pending, u *account.User, demand secondstep.Demand, methods []signin.Method) (userOut, error) {
	origin, err := c.originOf(p)
	if err != nil {
		return userOut{}, err
	}
	epoch := u.Epoch // before a change of groups reads the account again
	if u, err = c.setPendingGroups(p, u); err != nil {
		return userOut{}, err
	}
	method := "password"
	switch {
	case p.App:
		method = "app"
	case origin != nil:
		method = "oidc"
	case mailedAlone(p):
		method = methodCode
	}
	second := !mailedAlone(p) || slices.Contains(methods, signin.MultiFactor)
	methods = append(methods, p.Methods...)
	if second && !slices.Contains(methods, signin.MultiFactor) {
		methods = append(methods, signin.MultiFactor)
	}
	out, err := c.finishSignIn(shorten(u.Username), completed{
		user: u, epoch: epoch, demand: demand, method: method, methods: methods,
		second: second, remember: p.Remember, app: p.App, origin: origin, device: p.Device,
	})
	if err != nil {
		return userOut{}, err
	}
	c.dropPendingCookie()
	return out, nil
}

// pending returns the pending sign-in of the request. If it has ended, the browser is told to drop its cookie.
func (c *call) pending() (*signin.Pending, secondstep.Demand, error) {
	secret := c.pendingSecret()
	if secret == "" {
		return nil, secondstep.Demand{}, errPendingEnded
	}
	p, demand, err := c.api.Steps.Find(c.ctx(), secret)
	if errors.Is(err, secondstep.ErrEnded) {
		c.dropPendingCookie()
		return nil, secondstep.Demand{}, errPendingEnded
	}
	return p, demand, err
}

// cancelPending ends the pending sign-in of the request, if there is one.
func cancelPending(c *call, _ none) (none, error) {
	if secret := c.pendingSecret(); secret != "" {
		if err := c.api.Steps.Cancel(c.ctx(), secret); err != nil {
			return none{}, err
		}
	}
	c.dropPendingCookie()
	return none{}, nil
}

// endPending ends the pending sign-in that the request still has, since it was completed or given up. It expires by itself if
// the store fails.
func (c *call) endPending() {
	secret := c.pendingSecret()
	if secret == "" {
		return
	}
	if err := c.api.Steps.Cancel(c.ctx(), secret); err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "pending sign-in not removed", slog.Any("error", err))
	}
	c.dropPendingCookie()
}

// pendingSecret returns the secret that the request carries; "" if it carries none, or two.
func (c *call) pendingSecret() string {
	if session.RequestFrom(c.ctx()).UsesTokenHeader() {
		values := c.r.Header.Values("X-Session-Token")
		if len(values) == 1 && strings.HasPrefix(values[0], secondstep.AppPrefix) {
			return values[0]
		}
		return ""
	}
	cookies := c.r.CookiesNamed(c.pendingCookie())
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

func (c *call) pendingCookie() string {
	if c.api.Secure {
		return PendingCookies[0]
	}
	return PendingCookies[1]
}

// setPending sets the cookie; with an age below 0 it deletes it.
func (c *call) setPending(secret string, age time.Duration) {
	cookie := &http.Cookie{
		Name: c.pendingCookie(), Value: secret, Path: "/", MaxAge: int(age / time.Second), Expires: time.Now().Add(age),
		HttpOnly: true, Secure: c.api.Secure, SameSite: http.SameSiteStrictMode,
	}
	if age < 0 {
		cookie.MaxAge, cookie.Expires = -1, time.Unix(1, 0)
	}
	http.SetCookie(c.w, cookie)
}

// dropPendingCookie deletes the cookie if the browser has sent one.
func (c *call) dropPendingCookie() {
	if len(c.r.CookiesNamed(c.pendingCookie())) > 0 {
		c.setPending("", -time.Second)
	}
}

// methodsOut says which ways to sign in this installation offers.
type methodsOut struct {
	Password  bool       `json:"password"`
	Passkey   bool       `json:"passkey"`
	Code      bool       `json:"code"` // a code that is mailed
	Providers []provider `json:"providers"`
	SignUp    string     `json:"signup"` // "open", "invite" or "closed"

	SignUpPasskey bool `json:"signup_passkey"` // whether an account can begin with a passkey in place of a password

	Languages []string `json:"languages"` // that users can have for their messages and the pages; may be empty
	Mail      bool     `json:"mail"`      // whether the server can send mail, such as for a forgotten password

	AccountDeletion bool `json:"account_deletion"` // whether users can delete their accounts themselves
	AccountData     bool `json:"account_data"`     // whether users can take their data along
}

type provider struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// signInMethods tells which ways to sign in there are.
func signInMethods(c *call, _ none) (methodsOut, error) {
	out := methodsOut{Password: true, Passkey: c.api.Passkeys != nil, Code: c.api.Letters.SignsInByCode(), Providers: []provider{}, SignUp: "closed", Mail: c.api.Letters.Available(), Languages: c.api.languages(), AccountDeletion: !c.api.NoAccountDeletion, AccountData: !c.api.NoAccountData}
	switch err := c.api.Letters.MaySignUp(c.ctx()); {
	case err == nil:
		out.SignUp = "open"
	case !errors.Is(err, letters.ErrSignUpClosed):
		return methodsOut{}, err
	default:
		err := c.api.Letters.MayJoin(c.ctx())
		if err == nil {
			out.SignUp = "invite"
		} else if !errors.Is(err, letters.ErrSignUpClosed) {
			return methodsOut{}, err
		}
	}
	out.SignUpPasskey = out.SignUp != "closed" && out.Passkey && c.api.Letters.JoinsByPasskey()
	for _, p := range c.api.Providers {
		out.Providers = append(out.Providers, provider{p.Name, p.Label})
	}
	return out, nil
}

// changePasswordPath leads to the page where people change their password (W3C, "A Well-Known URL for Changing Passwords").
const changePasswordPath = "/.well-known/change-password"

// changePasswordPage tells password managers where the page is.
func changePasswordPage(c *call) (location string, err error) {
	if c.api.Pages == nil {
		return "", errNotFound
	}
	return "/auth/account", nil
}
