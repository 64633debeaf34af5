// Package auth tells who is asking: it turns the credential of a request into an [Identity] in its context.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// FreshFor is how long after its password was typed a session counts as fresh.
const FreshFor = 10 * time.Minute

// Identity is who is asking.
type Identity struct {
	User            *account.User
	Method          string           // how they proved it: the session's method
	Session         *session.Session // the session behind the request
	AuthenticatedAt time.Time        // when they last proved it
}

// Fresh reports whether the user's password was typed into this session within [FreshFor].
func (i *Identity) Fresh() bool {
	return i.Session != nil && !i.Session.FreshAt.IsZero() && time.Since(i.Session.FreshAt) < FreshFor
}

// Resolver finds out who is asking. It is the session.Accounts of its Sessions: [New] sees to that, so that one look-up
// of the account serves both the check of the epoch and the identity. Safe for concurrent use.
type Resolver struct {
	sessions *session.Manager
	accounts account.Store
}

// New returns a Resolver and makes it the Accounts of sessions.
func New(sessions *session.Manager, accounts account.Store) *Resolver {
	a := &Resolver{sessions: sessions, accounts: accounts}
	sessions.Accounts = a
	return a
}

type contextKey struct{}

// request is what is known of the identity behind one request.
type request struct {
	resolver *Resolver
	mu       sync.Mutex
	user     *account.User
}

// Handler notes the credential of each request for [FromContext]. It asks no store.
func (a *Resolver) Handler(next http.Handler) http.Handler {
	inner := a.sessions.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), contextKey{}, &request{resolver: a})
		inner.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Epoch implements session.Accounts, and keeps the user for [FromContext].
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

// load returns a user who may be signed in, and is the one place that decides who may.
func (a *Resolver) load(ctx context.Context, id string) (*account.User, error) {
	u, err := a.accounts.Load(ctx, id)
	if errors.Is(err, account.ErrNotFound) || (err == nil && !u.IsActive) {
		return nil, session.ErrNoAccount
	}
	return u, err
}

// FromContext returns who is asking; nil and no error: nobody. An error means that nothing is known: answer 503.
// The context must come from a request that passed [Resolver.Handler]. Safe for concurrent use; the Identity is shared,
// so don't change it.
func FromContext(ctx context.Context) (*Identity, error) {
	q, ok := ctx.Value(contextKey{}).(*request)
	if !ok {
		return nil, errors.New("auth: the request did not pass Resolver.Handler")
	}
	s, err := session.FromContext(ctx)
	if err != nil || s == nil {
		return nil, err
	}
	u, err := q.account(ctx, s.User)
	if errors.Is(err, session.ErrNoAccount) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Identity{User: u, Method: s.Method, Session: s, AuthenticatedAt: authenticated(s)}, nil
}

// account returns the user that the check of the session has just loaded, or loads it.
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
	if s.FreshAt.After(s.CreatedAt) {
		return s.FreshAt
	}
	return s.CreatedAt
}

// The refusals of this package, as they go over the wire. Sentences are Django REST Framework's where it has one.
var (
	ErrNotAuthenticated = error(problem.New(http.StatusUnauthorized, "not_authenticated",
		"Authentication credentials were not provided."))
	ErrSessionEnded = error(problem.New(http.StatusUnauthorized, "session_ended",
		"Your session has ended. Sign in again."))
	ErrPermissionDenied = error(problem.New(http.StatusForbidden, "permission_denied",
		"You do not have permission to perform this action."))
	ErrFreshSignInRequired = error(problem.New(http.StatusForbidden, "fresh_sign_in_required",
		"Enter your password again to do this."))
)

// Check returns the identity behind a request, or why there is none: [ErrNotAuthenticated], [ErrSessionEnded],
// or an outage.
func Check(ctx context.Context) (*Identity, error) {
	i, err := FromContext(ctx)
	switch {
	case err != nil:
		return nil, err
	case i != nil:
		return i, nil
	case session.Presented(ctx):
		return nil, ErrSessionEnded
	}
	return nil, ErrNotAuthenticated
}

// Require lets only signed-in users through; others get 401.
func Require(next http.Handler) http.Handler {
	return require(next, func(*Identity) error { return nil })
}

// RequirePermission lets only users through who have the permission, such as "app.codename"; others get 401 or 403.
func RequirePermission(permission string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return require(next, func(i *Identity) error {
			if !i.User.Has(permission) {
				return ErrPermissionDenied
			}
			return nil
		})
	}
}

// RequireFresh lets only sessions through whose password was typed within [FreshFor]; others get 401 or 403.
func RequireFresh(next http.Handler) http.Handler {
	return require(next, func(i *Identity) error {
		if !i.Fresh() {
			return ErrFreshSignInRequired
		}
		return nil
	})
}

func require(next http.Handler, allowed func(*Identity) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := Check(r.Context())
		if err == nil {
			err = allowed(i)
		}
		if err != nil {
			deny(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// deny answers 503 to whatever isn't one of this package's refusals: nothing is known then, and nobody gets in.
func deny(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		p = Unavailable
		report(r.Context(), err)
	}
	problem.Write(w, r, p)
}

// report tells the operator about an outage; that the client went away is none.
func report(ctx context.Context, err error) {
	log := slog.Default() // who forgot the Handler must learn of it somewhere
	if q, ok := ctx.Value(contextKey{}).(*request); ok {
		log = q.resolver.sessions.Log
	}
	if log != nil && ctx.Err() == nil {
		log.LogAttrs(ctx, slog.LevelError, "unavailable", slog.Any("error", err))
	}
}

// Unavailable is the answer while a store can't be asked.
var Unavailable = &problem.Problem{
	Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: 2 * time.Second,
	Detail: "The service can't answer just now. You are still signed in; try again shortly.",
}
