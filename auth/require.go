package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

// The refusals of this package, as they are sent. Where Django REST framework has a sentence, it is used.
var (
	ErrNotAuthenticated = error(problem.New(http.StatusUnauthorized, "not_authenticated",
		"Authentication credentials were not provided."))
	ErrSessionEnded = error(problem.New(http.StatusUnauthorized, "session_ended",
		"Your session has ended. Sign in again."))
	ErrDeviceUnproven = error(problem.New(http.StatusUnauthorized, "device_unproven",
		"This session belongs to the browser that it began in, and the request has no proof that it comes from there. Sign in again."))
	errTwoSessionCookies = error(problem.New(http.StatusUnauthorized, "two_session_cookies",
		"The browser sent two session cookies, so neither counts. Sign in again; if that doesn't help, delete the cookies of this site."))
	ErrPermissionDenied = error(problem.New(http.StatusForbidden, "permission_denied",
		"You do not have permission to perform this action."))
	ErrFreshSignInRequired = error(problem.New(http.StatusForbidden, "fresh_sign_in_required",
		"Enter your password again to do this."))
	ErrFullSignInRequired = error(problem.New(http.StatusForbidden, "full_sign_in_required",
		"Prove again who you are, by all that a sign-in asks for, to do this."))
	ErrSecondFactorNeeded = error(problem.New(http.StatusForbidden, "second_factor_needed",
		"Sign in with a second factor to do this."))
	ErrSessionRequired = error(problem.New(http.StatusForbidden, "session_required",
		"A token can't do this. Sign in, and use the session."))
	ErrInsufficientScope = error(problem.New(http.StatusForbidden, "insufficient_scope",
		"This token was not made for that. Make one with the scope it needs."))
)

// ErrNoHandler says that a request did not pass [Resolver.Handler], or the Handler of a server that calls it. That is a
// mistake of the program and not an outage: answer 500.
var ErrNoHandler = error(problem.New(http.StatusInternalServerError, "no_handler",
	"This program asks who is signed in, on a request that did not pass Cloakroom's Handler. The program must serve its "+
		"handlers behind it: http.ListenAndServe(address, server.Handler(mux))."))

// errProofUnavailable says that the browser couldn't renew the proof that its session is bound to it, and says that this was because
// of the server. That is an outage.
var errProofUnavailable = error(&problem.Problem{
	Status: http.StatusServiceUnavailable, Code: "device_unproven", RetryAfter: 10 * time.Second,
	Detail: "Your browser couldn't prove just now that this session belongs to it. You are still signed in; try again shortly.",
})

// bearerChallenge is the challenge that simplejwt sends.
const bearerChallenge = `Bearer realm="api"`

var (
	errTwoCredentials = badToken("Only one Authorization header, please.")
	errBearerHeader   = error(&problem.Problem{
		Status: http.StatusUnauthorized, Code: "bad_authorization_header", Challenge: bearerChallenge,
		Detail: "Authorization header must contain two space-delimited values",
	})
)

// challenged returns the refusal of a token, which names the scheme that the token came with.
func challenged(challenge, detail string) error {
	return &problem.Problem{Status: http.StatusUnauthorized, Code: "invalid_token", Detail: detail, Challenge: challenge}
}

func badToken(detail string) error { return challenged("Token", detail) }

// errPasswordChanged says that the password was right and has been changed since. It has the same sentence as a wrong
// password.
var errPasswordChanged = error(problem.New(http.StatusUnauthorized, "invalid_credentials", "Invalid username/password."))

// Require passes requests of signed-in users on; others get 401. A token that is limited to scopes gets 403:
// [RequirePermission] and [RequireScope] accept such tokens. A handler that reads a body, which may arrive slowly, should
// call [IdentifyAgain] after it.
func Require(next http.Handler) http.Handler {
	return require(next, func(i *Identity) error {
		if i.Scoped() {
			return ErrInsufficientScope
		}
		return nil
	})
}

// RequirePermission passes requests on that may use the permission, such as "app.codename"; others get 401 or 403. It panics if
// permission hasn't that form, since only superusers would pass then.
func RequirePermission(permission string) func(http.Handler) http.Handler {
	mustBePermission("RequirePermission", permission)
	return func(next http.Handler) http.Handler {
		return require(next, func(i *Identity) error {
			if !i.Has(permission) {
				return ErrPermissionDenied
			}
			return nil
		})
	}
}

// RequireScope passes sessions on, and tokens only if they may use the scope: it is among their scopes, or they have none
// and may do everything, and their owner still has the permission of that name. Others get 401 or 403. It panics as
// [RequirePermission] does.
func RequireScope(scope string) func(http.Handler) http.Handler {
	mustBePermission("RequireScope", scope)
	return func(next http.Handler) http.Handler {
		return require(next, func(i *Identity) error {
			if i.Token != nil && !i.Has(scope) {
				return ErrInsufficientScope
			}
			return nil
		})
	}
}

// mustBePermission panics unless p has the form of a permission.
func mustBePermission(function, p string) {
	if app, codename, _ := strings.Cut(p, "."); app == "" || codename == "" {
		panic(fmt.Sprintf("auth: %s(%q): a permission has the form app.codename, such as shop.view_order", function, p))
	}
}

// RequireFresh passes only sessions on whose user has shown a factor, such as the password, within [FreshFor]; others get
// 401 or 403.
func RequireFresh(next http.Handler) http.Handler {
	return require(next, (*Identity).CheckFresh)
}

// RequireSecondFactor passes only sessions on whose user has shown two factors together, or one that is both, such as a passkey;
// others get 401 or 403.
func RequireSecondFactor(next http.Handler) http.Handler {
	return require(next, (*Identity).CheckSecondFactor)
}

// RequireFullyFresh passes only sessions on whose user has shown all that a sign-in would ask them for now, within [FreshFor];
// others get 401 or 403. While the factors of the user are unknown, it is 503.
func RequireFullyFresh(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require(next, func(i *Identity) error { return i.CheckFullyFresh(r.Context()) }).ServeHTTP(w, r)
	})
}

// CheckSession returns [ErrSessionRequired] if the caller has no session.
func (i *Identity) CheckSession() error {
	if i.Session == nil {
		return ErrSessionRequired
	}
	return nil
}

// CheckFresh returns [ErrSessionRequired] if the caller has no session, and [ErrFreshSignInRequired] if no factor was shown
// in it within [FreshFor].
func (i *Identity) CheckFresh() error {
	if err := i.CheckSession(); err != nil {
		return err
	}
	if !i.Fresh() {
		return ErrFreshSignInRequired
	}
	return nil
}

// CheckSecondFactor returns [ErrSessionRequired] if the caller has no session, and [ErrSecondFactorNeeded] if its user has never
// shown two factors together in it.
func (i *Identity) CheckSecondFactor() error {
	if err := i.CheckSession(); err != nil {
		return err
	}
	if i.Level() < 2 {
		return ErrSecondFactorNeeded
	}
	return nil
}

// CheckFullyFresh returns [ErrSessionRequired] if the caller has no session, and [ErrFullSignInRequired] unless the user has
// shown all that a sign-in would ask them for now, within [FreshFor]: two factors together if a sign-in demands a second step,
// else any factor. ctx is the request's. Errors without a name are outages.
func (i *Identity) CheckFullyFresh(ctx context.Context) error {
	if err := i.CheckSession(); err != nil {
		return err
	}
	if !i.Fresh() {
		return ErrFullSignInRequired
	}
	q := requestFrom(ctx)
	if q == nil {
		return ErrNoHandler
	}
	if q.resolver.c.SecondStep == nil {
		return nil
	}
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	demanded, err := q.resolver.c.SecondStep(ctx, i.User.ID)
	if err != nil {
		return err
	}
	if demanded && time.Since(i.Session.SecondAt) >= FreshFor {
		return ErrFullSignInRequired
	}
	return nil
}

func require(next http.Handler, allowed func(*Identity) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := Identify(r.Context())
		if err == nil {
			err = allowed(i)
		}
		if err != nil {
			WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Refusal is an error of a program's own checks that [WriteError] sends as it is.
type Refusal struct {
	Status int    // from 400 to 599, such as http.StatusConflict
	Code   string // stable, in lower case with underscores; clients branch on it
	Detail string // a sentence for people
}

func (e *Refusal) Error() string { return e.Code + ": " + e.Detail }

// WriteError answers a request with an error, in the form that all answers of Cloakroom have (RFC 9457, with a stable code and
// the ID of the request), so that clients need one way to read them:
//
//   - the errors of this package, such as [ErrPermissionDenied], and a *[Refusal] are sent with their own status;
//   - an *[account.InvalidError] is 400 and names the fields, [session.ErrEnded] is [ErrSessionEnded], and [session.ErrNoHandler] is
//     [ErrNoHandler];
//   - a *Refusal whose Status is no error is a mistake of the program: it is logged and answered 500;
//   - any other error is logged and answered 503, with none of its text.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem.Problem](err)
	own, isOwn := errors.AsType[*Refusal](err)
	invalid, isInvalid := errors.AsType[*account.InvalidError](err)
	switch {
	case isOwn && (own.Status < 400 || own.Status > 599):
		p = problem.New(http.StatusInternalServerError, "server_error", "Something went wrong on the server.")
		report(r.Context(), "auth.WriteError: the status of a Refusal must be from 400 to 599", fmt.Errorf("status %d, %w", own.Status, err))
	case isOwn:
		p = problem.New(own.Status, own.Code, own.Detail)
	case errors.Is(err, ErrNoHandler), errors.Is(err, session.ErrNoHandler):
		p, _ = errors.AsType[*problem.Problem](ErrNoHandler)
		slog.Default().LogAttrs(r.Context(), slog.LevelError, err.Error(), slog.String("path", r.URL.Path))
	case ok:
	case isInvalid:
		p = problem.Invalid(invalid)
	case errors.Is(err, session.ErrEnded):
		p, _ = errors.AsType[*problem.Problem](ErrSessionEnded)
	default:
		p = problem.Unavailable(r.Context())
		report(r.Context(), "unavailable", err)
	}
	problem.Write(w, r, p)
}

// report logs an error. What fails because the client has cancelled the request is none.
func report(ctx context.Context, what string, err error) {
	log := slog.Default()
	if q := requestFrom(ctx); q != nil && q.resolver.c.Sessions != nil {
		log = q.resolver.c.Sessions.Log
	}
	if log != nil && ctx.Err() == nil {
		log.LogAttrs(ctx, slog.LevelError, what, slog.Any("error", err))
	}
}
