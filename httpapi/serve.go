package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// callTimeout bounds everything that one call waits for; a store that takes longer is an outage.
const callTimeout = 5 * time.Second

// call is one request to the API. Only the methods below write to the response: sign-in, sign-out and rotation.
type call struct {
	api *API
	w   http.ResponseWriter
	r   *http.Request
	who *auth.Identity // nil on routes that need nobody
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) address() netip.Addr { return c.api.Client.Addr(c.r) }

// signIn starts a session for a user who has just typed the password.
func (c *call) signIn(u *account.User, method string, remember bool) error {
	s, err := c.api.Sessions.SignIn(c.w, c.r, session.SignIn{
		User: u.ID, Epoch: u.Epoch, Method: method, Fresh: true, BrowserSession: !remember, Address: c.address().String(),
	})
	if err != nil {
		return err
	}
	c.api.CSRF.Issue(c.w, c.r, s.ID)
	c.api.rememberDevice(c.w, c.r, u.ID)
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
func (c *call) signOut() error {
	if err := c.api.Sessions.SignOut(c.w, c.r); err != nil {
		return err
	}
	c.api.CSRF.Issue(c.w, c.r, "")
	return nil
}

// need is what a route asks of the caller.
type need int

const (
	anybody need = iota
	signedIn
	fresh // signed in, and the password typed a short while ago
)

// serve makes a handler of a function that knows nothing of HTTP but its input, its output and its errors.
func serve[In, Out any](needs need, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
			defer cancel()
			c := &call{api: a, w: w, r: r.WithContext(ctx)}
			out, err := answer(c, needs, f)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			writeJSON(w, r, http.StatusOK, out)
		})
	}
}

func answer[In, Out any](c *call, needs need, f func(c *call, in In) (Out, error)) (out Out, err error) {
	if needs != anybody {
		if c.who, err = auth.Check(c.ctx()); err != nil {
			return out, err
		}
	}
	if needs == fresh && !c.who.Fresh() {
		return out, auth.ErrFreshSignInRequired
	}
	var in In
	if err := decode(c.w, c.r, &in); err != nil {
		return out, err
	}
	return f(c, in)
}

// none is the input of a route that takes no body, or the output of one that has nothing to say.
type none struct{}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// The client may be gone by now; there is nobody left to tell.
		_, _ = w.Write(append(b, '\n'))
	}
}

// fail answers with what the table makes of err, and logs what the table doesn't know.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.problem(r, err)
	problem.Write(w, r, p)
}
