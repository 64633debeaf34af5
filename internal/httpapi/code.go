package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// A mailed code shows that a person receives mail at the address of an account. It is no factor (ASVS 5.0, 6.3.6; NIST SP 800-63B-4,
// section 3.1.3.1): a sign-in by it is of level 1, and it counts for a fresh session only where the account has nothing else to show.

// methodCode is the method of sessions that began with a mailed code.
const methodCode = "code"

var (
	errNoCodes = problem.New(http.StatusNotFound, "mailed_code_off", "This server signs no one in by mailed code.")

	errNoProvenAddress = problem.New(http.StatusForbidden, "no_proven_address",
		"No code can be mailed to you, because you have never confirmed an address. Ask an administrator for a link.")
)

type codeIn struct {
	Email *string `json:"email"`
	App   *bool   `json:"app"`
}

// sendCode mails a code to an address, if it is the proven one of an account, with which this browser alone can sign in. The answer
// doesn't tell: there is a pending sign-in for every address. If too many codes were asked for to this address, the client gets the
// secret of none.
func sendCode(c *call, in codeIn) error {
	if !c.api.Letters.SignsInByCode() || c.api.Steps.Signins == nil {
		return errNoCodes
	}
	app, err := c.forApp(in.App)
	if err != nil {
		return err
	}
	address, err := requiredEmail(in.Email)
	if err != nil {
		return err
	}
	admitted, err := c.api.Letters.AdmitCode(c.ctx(), address, c.source())
	if err != nil {
		return err
	}
	if !admitted {
		c.givePending(secondstep.NewSecret(app), app)
		return nil
	}
	p := &signin.Pending{Kind: signin.Code, App: app, Address: addressText(c.address())}
	secret, err := c.api.Steps.Begin(c.ctx(), p)
	if err != nil {
		return err
	}
	if err := c.api.Letters.SendSignInCode(c.ctx(), address, pendingHolder(p), c.about()); err != nil {
		return err
	}
	c.givePending(secret, app)
	return nil
}

type codeLoginIn struct {
	Code     *string `json:"code"`
	Remember *bool   `json:"remember"`
}

// signInByCode takes the code of a pending sign-in that waits for one.
func signInByCode(c *call, in codeLoginIn) (userOut, error) {
	p, u, err := c.takeMailedCode(signin.Code, letters.ToSignIn, in.Code)
	if err != nil {
		return userOut{}, err
	}
	method := methodCode
	if p.App {
		method = "app"
	}
	return c.complete(u, firstStep{
		login: shorten(u.Username), method: method, methods: []signin.Method{signin.MailedCode}, remember: in.Remember == nil || *in.Remember, app: p.App,
	})
}

// takeMailedCode ends the pending sign-in of the request, which is of this kind and waits for a mailed code, and returns it with the
// account that the code was mailed to.
func (c *call) takeMailedCode(kind signin.Kind, purpose letters.Purpose, typed *string) (*signin.Pending, *account.User, error) {
	p, _, err := c.pendingOf(kind)
	if err != nil {
		return nil, nil, err
	}
	code, err := parseMailedCode("code", typed)
	if err != nil {
		return nil, nil, err
	}
	guess, err := c.api.Accounts.Guard.Reserve(c.ctx(), throttle.Attempt{Address: c.source()})
	if err != nil {
		c.recordMailedCode(audit.LoginKinds, err)
		return nil, nil, err
	}
	left, err := c.api.Steps.Try(c.ctx(), p)
	var u *account.User
	if err == nil {
		u, err = c.api.Letters.UseCode(c.ctx(), purpose, pendingHolder(p), code)
	}
	switch {
	case errors.Is(err, letters.ErrWrongCode):
		_ = guess.Failed(c.ctx()) // Failed always returns nil
		c.recordMailedCode(audit.LoginKinds, err)
		return nil, nil, c.wrongCode("code", left)
	case errors.Is(err, secondstep.ErrEnded):
		c.dropPendingCookie()
		err = errPendingEnded
	}
	if err := errors.Join(err, guess.Undo(c.ctx())); err != nil {
		return nil, nil, err
	}
	err = c.api.Steps.Finish(c.ctx(), p)
	if errors.Is(err, secondstep.ErrEnded) {
		err = errPendingEnded
	}
	return p, u, err
}

// parseMailedCode returns the digits of a code; what is no code costs no try.
func parseMailedCode(field string, typed *string) (string, error) {
	if err := required(map[string]*string{field: typed}); err != nil {
		return "", err
	}
	code, ok := letters.ParseCode(*typed)
	if !ok {
		return "", invalid(map[string][]string{field: {"Enter the eight digits of the message."}})
	}
	return code, nil
}

// wrongCode returns the answer to a code that was wrong, and drops the pending cookie when no try is left.
func (c *call) wrongCode(field string, left int) error {
	sentence := fmt.Sprintf("This code is not right. %d tries are left.", left)
	switch left {
	case 1:
		sentence = "This code is not right. One try is left."
	case 0:
		sentence = "This code is not right, and there are no more tries. Start over."
		c.dropPendingCookie()
	}
	return invalid(map[string][]string{field: {sentence}})
}

// recordMailedCode records that a mailed code was wrong, or wasn't checked because of too many failures.
func (c *call) recordMailedCode(kinds audit.ProofKinds, err error, about ...slog.Attr) {
	about = append(about, slog.String("method", string(signin.MailedCode)))
	if _, throttled := errors.AsType[*throttle.Error](err); throttled {
		c.api.Audit.Record(c.ctx(), kinds.Lock, about...)
	} else if errors.Is(err, letters.ErrWrongCode) {
		c.api.Audit.Record(c.ctx(), kinds.Fail, about...)
	}
}

// canMailCode reports whether a code can be mailed to a user.
func (c *call) canMailCode(u *account.User) bool {
	return c.api.Letters.Available() && u.HasProvenEmail()
}

// mailedAlone reports whether a mailed code was the only thing that was shown in a pending sign-in so far. One factor makes no two of it.
func mailedAlone(p *signin.Pending) bool {
	return !slices.ContainsFunc(p.Methods, func(m signin.Method) bool { return m != signin.MailedCode })
}

// sendEnrolmentCode mails a code to the user of a pending sign-in that waits for one.
func sendEnrolmentCode(c *call, _ none) error {
	p, _, err := c.pendingOf(signin.EnrolmentCode)
	if err != nil {
		return err
	}
	u, err := c.api.Accounts.Store.Load(c.ctx(), p.User)
	if errors.Is(err, account.ErrNotFound) || err == nil && u.Epoch != p.Epoch {
		err = errPendingEnded
	}
	if err == nil && !c.canMailCode(u) {
		err = errNoProvenAddress
	}
	if err != nil {
		return err
	}
	return c.api.Letters.SendCode(c.ctx(), letters.ToEnrol, u, pendingHolder(p), c.about())
}

type enrolmentCodeIn struct {
	Code *string `json:"code"`
}

// confirmEnrolment takes that code. The pending sign-in goes on as another, which opens the enrolment.
func confirmEnrolment(c *call, in enrolmentCodeIn) (pendingOut, error) {
	p, u, err := c.takeMailedCode(signin.EnrolmentCode, letters.ToEnrol, in.Code)
	if err != nil {
		return pendingOut{}, err
	}
	if u.ID != p.User || u.Epoch != p.Epoch {
		return pendingOut{}, errPendingEnded
	}
	origin, err := c.originOf(p)
	if err != nil {
		return pendingOut{}, err
	}
	next := *p
	next.Kind, next.Tries, next.Methods = signin.Enrolment, 0, append(slices.Clone(p.Methods), signin.MailedCode)
	secret, err := c.api.Steps.Begin(c.ctx(), &next)
	if err != nil {
		return pendingOut{}, err
	}
	if origin != nil {
		if err := c.keepPendingOrigin(*origin, &next); err != nil {
			return pendingOut{}, errors.Join(err, c.api.Steps.Cancel(c.ctx(), secret))
		}
	}
	c.givePending(secret, next.App)
	return c.pendingOut(&next, c.enrollable())
}

// sendReauthenticationCode mails a code to a caller who has nothing of their own to show, such as one whose provider doesn't say when it
// has last asked for a password.
func sendReauthenticationCode(c *call, _ none) error {
	if !c.api.Letters.Available() {
		return errNoMail
	}
	u := c.who.User
	if err := c.checkNoOwnFactor(u); err != nil {
		return err
	}
	if !u.HasProvenEmail() {
		return errNoProvenAddress
	}
	return c.api.Letters.SendCode(c.ctx(), letters.ToReauth, u, c.who.Session.ID, c.about())
}

// reauthenticateByMail takes that code, which counts in this session alone, and makes it fresh. Its user has nothing else to show, so it
// is fully fresh as well.
func reauthenticateByMail(c *call, typed *string) (reauthenticatedOut, error) {
	if !c.api.Letters.Available() {
		return reauthenticatedOut{}, errNoMail
	}
	u := c.who.User
	if err := c.checkNoOwnFactor(u); err != nil {
		return reauthenticatedOut{}, err
	}
	code, err := parseMailedCode("mailed_code", typed)
	if err != nil {
		return reauthenticatedOut{}, err
	}
	about := []slog.Attr{slog.String("user", u.ID)}
	guess, err := c.api.Accounts.Guard.Reserve(c.ctx(), throttle.Attempt{Account: "mailed code " + u.ID, Address: c.source()})
	if err != nil {
		c.recordMailedCode(audit.ReauthenticateKinds, err, about...)
		return reauthenticatedOut{}, err
	}
	proven, err := c.api.Letters.UseCode(c.ctx(), letters.ToReauth, c.who.Session.ID, code)
	if errors.Is(err, letters.ErrWrongCode) || err == nil && proven.ID != u.ID {
		_ = guess.Failed(c.ctx()) // Failed always returns nil
		c.recordMailedCode(audit.ReauthenticateKinds, letters.ErrWrongCode, about...)
		return reauthenticatedOut{}, invalid(map[string][]string{"mailed_code": {"This code is not right. Enter the one of the newest message."}})
	}
	if err := errors.Join(err, guess.Undo(c.ctx())); err != nil {
		return reauthenticatedOut{}, err
	}
	return c.reauthenticated(proven, false, signin.MailedCode)
}
