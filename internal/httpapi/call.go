package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// callTimeout bounds how long a call waits for the stores. A store that takes longer is an outage. The time in which the client
// sends the body or passwords are hashed doesn't count.
const callTimeout = 5 * time.Second

// call is one request to the API. Only the methods below and stream write to the response.
type call struct {
	api *API
	w   http.ResponseWriter
	r   *http.Request
	who *auth.Identity // the caller; nil if the route needs none

	needs      need
	lenient    bool   // whether unknown fields of the body are ignored
	permission string // that an administrator needs; "": the route isn't only for administrators
	full       bool   // whether an administrator must be fully fresh

	undo func(context.Context) error // see undoIfEnded
	kept bool                        // whether a provider's tokens were stored, with which it has answered this call
}

func (c *call) ctx() context.Context { return c.r.Context() }

// afterwards returns a context for what must be done although the call was refused, or has done its work, and its client may be gone.
func (c *call) afterwards() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.ctx()), callTimeout)
}

func (c *call) address() netip.Addr { return c.api.Client.Addr(c.r) }

// source is the address by which guesses are counted. Clients without an address, as on a Unix socket, share the counter of the
// unspecified address, which no client has.
func (c *call) source() netip.Addr {
	if a := c.address(); a.IsValid() {
		return a
	}
	return netip.IPv4Unspecified()
}

// completed is a sign-in for which its user has shown everything that was asked.
type completed struct {
	user          *account.User
	epoch         string            // of the account, as it was read before the first factor was checked
	demand        secondstep.Demand // as it was read after the account
	method        string            // for lists and logs
	methods       []signin.Method
	second        bool // two factors, or one that is both, were shown
	remember, app bool
	device        string // the known device on which the sign-in began, if it took two steps; "": none

	stale  bool                      // nothing of the account itself was shown, so the session isn't fresh
	origin *federation.SessionOrigin // nil: no provider has signed the user in

	provider *oidc.Provider // whose tokens are kept for the session
	tokens   *oidc.Tokens   // nil: none, unless those of the pending sign-in that the origin names
}

// signIn starts a session for a user who has just shown a factor. An app gets the ticket in a header, and no cookie.
func (c *call) signIn(in completed) error {
	s, err := c.api.Sessions.SignIn(c.w, c.r, session.SignIn{
		User: in.user.ID, Epoch: in.epoch, Method: in.method, Fresh: !in.stale, Second: in.second, Methods: texts(in.methods),
		BrowserSession: !in.remember, App: in.app, Address: addressText(c.address()),
	})
	if err != nil {
		return err
	}
	if err := c.api.Steps.Unchanged(c.ctx(), in.user.ID, in.demand); err != nil {
		return c.takeBack(s, err)
	}
	if in.origin != nil {
		o := *in.origin
		o.Session, o.Pending, o.Expires = s.ID, false, time.Now().Add(originKept).Unix()
		if err := c.keepOrigin(&o); err != nil {
			return c.takeBack(s, err)
		}
		if err := c.keepTokens(in, s.ID); err != nil {
			return c.takeBack(s, err)
		}
	}
	if in.app {
		return nil
	}
	c.api.CSRF.Issue(c.w, c.r, s.ID)
	if !isNew(in.method) && in.device == "" && c.device(in.user) == "" {
		c.notify(in.user, letters.NewDevice)
	}
	c.api.rememberDevice(c.w, c.r, in.user)
	c.showLanguage(in.user)
	return nil
}

// keepTokens keeps what the provider has given for the session, which it has begun. Should the session be taken back, they are revoked.
func (c *call) keepTokens(in completed, session string) error {
	switch {
	case c.api.Grants == nil:
		return nil
	case in.tokens != nil:
		err := c.api.Grants.Keep(c.ctx(), session, in.user.ID, in.provider, in.tokens)
		c.kept = err == nil
		return err
	case in.origin.Pending:
		return c.api.Grants.Move(c.ctx(), in.origin.Session, session)
	}
	return nil
}

// takeBack ends the session that this request has begun, because of err. Its ticket never leaves the server.
func (c *call) takeBack(s *session.Session, err error) error {
	c.w.Header().Del("Set-Cookie")
	c.w.Header().Del("X-Session-Token")
	device.Withdraw(c.w.Header())
	ctx, cancel := c.afterwards()
	defer cancel()
	if failed := c.api.Sessions.Revoke(ctx, s.User, s.ID); failed != nil && !errors.Is(failed, session.ErrEnded) {
		return failed
	}
	if errors.Is(err, secondstep.ErrEnded) {
		return errPendingEnded
	}
	return err
}

// texts returns the methods as package session takes them.
func texts(methods []signin.Method) []string {
	all := make([]string, len(methods))
	for i, m := range methods {
		all[i] = string(m)
	}
	return all
}

// rotate gives the session a new ticket after a change of the account. If factors were shown in this request, by these methods, the session
// is fresh as well. If none was, it is as fresh as before: else a stolen session could be kept fresh by changes alone.
func (c *call) rotate(epoch string, second bool, methods ...signin.Method) error {
	if len(methods) == 0 {
		_, err := c.api.Sessions.Rotate(c.w, c.r, epoch)
		return err
	}
	_, err := c.api.Sessions.Reauthenticate(c.w, c.r, session.Reauthentication{Epoch: epoch, Second: second, Methods: texts(methods)})
	return err
}

// current returns the session of the caller, as it is after a rotation.
func (c *call) current() *session.Session {
	s, err := session.FromContext(c.ctx())
	if err != nil || s == nil {
		return c.who.Session
	}
	return s
}

// signOut ends the session, and gives the page a csrftoken without a session.
//
// The response makes the browser delete what pages of this origin have stored, because the next user of the browser must not
// find the data of this one (ASVS 5.0, 14.3.1). It doesn't make it delete cookies: the session cookie is deleted by name, and
// cloakroom_device must stay, since without it guesses from elsewhere could lock the user out. Nor the cache, since none of our
// responses is cached.
func (c *call) signOut() error {
	if err := c.api.Sessions.SignOut(c.w, c.r); err != nil {
		return err
	}
	if session.RequestFrom(c.ctx()).UsesTokenHeader() {
		return nil
	}
	c.forgetLanguage()
	if !c.api.KeepSiteData {
		c.w.Header().Set("Clear-Site-Data", `"storage"`)
	}
	c.api.CSRF.Issue(c.w, c.r, "")
	return nil
}

// need is the credential that a route requires.
type need int

const (
	needsNothing      need = iota
	needsIdentity          // any credential
	needsSession           // a session of a browser or an app
	needsFreshSession      // a session whose user has shown a factor a short while ago
	needsFullyFresh        // a session whose user has shown all that a sign-in asks for, a short while ago
	needsKnoxToken         // a token of django-rest-knox
)

// serve returns the handler of a route. f gets the decoded body and returns the response or an error.
func serve[In, Out any](needs need, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			respond(&call{api: a, w: w, r: r, needs: needs}, f)
		})
	}
}

// accept is serve for routes that only begin something: the answer is 202, without a result.
func accept[In any](needs need, f func(c *call, in In) error) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &call{api: a, w: w, r: r, needs: needs}
			_, err := answer(c, func(c *call, in In) (none, error) { return none{}, f(c, in) })
			if err != nil {
				c.finish(nil, err)
				return
			}
			writeJSON(w, http.StatusAccepted, none{})
		})
	}
}

func respond[In, Out any](c *call, f func(c *call, in In) (Out, error)) {
	out, err := answer(c, f)
	c.finish(out, err)
}

func (c *call) finish(out any, err error) {
	if err != nil {
		c.recordRefusal(err)
		c.api.fail(c.w, c.r, c.withFactors(err))
		return
	}
	writeJSON(c.w, http.StatusOK, out)
}

// withFactors adds to a refusal that asks for factors which ones would do.
func (c *call) withFactors(err error) error {
	full := errors.Is(err, auth.ErrFullSignInRequired)
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || c.who == nil || !full && !errors.Is(err, auth.ErrFreshSignInRequired) {
		return err
	}
	with := *p
	with.Members = map[string]any{"factors": orEmpty(c.wouldDo(c.who.User, full))}
	return &with
}

// identity returns the handler of a route whose JSON depends on the caller alone. f must not block.
func identity(f func(a *API, who *auth.Identity) []byte) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call{api: a, w: w, r: r}
			who, err := c.identify()
			if err != nil {
				c.finish(nil, err)
				return
			}
			writeBody(w, http.StatusOK, f(a, who))
		})
	}
}

// redirect makes a handler of a function that says where the browser goes next. f reads no body, and
// changes nothing that another site's page must not change.
func redirect(f func(c *call) (location string, err error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &call{api: a, w: w, r: r}
			location, err := f(c)
			a.Audit.FlushBeforeAnswer(c.ctx())
			c.goTo(location, err)
		})
	}
}

// goTo answers with where the browser goes next.
func (c *call) goTo(location string, err error) {
	if err != nil {
		c.finish(nil, err)
		return
	}
	c.w.Header().Set("Location", location)
	c.w.WriteHeader(http.StatusSeeOther)
}

// answer authorizes the caller, reads the body, authorizes the caller again, and calls f.
//
// The first check refuses strangers before they send a body, and answers 401 or 403 before any error about the body. It isn't
// enough, because a slow client can send the body for a long time, and the session may end meanwhile. So the caller is
// authorized again, from the stores, when the request is complete. See "Between the check and the act" in
// docs/threat-model.md for what may happen between the second check and the act.
func answer[In, Out any](c *call, f func(c *call, in In) (Out, error)) (out Out, err error) {
	defer func() { c.api.Audit.FlushBeforeAnswer(c.ctx()) }()
	if err := c.authorize(c.identify); err != nil {
		return out, err
	}
	var in In
	if err := decode(c.w, c.r, c.api.BodyTimeout, &in, c.lenient); err != nil {
		return out, err
	}
	run := func(ctx context.Context) (err error) {
		ctx, cancel := resilience.Limit(ctx, callTimeout)
		defer cancel()
		c.r = c.r.WithContext(ctx)
		if c.acts() {
			if err := c.authorizeAgain(ctx); err != nil {
				return err
			}
		}
		if out, err = f(c, in); err == nil && c.undo != nil {
			err = c.checkStillSignedIn()
		}
		return err
	}
	if c.permission != "" {
		c.r = c.r.WithContext(audit.WithActor(c.ctx(), c.who.User.ID))
	}
	if c.permission != "" && c.acts() {
		attrs := c.auditAttrs()
		if about, ok := any(in).(interface{ auditAttrs() []slog.Attr }); ok {
			attrs = append(attrs, about.auditAttrs()...)
		}
		return out, c.api.Audit.Act(c.ctx(), attrs, run)
	}
	return out, run(c.ctx())
}

// acts reports whether the request may change something.
func (c *call) acts() bool { return c.r.Method != http.MethodGet && c.r.Method != http.MethodHead }

// authorize sets c.who, and returns an error if the caller may not use the route.
func (c *call) authorize(identify func() (*auth.Identity, error)) (err error) {
	if c.needs == needsNothing {
		return nil
	}
	if c.who, err = identify(); err != nil {
		return err
	}
	if err := c.needs.check(c.ctx(), c.who); err != nil {
		return err
	}
	if c.permission != "" {
		return c.checkAdmin()
	}
	return nil
}

// authorizeAgain authorizes the caller with the present state of the stores.
func (c *call) authorizeAgain(ctx context.Context) error {
	return c.authorize(func() (*auth.Identity, error) { return auth.IdentifyAgain(ctx) })
}

// accounts returns the service that changes accounts for the caller. It authorizes the caller again right before each write,
// since hashing a password takes a while and the session may have ended meanwhile. The transaction that writes checks an
// administrator's rights, but it can't check the session.
func (c *call) accounts() *account.Service {
	s := *c.api.Accounts
	s.Store = recheckedStore{s.Store, c.authorizeAgain}
	if c.permission == "" {
		return &s
	}
	return s.By(account.Actor{ID: c.who.User.ID, Epoch: c.who.User.Epoch, Permission: c.permission})
}

// undoIfEnded registers how to undo the creation of a credential, such as a token. undo is called if the caller's session has
// ended when the response is ready. The caller then never gets the credential.
func (c *call) undoIfEnded(undo func(context.Context) error) { c.undo = undo }

// recordUnused returns an undo for a credential that is useless to anyone who hasn't seen it. It only records that the
// credential whose creation was recorded is not in use.
func (c *call) recordUnused(kind string) func(context.Context) error {
	return func(ctx context.Context) error {
		c.api.Audit.Record(ctx, audit.TokenKinds.Revoked, slog.String("kind", kind), slog.String("reason", "its creator's session had ended"))
		return nil
	}
}

// checkStillSignedIn authorizes the caller a last time, and undoes the creation of a credential if that fails. Whatever ends
// the caller's session either comes before this check, which then fails, or comes later and ends the credential as well.
func (c *call) checkStillSignedIn() error {
	err := c.authorizeAgain(c.ctx())
	if err == nil {
		return nil
	}
	c.w.Header().Del("Set-Cookie")
	device.Withdraw(c.w.Header())
	ctx, cancel := c.afterwards()
	defer cancel()
	if undoErr := c.undo(ctx); undoErr != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "credential of an ended session not deleted; it was never sent", slog.Any("error", undoErr))
	}
	return err
}

// check returns an error if the credential of an authenticated caller isn't one that the route requires.
func (n need) check(ctx context.Context, who *auth.Identity) error {
	switch n {
	case needsSession:
		return who.CheckSession()
	case needsFreshSession:
		return who.CheckFresh()
	case needsFullyFresh:
		return who.CheckFullyFresh(ctx)
	case needsKnoxToken:
		return checkKnox(who)
	}
	return nil
}

// challenge returns p with the scheme of the compatibility route, unless p has a scheme.
func (n need) challenge(p *problem.Problem) *problem.Problem {
	if n != needsKnoxToken || p.Challenge != "" {
		return p
	}
	with := *p
	with.Challenge = "Token"
	return &with
}

func (c *call) identify() (*auth.Identity, error) { return auth.Identify(c.ctx()) }

// recordRefusal records that the caller lacks a right or a fresh session. Refusals because of the origin are recorded where the
// origin is checked, and wrong passwords where they are counted.
func (c *call) recordRefusal(err error) {
	reason := ""
	switch {
	case errors.Is(err, auth.ErrFreshSignInRequired), errors.Is(err, auth.ErrFullSignInRequired),
		errors.Is(err, auth.ErrSessionRequired), isPermissionDenied(err):
		reason = err.Error()
	case errors.Is(err, account.SpentErrors.Setup):
		reason = account.SpentErrors.Setup.Error()
	default:
		return
	}
	about := []slog.Attr{slog.String("path", shorten(c.r.URL.Path)), slog.String("reason", reason)}
	if c.who != nil {
		about = append(about, slog.String("user", c.who.User.ID))
	}
	c.api.Audit.Record(c.ctx(), audit.AuthzKinds.Fail, about...)
}

// none is the input of a route without a request body, or the output of one without a result.
type none struct{}

// jsonType is shared by all responses.
var jsonType = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, v any) { writeBody(w, status, jsonLine(v)) }

// jsonLine returns one line of JSON.
func jsonLine(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always encode
	}
	return append(b, '\n')
}

func writeBody(w http.ResponseWriter, status int, line []byte) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	// net/http drops the body of a response to HEAD. An error means that the client has disconnected.
	_, _ = w.Write(line)
}

// fail answers with the problem for err, which logs unknown errors.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	refuse(w, r, a.problem(r, err))
}
