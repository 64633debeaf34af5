package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// Errors about the deletion of one's own account.
var (
	errLastAdministrator = problem.New(http.StatusConflict, "last_administrator",
		"You are the only administrator who can do everything. Make another user a superuser first.")
	errAccountNeeded = problem.New(http.StatusConflict, "account_needed",
		"The account can't be deleted here, because the application still needs it. Ask the people who run it.")
)

// unless returns the handler of a route that some servers don't have: where off is true it is not found.
func unless(off func(*API) bool, handler func(*API) http.Handler) func(*API) http.Handler {
	return func(a *API) http.Handler {
		if off(a) {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, errNotFound) })
		}
		return handler(a)
	}
}

func keepsAccounts(a *API) bool { return a.NoAccountDeletion }

type deleteIn struct {
	Username *string `json:"username"`
}

// deleteOwnAccount deletes the caller, with all that belongs to the account. The caller types the username, so that no click does it.
//
// The message about it is stored before, so that no crash loses it. Once the deletion is committed the call succeeds: the caller couldn't
// repeat it.
func deleteOwnAccount(c *call, in deleteIn) (none, error) {
	if err := required(map[string]*string{"username": in.Username}); err != nil {
		return none{}, err
	}
	u := c.who.User
	if account.CanonicalLogin(strings.TrimSpace(*in.Username)) != account.CanonicalLogin(u.Username) {
		return none{}, invalid(map[string][]string{"username": {"This isn't your username."}})
	}
	notice, err := c.api.Letters.Deleting(c.ctx(), u, c.about())
	if err != nil {
		return none{}, err
	}
	accounts := c.admin()
	accounts.CleanUp = func(_ context.Context, reason string, users ...string) { c.remove(users[0], reason, c.current()) } // which is signed out below
	deleted, err := accounts.DeleteOwnAccount(c.ctx(), u)
	if !deleted {
		return none{}, c.undeleted(notice, err)
	}
	c.logLeft(u, err)
	ctx, cancel := c.afterwards()
	defer cancel()
	if err := notice.Done(ctx); err != nil { // the user is told a little later
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "deletion not told at once", slog.String("user", u.ID), slog.Any("error", err))
	}
	if err := c.signOut(); err != nil { // the session counts nowhere, and only its cookie stays
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "session of a deleted account not removed", slog.Any("error", err))
	}
	c.forgetDevice()
	return none{}, nil
}

// logLeft logs why something of a deleted account is left; nil: nothing is. The deletion can't be repeated.
func (c *call) logLeft(u *account.User, err error) {
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelError, "something of a deleted account is left", slog.String("user", u.ID), slog.Any("error", err))
	}
}

// undeleted returns the error of a deletion, and forgets the message about it if it surely hasn't happened.
func (c *call) undeleted(notice *letters.Deletion, err error) error {
	_, needed := errors.AsType[*account.InvalidError](err)
	_, refused := errors.AsType[*problem.Problem](err)
	switch {
	case needed:
		// The reason names tables of the program, which are not for its users.
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "account not deleted, because other tables need it", slog.String("user", c.who.User.ID), slog.Any("error", err))
		err = errAccountNeeded
	case refused, errors.Is(err, account.ErrEpochChanged), errors.Is(err, account.DeniedErrors.LastAdministrator):
	default: // it may have happened, which is found out when the message is written
		return err
	}
	ctx, cancel := c.afterwards()
	defer cancel()
	if failed := notice.Undone(ctx); failed != nil { // then it is found out likewise
		c.api.Log.LogAttrs(ctx, slog.LevelWarn, "notice of a deletion not removed", slog.Any("error", failed))
	}
	return err
}

// forgetDevice deletes the device cookie, if the browser has sent one.
func (c *call) forgetDevice() {
	if len(c.r.CookiesNamed(deviceCookie)) == 0 {
		return
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: deviceCookie, Path: "/", MaxAge: -1, Expires: time.Unix(1, 0), HttpOnly: true, Secure: c.api.Secure, SameSite: http.SameSiteLaxMode,
	})
}
