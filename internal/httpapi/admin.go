package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// The routes under /api/auth/admin require that the caller is staff, has the permission of the route, and has typed the
// password a short while ago. The permissions have the names of Django's. A superuser has all of them.
//
// An administrator can't grant rights that they don't have themselves: [account.Service.By] compares the administrator with
// the user or group that the request changes, in the transaction that writes.
const (
	viewUser      = "auth.view_user"
	addUser       = "auth.add_user"
	changeUser    = "auth.change_user"
	deleteUser    = "auth.delete_user"
	viewGroup     = "auth.view_group"
	addGroup      = "auth.add_group"
	changeGroup   = "auth.change_group"
	deleteGroup   = "auth.delete_group"
	viewSession   = "sessions.view_session"
	deleteSession = "sessions.delete_session"
	viewToken     = "authtoken.view_token"
	deleteToken   = "authtoken.delete_token"
	viewLog       = "admin.view_logentry"
)

// permissions are the permissions that this API requires somewhere.
var permissions = []string{
	addGroup, addUser, changeGroup, changeUser, deleteGroup, deleteUser, viewGroup, viewUser, deleteSession, viewSession, deleteToken, viewToken, viewLog,
}

var (
	errOutranked = problem.New(http.StatusForbidden, "permission_denied",
		"Only a superuser, or an administrator with at least the same rights, may do this.")
	errSuperuserOnly = problem.New(http.StatusForbidden, "permission_denied", "Only a superuser may do this.")
	errOwnAccount    = problem.New(http.StatusForbidden, "permission_denied",
		"You can't do this to your own account. Ask another administrator.")
	errNotMember = problem.New(http.StatusForbidden, "permission_denied",
		"Only members of the group, and administrators who may change groups, may add members to it.")
)

// serveAdmin is serve for a route that requires a permission.
func serveAdmin[In, Out any](permission string, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			respond(&call{api: a, w: w, r: r, needs: needsSession, permission: permission}, func(c *call, in In) (Out, error) {
				out, err := f(c, in)
				return out, refusalOf(err)
			})
		})
	}
}

// serveFullAdmin is serveAdmin for a route that asks the administrator for all that a sign-in asks for.
func serveFullAdmin[In, Out any](permission string, f func(c *call, in In) (Out, error)) func(*API) http.Handler {
	return func(a *API) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			respond(&call{api: a, w: w, r: r, needs: needsSession, permission: permission, full: true}, func(c *call, in In) (Out, error) {
				out, err := f(c, in)
				return out, refusalOf(err)
			})
		})
	}
}

// checkAdmin returns the reason for which the caller, who has a session, may not call the route. The permission comes first,
// so a caller without it isn't asked for a password.
func (c *call) checkAdmin() error {
	if !c.who.User.IsStaff || !c.who.Has(c.permission) {
		return auth.ErrPermissionDenied
	}
	if c.api.Steps.Requires(c.who.User) { // the session may be from before that
		if err := c.who.CheckSecondFactor(); err != nil {
			return err
		}
	}
	if c.full {
		return c.who.CheckFullyFresh(c.ctx())
	}
	return c.who.CheckFresh()
}

// pathUser returns the user that the path names.
func (c *call) pathUser() (*account.User, error) {
	return c.api.Accounts.Store.Load(c.ctx(), c.r.PathValue("id"))
}

// groupPermissions returns the permissions of all groups by their names.
func (c *call) groupPermissions() (map[string][]string, error) {
	groups, err := c.api.Accounts.Store.Groups(c.ctx())
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, g := range groups {
		all[g.Name] = g.Permissions
	}
	return all, nil
}

// auditAttrs returns the attributes of an administrator's request for the audit log: the route, and the user, session or token
// that the path names.
func (c *call) auditAttrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("method", c.r.Method), slog.String("path", shorten(c.r.URL.EscapedPath()))}
	id := c.r.PathValue("id")
	if id == "" {
		return attrs
	}
	noun := "user"
	switch rest := strings.TrimPrefix(c.r.URL.EscapedPath(), "/api/auth/admin/"); {
	case strings.HasPrefix(rest, "sessions/"):
		noun = "session"
	case strings.HasPrefix(rest, "tokens/"):
		noun = "token"
	case strings.HasPrefix(rest, "invitations/"):
		noun = "invitation"
	}
	return append(attrs, slog.String(noun, shorten(id)))
}

// admin returns the service that changes users and groups within the caller's rights.
func (c *call) admin() *admin.Service {
	return &admin.Service{
		Accounts: c.accounts(), Audit: c.api.Audit, Invitations: c.api.Letters, Mail: c.api.Letters, SecondStep: c.api.Steps, Links: c.api.Links,
		CleanUp: func(_ context.Context, reason string, users ...string) { c.removeOf(users, reason) },
		URL:     func(context.Context) (string, error) { return c.api.URL, nil },
	}
}

// record records a change to the user u in the audit log. The context has the administrator.
func (c *call) record(kind audit.Kind, u *account.User, more ...slog.Attr) {
	c.api.Audit.Record(c.ctx(), kind, append(admin.AboutUser(u), more...)...)
}

const (
	defaultPageSize = 50
	maxPageSize     = 200
)

// page returns the parameters after and limit of the query.
func (c *call) page() (after string, limit int, err error) {
	q := c.r.URL.Query()
	limit = defaultPageSize
	if text := q.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPageSize {
			return "", 0, invalid(map[string][]string{"limit": {fmt.Sprintf("A number from 1 to %d is required.", maxPageSize)}})
		}
	}
	return q.Get("after"), limit, nil
}

// pathName returns a parameter of the path that isn't an ID but a name, such as that of a group.
func (c *call) pathName(name string) (string, error) {
	s, err := url.PathUnescape(c.r.PathValue(name))
	if err != nil {
		return "", errNotFound
	}
	return s, nil
}

// nextCursor returns a cursor for JSON: null after the last page.
func nextCursor(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

// refusals maps the errors about an administrator's rights to their responses.
var refusals = map[error]error{
	account.DeniedErrors.Permission:    auth.ErrPermissionDenied,
	account.DeniedErrors.Outranked:     errOutranked,
	account.DeniedErrors.SuperuserOnly: errSuperuserOnly,
	account.DeniedErrors.OwnAccount:    errOwnAccount,
	account.DeniedErrors.NotMember:     errNotMember,
}

// refusalOf returns the response for err if it is about an administrator's rights, otherwise err.
func refusalOf(err error) error {
	for refusal, answer := range refusals {
		if errors.Is(err, refusal) {
			return answer
		}
	}
	return err
}

// isPermissionDenied reports whether err means that the caller lacks a right.
func isPermissionDenied(err error) bool {
	p, ok := errors.AsType[*problem.Problem](err)
	return ok && p.Code == "permission_denied"
}

type permissionsOut struct {
	Permissions []string `json:"permissions"`
}

// listPermissions lists all known permissions: those of this API, and others that a group has.
func listPermissions(c *call, _ none) (permissionsOut, error) {
	groups, err := c.groupPermissions()
	if err != nil {
		return permissionsOut{}, err
	}
	all := slices.Clone(permissions)
	for _, some := range groups {
		all = append(all, some...)
	}
	slices.Sort(all)
	return permissionsOut{slices.Compact(all)}, nil
}
