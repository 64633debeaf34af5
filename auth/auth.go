// Package auth authenticates requests: it turns the credential of a request into an [Identity] in its context.
//
// A request is authenticated by one credential, the first of these that it has:
//
//   - X-Session-Token, where apps may have sessions (session.Manager.AppTokens);
//   - Authorization: Token, a token of Django REST framework or knox, and Authorization: Bearer, a personal token or a JWT;
//   - Authorization: Basic, but only if [Resolver].Basic is set;
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
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// FreshFor is how long a session counts as fresh after its user typed the password.
const FreshFor = 10 * time.Minute

// Identity is the authenticated user of a request.
type Identity struct {
	User            *account.User
	Method          string           // how the user authenticated: the session's method, the token's kind, "jwt" or "basic"
	Session         *session.Session // the session behind the request; nil: none
	Token           *token.Token     // the token behind the request; nil: none
	JWT             *jwt.Claims      // the claims of the JWT behind the request; nil: none
	AuthenticatedAt time.Time        // when the user last authenticated; for a token, when it was created
}

// Fresh reports whether the user's password was typed into this session within [FreshFor].
func (i *Identity) Fresh() bool {
	return i.Session != nil && !i.Session.ReauthenticatedAt.IsZero() && time.Since(i.Session.ReauthenticatedAt) < FreshFor
}

// Has reports whether the request may use a permission such as "app.codename": the user has it, and the token, if there is
// one, has it in its scopes.
func (i *Identity) Has(permission string) bool {
	return i.User.Has(permission) && (i.Token == nil || i.Token.Allows(permission))
}

// Limited reports whether the request is authenticated by a token that is limited to scopes. It may do what [Identity.Has]
// allows, and nothing that asks only for a signed-in user.
func (i *Identity) Limited() bool { return i.Token != nil && len(i.Token.Scopes) > 0 }

// Resolver authenticates requests. [New] makes it the session.Accounts of its Sessions, so that one load of the account
// serves both the check of the epoch and the identity. Set the fields before first use; after that it is safe for concurrent
// use.
type Resolver struct {
	Tokens *token.Service // nil: no tokens count
	JWT    *jwt.Service   // nil: no JWTs count

	// Basic returns the user of the name and password in a request; nil: HTTP Basic is ignored. Its errors are sent as they
	// are.
	Basic func(r *http.Request, login, password string) (*account.User, error)

	sessions *session.Manager
	accounts account.Store
}

// New returns a Resolver and makes it the Accounts of sessions. It panics if either is nil.
func New(sessions *session.Manager, accounts account.Store) *Resolver {
	if sessions == nil || accounts == nil {
		panic("auth: New needs the sessions and the accounts")
	}
	a := &Resolver{sessions: sessions, accounts: accounts}
	sessions.Accounts = a
	sessions.Skip = func(r *http.Request) bool { return a.judgedBy(r) != nil }
	return a
}

type contextKey struct{}

// request is the context of a request, with what is known of its identity.
type request struct {
	context.Context
	resolver *Resolver
	http     *http.Request
	header   credential // the credential that is used instead of the session; nil: none

	mu   sync.Mutex
	user *account.User // loaded by the check of the session

	settling sync.Mutex // held while the credential is checked
	settled  bool
	identity *Identity
	refusal  error
}

// judgedBy returns the credential that is used instead of the session; nil: none.
func (a *Resolver) judgedBy(r *http.Request) credential {
	if q, ok := r.Context().Value(contextKey{}).(*request); ok {
		return q.header
	}
	return a.credential(r)
}

// Handler makes the credential of each request available to [FromContext]. It doesn't ask the stores. It panics if the
// fields of the sessions are wrong (see [session.Manager.Validate]).
func (a *Resolver) Handler(next http.Handler) http.Handler {
	if err := a.sessions.Validate(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(a.Note(r.Context(), r)))
	})
}

// Note returns ctx with what Handler adds to the context of a request, for handlers that add more.
func (a *Resolver) Note(ctx context.Context, r *http.Request) context.Context {
	return &request{Context: a.sessions.Note(ctx, r), resolver: a, http: r, header: a.credential(r)}
}

// Value implements context.Context.
func (q *request) Value(key any) any {
	if key == (contextKey{}) {
		return q
	}
	return q.Context.Value(key)
}

// Epoch implements session.Accounts. It keeps the user for [FromContext].
func (a *Resolver) Epoch(ctx context.Context, id string) (string, error) {
	u, err := a.load(ctx, id)
	if err != nil {
		return "", err
	}
	if q, ok := ctx.Value(contextKey{}).(*request); ok {
		q.mu.Lock()
		q.user = u
		q.mu.Unlock()
	}
	return u.Epoch, nil
}

// load returns a user who may be signed in. No other code decides who may.
func (a *Resolver) load(ctx context.Context, id string) (*account.User, error) {
	u, err := account.View(ctx, a.accounts, id)
	if errors.Is(err, account.ErrNotFound) || (err == nil && !u.IsActive) {
		return nil, session.ErrNoAccount
	}
	return u, err
}

// FromContext returns the identity of a request; nil, nil if the request has no credential or a rejected one. An error means
// that the identity is unknown: answer 503. [ErrNoHandler], if the request did not pass [Resolver.Handler], is a mistake of
// the program: answer 500. Safe for concurrent use. The Identity is shared: don't change it.
func FromContext(ctx context.Context) (*Identity, error) {
	i, err := Check(ctx)
	if p, refused := errors.AsType[*problem.Problem](err); refused && p.Status == http.StatusUnauthorized {
		return nil, nil
	}
	return i, err
}

// Check returns the identity of a request, or why there is none: [ErrNotAuthenticated], [ErrSessionEnded],
// [ErrTwoSessionCookies], a refusal of another credential, or an outage.
func Check(ctx context.Context) (*Identity, error) {
	q, ok := ctx.Value(contextKey{}).(*request)
	switch {
	case !ok:
		return nil, ErrNoHandler
	case q.header != nil:
		return q.byHeader(ctx)
	}
	return q.bySession(ctx)
}

// CheckAgain is [Check], but it asks the stores again: sessions and tokens that have ended since, accounts that were
// disabled and rights that were taken away no longer count. Call it between something slow, such as reading the body, and
// the action. It doesn't verify the password of HTTP Basic again: it checks that the account hasn't changed since.
func CheckAgain(ctx context.Context) (*Identity, error) {
	q, ok := ctx.Value(contextKey{}).(*request)
	if !ok {
		return Check(ctx)
	}
	q.mu.Lock()
	q.user = nil
	q.mu.Unlock()
	if q.header != nil {
		return q.byHeaderAgain(ctx)
	}
	return q.identify(ctx, session.Reload)
}

func (q *request) bySession(ctx context.Context) (*Identity, error) {
	return q.identify(ctx, session.FromContext)
}

// identify returns the identity of the request's session.
func (q *request) identify(ctx context.Context, load func(context.Context) (*session.Session, error)) (*Identity, error) {
	s, err := load(ctx)
	if err != nil {
		return nil, err
	}
	if s == nil && session.Presented(ctx) {
		return nil, ErrSessionEnded
	}
	if s == nil && session.Twice(ctx) {
		return nil, ErrTwoSessionCookies
	}
	if s == nil {
		return nil, ErrNotAuthenticated
	}
	u, err := q.account(ctx, s.User)
	if errors.Is(err, session.ErrNoAccount) {
		return nil, ErrSessionEnded
	}
	if err != nil {
		return nil, err
	}
	return &Identity{User: u, Method: s.Method, Session: s, AuthenticatedAt: authenticated(s)}, nil
}

// byHeader checks the credential on the first call, and remembers the result unless it is an outage.
func (q *request) byHeader(ctx context.Context) (*Identity, error) {
	q.settling.Lock()
	defer q.settling.Unlock()
	if q.settled {
		return q.identity, q.refusal
	}
	i, err := q.header.identify(ctx, q)
	if _, refused := errors.AsType[*problem.Problem](err); err == nil || refused {
		q.identity, q.refusal, q.settled = i, err, true
	}
	return i, err
}

// byHeaderAgain checks the credential on each call. A credential that was refused before stays refused.
func (q *request) byHeaderAgain(ctx context.Context) (*Identity, error) {
	q.settling.Lock()
	defer q.settling.Unlock()
	if q.settled && q.refusal != nil {
		return nil, q.refusal
	}
	identify := q.header.identify
	if b, ok := q.header.(basic); ok && q.settled {
		identify = b.again
	}
	i, err := identify(ctx, q)
	if _, refused := errors.AsType[*problem.Problem](err); err == nil || refused {
		q.identity, q.refusal, q.settled = i, err, true
	}
	return i, err
}

// account returns the user that the check of the session has just loaded, or loads the user.
func (q *request) account(ctx context.Context, id string) (*account.User, error) {
	q.mu.Lock()
	u := q.user
	q.mu.Unlock()
	if u != nil && u.ID == id {
		return u, nil
	}
	return q.resolver.load(ctx, id)
}

func authenticated(s *session.Session) time.Time {
	if s.ReauthenticatedAt.After(s.CreatedAt) {
		return s.ReauthenticatedAt
	}
	return s.CreatedAt
}

// ByHeader reports whether the request is authenticated by a credential in a header that no page can make a browser send, so
// that it needs no csrftoken. HTTP Basic is not such a header: browsers send it by themselves.
func ByHeader(ctx context.Context) bool {
	q, ok := ctx.Value(contextKey{}).(*request)
	if ok && q.header != nil {
		return !q.header.sentByBrowsers()
	}
	return session.FromApp(ctx)
}
