// Package auth authenticates requests: it turns the credential of a request into an [Identity] in its context.
//
// A request is authenticated by one credential, the first of these that it has:
//
//   - X-Session-Token, where apps may have sessions (session.Manager.AppTokens);
//   - Authorization: Token, a token of Django REST framework or knox, and Authorization: Bearer, a personal token or a JWT;
//   - Authorization: Basic, but only if [Config].Basic is set;
//   - the session cookie.
//
// A bad credential is refused; the next one isn't tried. Other schemes of Authorization are ignored.
package auth

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// FreshFor is how long a session counts as fresh after its user has shown a factor, such as the password.
const FreshFor = 10 * time.Minute

// Identity is the authenticated user of a request.
type Identity struct {
	User            *account.User
	Method          string           // how the user authenticated: the session's method, the token's kind, "jwt" or "basic"
	Session         *session.Session // the session behind the request; nil: none
	Token           *token.Token     // the token behind the request; nil: none
	JWT             *token.Claims    // what the JWT behind the request proves; nil: there is none
	AuthenticatedAt time.Time        // when the user last authenticated; for a token, when it was created
}

// Fresh reports whether the user has shown a factor, such as the password, in this session within [FreshFor].
func (i *Identity) Fresh() bool {
	return i.Session != nil && !i.Session.ReauthenticatedAt.IsZero() && time.Since(i.Session.ReauthenticatedAt) < FreshFor
}

// Level is 2 if the user has shown two factors together in this session, or one that is both, such as a passkey; else it is 1.
func (i *Identity) Level() int {
	if i.Session == nil {
		return 1
	}
	return i.Session.Level()
}

// Methods returns how the user has proven who they are in this session, as words of RFC 8176 and of signin.Method; none for
// other credentials.
func (i *Identity) Methods() []string {
	if i.Session == nil {
		return nil
	}
	return i.Session.Methods()
}

// Has reports whether the request may use a permission such as "app.codename": the user has it, and the token, if there is
// one, has it in its scopes.
func (i *Identity) Has(permission string) bool {
	return i.User.Has(permission) && (i.Token == nil || i.Token.Allows(permission))
}

// Scoped reports whether the request is authenticated by a token that is limited to scopes. It may do what [Identity.Has]
// allows, and nothing that asks only for a signed-in user.
func (i *Identity) Scoped() bool { return i.Token != nil && len(i.Token.Scopes) > 0 }

// Config is what a [Resolver] needs.
type Config struct {
	Sessions *session.Manager // required
	Accounts account.Store    // required
	Tokens   *token.Service   // nil: no tokens count
	JWTs     JWTs             // nil: no JWTs count

	// Basic returns the user of the name and password in a request; nil: HTTP Basic is ignored. Its errors are sent as they
	// are.
	Basic func(r *http.Request, login, password string) (*account.User, error)

	// SecondStep reports whether a sign-in of this user demands a second step after the password; nil: it never does. Any
	// error is an outage.
	SecondStep func(ctx context.Context, user string) (bool, error)

	// JoinedView reads a session for a check, as a session.CheckLoader does, and its user in the same step. u is nil if the user wasn't
	// read, or doesn't exist: then the user is read by itself. Both are shared: don't change them. Both are from one state of the
	// stores that includes every change acknowledged before the call, but for the times of uses and sign-ins, which may be older.
	// nil: the session and the user are read one after the other.
	JoinedView func(ctx context.Context, id session.ID, now int64) (r *session.Record, u *account.User, err error)
}

// JWTs authenticates JSON Web Tokens. Implementations are safe for concurrent use.
type JWTs interface {
	// Authenticate returns what a token proves. The error is [token.ErrInvalid], or another that wraps it, if the token proves
	// nothing: its text is for people, and with it the claims may name the User, for the log. Any other error is an outage.
	Authenticate(ctx context.Context, text string) (*token.Claims, error)

	// Issues reports whether tokens of this issuer are credentials here, whatever they prove.
	Issues(issuer string) bool
}

// Resolver authenticates requests. One load of the account serves both the check of the session's epoch and the identity. It is safe
// for concurrent use.
type Resolver struct{ c Config }

// New returns a Resolver. If the Sessions have no Accounts, it sets them to the [Epochs] of its own. It panics if Sessions or Accounts
// is nil.
func New(c Config) *Resolver {
	if c.Sessions == nil || c.Accounts == nil {
		panic("auth: New needs the sessions and the accounts")
	}
	if c.Sessions.Accounts == nil {
		c.Sessions.Accounts = Epochs(c.Accounts)
	}
	return &Resolver{c: c}
}

// Epochs returns the epochs of the accounts that may be signed in.
func Epochs(accounts account.Store) session.Epochs { return epochs{accounts} }

type epochs struct{ accounts account.Store }

// Epoch implements session.Epochs.
func (e epochs) Epoch(ctx context.Context, id string) (string, error) {
	u, err := mayBeSignedIn(account.LoadCached(ctx, e.accounts, id))
	if errors.Is(err, errNoAccount) {
		return "", nil
	}
	return epochOf(u), err
}

// request is what is known of one request: the credentials that it came with and, once they were looked up, the identity.
type request struct {
	resolver *Resolver
	session  session.Request
	header   credential // the credential that authenticates the request instead of its session; nil: none

	mu       sync.Mutex
	user     *account.User // of the session
	joined   *account.User // the user that was read together with the session; nil: none was
	first    Identity      // the first that a session has given, kept here to save an allocation
	settled  bool          // identity and refusal are what header has given
	identity *Identity
	refusal  error
}

// Handler reads the credential of each request, for [FromContext]. It asks no store. It panics if the fields of the sessions
// are wrong, as [session.Manager.CheckConfig] says.
func (a *Resolver) Handler(next http.Handler) http.Handler {
	if err := a.c.Sessions.CheckConfig(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := reqinfo.Of(r.Context())
		if record == nil || record.Auth != nil || record.Session != nil {
			record = reqinfo.Child(r.Context())
			r = r.WithContext(record)
		}
		a.begin(record, r)
		next.ServeHTTP(w, r)
	})
}

// begin reads the credential of r into its record.
func (a *Resolver) begin(record *reqinfo.Request, r *http.Request) {
	q := &request{resolver: a}
	if !a.c.Sessions.UsesTokenHeader(r) {
		q.header = a.credential(r)
	}
	a.c.Sessions.ReadRequest(&q.session, r, q.header != nil)
	record.Session, record.Auth = &q.session, q
}

// requestFrom returns what is known of the request that ctx belongs to; nil if it passed no [Resolver.Handler].
func requestFrom(ctx context.Context) *request {
	if record := reqinfo.Of(ctx); record != nil {
		q, _ := record.Auth.(*request)
		return q
	}
	return nil
}

// epochOf returns the user's epoch; "" if there is no user.
func epochOf(u *account.User) string {
	if u == nil {
		return ""
	}
	return u.Epoch
}

// load returns a user who may be signed in.
func (a *Resolver) load(ctx context.Context, id string) (*account.User, error) {
	return mayBeSignedIn(account.LoadCached(ctx, a.c.Accounts, id))
}

// errNoAccount says that a user doesn't exist or may not be signed in.
var errNoAccount = errors.New("no such account")

// mayBeSignedIn returns errNoAccount in the place of a user who may not be signed in. No other code decides who may.
func mayBeSignedIn(u *account.User, err error) (*account.User, error) {
	if errors.Is(err, account.ErrNotFound) || (err == nil && !u.IsActive) {
		return nil, errNoAccount
	}
	return u, err
}

// FromContext returns the identity of a request; nil, nil if the request has no credential or a rejected one. An error means
// that the identity is unknown: answer 503. [ErrNoHandler], if the request did not pass [Resolver.Handler], is a mistake of
// the program: answer 500. Safe for concurrent use. The Identity is shared: don't change it.
func FromContext(ctx context.Context) (*Identity, error) {
	i, err := Identify(ctx)
	if p, refused := errors.AsType[*problem.Problem](err); refused && p.Status == http.StatusUnauthorized {
		return nil, nil
	}
	return i, err
}

// Identify returns the identity of a request, or why there is none: [ErrNotAuthenticated], [ErrSessionEnded],
// [ErrDeviceUnproven], two session cookies, a refusal of another credential, or an outage.
func Identify(ctx context.Context) (*Identity, error) {
	q := requestFrom(ctx)
	switch {
	case q == nil:
		return nil, ErrNoHandler
	case q.header != nil:
		return q.byHeader(ctx)
	}
	return q.bySession(ctx)
}

// IdentifyAgain is [Identify], but it asks the stores again: sessions and tokens that have ended since, accounts that were
// disabled and rights that were taken away no longer count. Call it between something slow, such as reading the body, and
// the action. It doesn't verify the password of HTTP Basic again: it checks that the account hasn't changed since.
func IdentifyAgain(ctx context.Context) (*Identity, error) {
	q := requestFrom(ctx)
	switch {
	case q == nil:
		return nil, ErrNoHandler
	case q.header != nil:
		return q.byHeaderAgain(ctx)
	}
	return q.bySessionAgain(ctx)
}

// bySession returns the identity of the request's session, which is loaded on the first call.
func (q *request) bySession(ctx context.Context) (*Identity, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, known := q.session.Known()
	if !known {
		c, ok, err := q.session.Load(ctx, q.viewer())
		if s, err = q.settle(ctx, c, ok, err); err != nil {
			return nil, err
		}
	}
	return q.identify(ctx, s)
}

// bySessionAgain is bySession from the stores as they are now.
func (q *request) bySessionAgain(ctx context.Context) (*Identity, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c, ok, err := q.session.Reload(ctx, q.viewer())
	s, err := q.settle(ctx, c, ok, err)
	if err != nil {
		return nil, err
	}
	return q.identify(ctx, s)
}

// settle loads the account of a session that was loaded, and returns the session if it is live. ok and err are those of the
// load.
func (q *request) settle(ctx context.Context, c session.Unconfirmed, ok bool, err error) (*session.Session, error) {
	q.user = nil
	if !ok || err != nil {
		return nil, err
	}
	if q.user, err = q.loadUser(ctx, c.User); errors.Is(err, errNoAccount) {
		err = nil
	}
	return q.session.ConfirmEpoch(ctx, c, epochOf(q.user), err)
}

// identify returns the identity of the request's session; s is nil if there is none.
func (q *request) identify(ctx context.Context, s *session.Session) (*Identity, error) {
	switch unproven, excused := q.session.UnprovenSession(); {
	case s != nil:
	case unproven != nil && excused:
		return nil, errProofUnavailable
	case unproven != nil:
		return nil, ErrDeviceUnproven
	case q.session.HasTicket():
		return nil, ErrSessionEnded
	case q.session.TwoCookies():
		return nil, errTwoSessionCookies
	default:
		return nil, ErrNotAuthenticated
	}
	if q.user == nil || q.user.ID != s.User { // the request has signed in meanwhile
		u, err := q.resolver.load(ctx, s.User)
		if errors.Is(err, errNoAccount) {
			return nil, ErrSessionEnded
		}
		if err != nil {
			return nil, err
		}
		q.user = u
	}
	if q.first.Session == s && q.first.User == q.user {
		return &q.first, nil
	}
	i := &q.first
	if i.Session != nil {
		i = &Identity{}
	}
	*i = Identity{User: q.user, Method: s.Method, Session: s, AuthenticatedAt: authenticated(s)}
	return i, nil
}

// byHeader checks the credential on the first call, and remembers the result unless it is an outage.
func (q *request) byHeader(ctx context.Context) (*Identity, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled {
		return q.identity, q.refusal
	}
	return q.lookUp(ctx, q.header.identify)
}

// byHeaderAgain checks the credential on each call. A credential that was refused before stays refused.
func (q *request) byHeaderAgain(ctx context.Context) (*Identity, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled && q.refusal != nil {
		return nil, q.refusal
	}
	if _, ok := q.header.(basic); ok && q.settled {
		return q.lookUp(ctx, q.reloadBasic)
	}
	return q.lookUp(ctx, q.header.identify)
}

// lookUp keeps the result of identify, unless it is an outage.
func (q *request) lookUp(ctx context.Context, identify func(context.Context, *Resolver) (*Identity, error)) (*Identity, error) {
	i, err := identify(ctx, q.resolver)
	if _, refused := errors.AsType[*problem.Problem](err); err == nil || refused {
		q.identity, q.refusal, q.settled = i, err, true
	}
	return i, err
}

func authenticated(s *session.Session) time.Time {
	if s.ReauthenticatedAt.After(s.CreatedAt) {
		return s.ReauthenticatedAt
	}
	return s.CreatedAt
}

// CSRFSafe reports whether the request of ctx is authenticated by a credential in a header that no page can make a browser send, so
// that it needs no csrftoken. HTTP Basic is not such a header: browsers send it by themselves.
func (*Resolver) CSRFSafe(ctx context.Context) bool {
	q := requestFrom(ctx)
	switch {
	case q == nil:
		return session.RequestFrom(ctx).UsesTokenHeader()
	case q.header != nil:
		return !q.header.sentByBrowsers()
	}
	return q.session.UsesTokenHeader()
}

// SessionID returns the public ID of the live session of the request; "" if it has none, or is judged by another credential. It is
// what a csrftoken is bound to, and opens nothing: a session counts here even if the request lacks the proof that it comes from its
// browser, so that the browser can sign out, or sign in again.
func (*Resolver) SessionID(ctx context.Context) (string, error) {
	q := requestFrom(ctx)
	if q == nil {
		return "", ErrNoHandler
	}
	if !q.session.HasTicket() {
		return "", nil
	}
	i, err := FromContext(ctx)
	if unproven, _ := q.session.UnprovenSession(); unproven != nil {
		return unproven.ID, nil
	}
	if err != nil || i == nil {
		return "", err
	}
	return i.Session.ID, nil
}
