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
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/timelimit"
	"github.com/cloakroom-auth/cloakroom/session"
)

// callTimeout bounds what one call waits for its stores, first to learn who is asking and then to do its work; a store that
// takes longer is an outage. The time in which the client sends the body doesn't count, nor that in which passwords are hashed.
const callTimeout = 5 * time.Second

// call is one request to the API. Only the methods below and stream write to the response.
type call struct {
	api *API
	w   http.ResponseWriter
	r   *http.Request
	who *auth.Identity // nil on routes that need nobody

	needs      need
	lenient    bool   // fields that nobody knows are passed over
	permission string // that the route asks an administrator for; "": it is nothing for administrators alone

	made     bool                        // something that opens a door, which is handed out with the answer
	takeBack func(context.Context) error // undoes what was made
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) address() netip.Addr { return c.api.Client.Addr(c.r) }

// source is the address that guesses are counted by. Clients without an address, as on a Unix socket, share one count: that
// of the unspecified address, which no client has.
func (c *call) source() netip.Addr {
	if a := c.address(); a.IsValid() {
		return a
	}
	return netip.IPv4Unspecified()
}

// signIn starts a session for a user who has just typed the password. An app gets its ticket in a header, and no cookie.
func (c *call) signIn(u *account.User, method string, remember, app bool) error {
	s, err := c.api.Sessions.SignIn(c.w, c.r, session.SignIn{
		User: u.ID, Epoch: u.Epoch, Method: method, Fresh: true, BrowserSession: !remember, App: app, Address: text(c.address()),
	})
	if err != nil || app {
		return err
	}
	c.api.CSRF.Issue(c.w, c.r, s.ID)
	c.api.rememberDevice(c.w, c.r, u)
	return nil
}

// rotate gives the session a new ticket.
func (c *call) rotate(epoch string) error {
	_, err := c.api.Sessions.Reauthenticate(c.w, c.r, epoch)
	return err
}

// current returns the session as it is after a rotation.
func (c *call) current() *session.Session {
	s, err := session.FromContext(c.ctx())
	if err != nil || s == nil {
		return c.who.Session
	}
	return s
}

// signOut ends the session. The page goes on as a visitor, with a csrftoken of its own.
//
// The browser is told to drop what pages of this origin have stored, since that was the user's and the next user of the
// browser must not find it (ASVS 5.0, 14.3.1). It isn't told to drop cookies: the session's is deleted by name, and
// cloakroom_device must stay, without which strangers could lock the user out. Nor its cache: nothing of ours is in it.
func (c *call) signOut() error {
	if err := c.api.Sessions.SignOut(c.w, c.r); err != nil {
		return err
	}
	if session.RequestFrom(c.ctx()).FromApp() {
		return nil
	}
	if !c.api.KeepSiteData {
		c.w.Header().Set("Clear-Site-Data", `"storage"`)
	}
	c.api.CSRF.Issue(c.w, c.r, "")
	return nil
}

// need is what a route asks of the caller.
type need int

const (
	needsNothing      need = iota
	needsIdentity          // proven by any credential
	needsSession           // a browser's or an app's
	needsFreshSession      // a session whose user has proven their identity a short while ago
	needsKnoxToken         // a token of django-rest-knox's kind
)

// serve makes a handler of a function that knows nothing of HTTP but its input, its output and its errors.
func serve[In, Out any](needs need, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			respond(&call{api: a, w: w, r: r, needs: needs}, f)
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
		c.api.fail(c.w, c.r, err)
		return
	}
	writeJSON(c.w, http.StatusOK, out)
}

// identity makes a handler of a function that answers, in JSON, from who is asking alone, and waits for nothing.
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

// answer judges the caller, reads the body, judges the caller again, and does what the route does.
//
// The first judgement keeps strangers from sending bodies, and says 401 or 403 before anything that is wrong with the body.
// It decides nothing else: the client may take its time with the body, and what ends meanwhile must not act. So who may is
// judged again, from the stores, once everything is here that the client has a hand in. See "Between the check and the act"
// in docs/threat-model.md for what comes between that and the act.
func answer[In, Out any](c *call, f func(c *call, in In) (Out, error)) (out Out, err error) {
	if err := c.authorize(c.identify); err != nil {
		return out, err
	}
	var in In
	if err := decode(c.w, c.r, c.api.BodyTimeout, &in, c.lenient); err != nil {
		return out, err
	}
	run := func(ctx context.Context) (err error) {
		ctx, cancel := timelimit.With(ctx, callTimeout)
		defer cancel()
		c.r = c.r.WithContext(ctx)
		if c.acts() {
			if err := c.authorizeAgain(ctx); err != nil {
				return err
			}
		}
		if out, err = f(c, in); err == nil && c.made {
			err = c.handOver()
		}
		return err
	}
	if c.permission != "" {
		c.r = c.r.WithContext(audit.WithActor(c.ctx(), c.who.User.ID))
	}
	if c.permission != "" && c.acts() {
		return out, c.api.Audit.Act(c.ctx(), c.auditAttrs(), run)
	}
	return out, run(c.ctx())
}

// acts reports whether the request may change something.
func (c *call) acts() bool { return c.r.Method != http.MethodGet && c.r.Method != http.MethodHead }

// admit finds out who is asking, and refuses callers who may not call the route.
func (c *call) authorize(identify func() (*auth.Identity, error)) (err error) {
	if c.needs == needsNothing {
		return nil
	}
	if c.who, err = identify(); err != nil {
		return err
	}
	if err := c.needs.check(c.who); err != nil {
		return err
	}
	if c.permission != "" {
		return c.checkAdmin()
	}
	return nil
}

// judge is admit by what the stores say now.
func (c *call) authorizeAgain(ctx context.Context) error {
	return c.authorize(func() (*auth.Identity, error) { return auth.CheckAgain(ctx) })
}

// accounts is the service by which the route changes accounts. Hashing a password takes a while, so the caller is judged again
// right before each write: the session may have ended, which the step that writes can't see. An administrator's rank it can.
func (c *call) accounts() *account.Service {
	s := *c.api.Accounts
	s.Store = recheckedStore{s.Store, c.authorizeAgain}
	if c.permission == "" {
		return &s
	}
	return s.By(account.Actor{ID: c.who.User.ID, Epoch: c.who.User.Epoch, Permission: c.permission})
}

// making notes that the call has made what opens a door, such as a token, of the caller's credential, and how that is taken
// back. Nobody knows it before the answer is sent: if the caller turns out to be nobody by then, it is as if it had never
// been made.
func (c *call) making(takeBack func(context.Context) error) { c.made, c.takeBack = true, takeBack }

// neverShown takes back what opens nothing as long as nobody has been told: it says so where its making was logged.
func (c *call) neverShown(kind string) func(context.Context) error {
	return func(ctx context.Context) error {
		c.api.Audit.Record(ctx, audit.Token.Revoked, slog.String("kind", kind), slog.String("reason", "its maker had been signed out"))
		return nil
	}
}

// handOver judges the caller a last time before what was made is handed out. What ended the caller's credential either
// came before, and is seen here, or comes after, and finds what was made in the store.
func (c *call) handOver() error {
	err := c.authorizeAgain(c.ctx())
	if err == nil {
		return nil
	}
	c.w.Header().Del("Set-Cookie")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), callTimeout)
	defer cancel()
	if undone := c.takeBack(ctx); undone != nil {
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "what was made for an ended session is not removed; nobody has it", slog.Any("error", undone))
	}
	return err
}

// check returns why a caller who is somebody may not call the route.
func (n need) check(who *auth.Identity) error {
	switch n {
	case needsSession:
		return auth.CheckSession(who)
	case needsFreshSession:
		return auth.CheckFresh(who)
	case needsKnoxToken:
		return checkKnox(who)
	}
	return nil
}

// challenge names the scheme that a compatibility route asks for, where the refusal names none.
func (n need) challenge(p *problem.Problem) *problem.Problem {
	if n != needsKnoxToken || p.Challenge != "" {
		return p
	}
	with := *p
	with.Challenge = "Token"
	return &with
}

func (c *call) identify() (*auth.Identity, error) { return auth.Check(c.ctx()) }

// recordRefusal records that the caller may not do what they asked for. Refusals because of the origin are recorded where
// the origin is checked, and wrong passwords where they are counted.
func (c *call) recordRefusal(err error) {
	reason := ""
	switch {
	case errors.Is(err, auth.ErrFreshSignInRequired), errors.Is(err, auth.ErrSessionRequired), denied(err):
		reason = err.Error()
	case errors.Is(err, account.ErrSetupSpent):
		reason = account.ErrSetupSpent.Error()
	default:
		return
	}
	about := []slog.Attr{slog.String("path", shorten(c.r.URL.Path)), slog.String("reason", reason)}
	if c.who != nil {
		about = append(about, slog.String("user", c.who.User.ID))
	}
	c.api.Audit.Record(c.ctx(), audit.Authz.Fail, about...)
}

// none is the input of a route that takes no body, or the output of one that has nothing to say.
type none struct{}

// jsonType is shared by all answers.
var jsonType = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, v any) { writeBody(w, status, jsonLine(v)) }

// jsonLine writes one line of JSON.
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
	// net/http drops the body of an answer to HEAD. The client may be gone by now; there is nobody left to tell.
	_, _ = w.Write(line)
}

// fail answers with what the table makes of err, and logs what the table doesn't know.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	refuse(w, r, a.problem(r, err))
}
