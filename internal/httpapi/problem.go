package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// The errors that this package returns itself.
var (
	errInvalidCredentials = problem.New(http.StatusUnauthorized, "invalid_credentials", "Invalid username/password.")
	errSessionEnded       = problem.New(http.StatusUnauthorized, "session_ended", "Your session has ended. Sign in again.")
	errNotFound           = problem.New(http.StatusNotFound, "not_found", "Not found.")
	errMisdirected        = problem.New(http.StatusMisdirectedRequest, "unknown_host",
		"This server isn't configured for that host name. Use the address that it was started with (--url).")
	errNoAppTokens = problem.New(http.StatusBadRequest, "app_tokens_off",
		"This server has no sessions for apps. Start it with --app-tokens to allow them.")
	errNotAnApp = problem.New(http.StatusForbidden, "not_an_app",
		"Session tokens are for programs other than browsers. Don't send an Origin, Sec-Fetch-Site, Sec-Fetch-Dest or Cookie header.")
	errTooManyTokens = problem.New(http.StatusConflict, "too_many_tokens",
		"You have as many tokens as are allowed. End one that is no longer needed.")
	errServer = problem.New(http.StatusInternalServerError, "server_error",
		"Something went wrong on the server. The operator can find the error in the log by the request_id.")
)

// sentinels maps the errors of the domain packages to responses.
var sentinels = []struct {
	err    error
	answer *problem.Problem
}{
	{account.ErrInvalidCredentials, errInvalidCredentials},
	{account.SpentErrors.Setup, problem.New(http.StatusForbidden, "setup_link_invalid",
		"This set-up link is no longer valid. Restart the server for a new one; if there is a user already, sign in.")},
	{account.SpentErrors.Reset, problem.New(http.StatusForbidden, "reset_link_invalid",
		"This link is no longer valid: it was used, replaced by another, or is over an hour old. Ask for a new one.")},
	{letters.ErrLink, problem.New(http.StatusForbidden, "link_invalid",
		"This link is not valid here: it was used, is too old, or is another account's. Ask for a new one.")},
	{letters.ErrSignUpClosed, problem.New(http.StatusForbidden, "signup_closed",
		"This server makes no accounts for people who ask for one. Ask the people who run it.")},
	{letters.ErrPasskeyApart, problem.New(http.StatusBadRequest, "passkeys_off",
		"An account can't begin with a passkey here, because the server keeps accounts in a database of their own. Choose a password.")},
	{letters.ErrAddressRefused, &problem.Problem{Status: http.StatusBadRequest, Code: "invalid", Detail: "Some fields are not right.",
		Fields: map[string][]string{"email": {"No account can be made with this address here."}}}},
	{account.DeniedErrors.LastAdministrator, errLastAdministrator},
	{account.ErrEpochChanged, errSessionEnded},
	{account.ErrNotFound, errNotFound},
	{session.ErrEnded, errSessionEnded},
	{session.ErrNotATicket, problem.New(http.StatusBadRequest, "unreadable_session",
		"The session cookie or header of this request can't be read, so no session was ended. If you were signed in, you still are.")},
	{jwt.ErrSpent, errSpent},
	{mail.ErrNotFound, errNotFound},
	{token.ErrNotFound, errNotFound},
	{token.ErrLimit, errTooManyTokens},
	{authenticator.ErrNotFound, errNotFound},
	{authenticator.ErrLast, errLastFactor},
	{authenticator.ErrLastWayIn, errLastPasskey},
	{factor.ErrTooManyKeys, errTooManyFactors},
	{authenticator.ErrExists, errFactorExists},
	{factor.ErrExists, errFactorExists},
	{authenticator.ErrNone, errNoFactor},
	{session.ErrTooLarge, problem.New(http.StatusRequestEntityTooLarge, "session_too_large", "The data of the session is too large.")},
}

// problem returns the response for err. It takes an unknown error for an outage, which it logs and answers with 503.
func (a *API) problem(r *http.Request, err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*csrf.Error](err); ok {
		a.Audit.Record(r.Context(), audit.MaliciousKinds.CSRF, slog.String("reason", e.Code))
		return problem.New(http.StatusForbidden, e.Code, e.Detail)
	}
	if e, ok := errors.AsType[*account.InvalidError](err); ok {
		return problem.Invalid(e)
	}
	if e, ok := errors.AsType[*throttle.Error](err); ok {
		return throttled(e.RetryAfter)
	}
	if e, ok := errors.AsType[*throttle.QuotaError](err); ok {
		return throttled(e.RetryAfter)
	}
	if e, ok := errors.AsType[*password.BusyError](err); ok {
		return &problem.Problem{Status: http.StatusServiceUnavailable, Code: "busy", RetryAfter: max(e.RetryAfter, time.Second),
			Detail: "Too many people are signing in at this moment. Try again in a few seconds."}
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.answer
		}
	}
	level := slog.LevelError
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		level = slog.LevelDebug // the client has disconnected
	}
	a.Log.LogAttrs(r.Context(), level, "unavailable", slog.Any("error", err), slog.String("path", shorten(r.URL.Path)))
	return problem.Unavailable(r.Context())
}

func throttled(wait time.Duration) *problem.Problem {
	wait = max(wait, time.Second)
	seconds := int(math.Ceil(wait.Seconds()))
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return &problem.Problem{Status: http.StatusTooManyRequests, Code: "throttled", RetryAfter: wait,
		Detail: fmt.Sprintf("Request was throttled. Expected available in %d %s.", seconds, unit)}
}
