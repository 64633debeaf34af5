package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// route is one line of the table below. Paths are matched exactly, as sent, with or without a trailing slash;
// a segment in braces stands for any one. GET routes answer HEAD as well.
type route struct {
	method, path string
	handler      func(*API) http.Handler
}

// routes is everything that the API answers.
var routes = []route{
	{"POST", "/api/auth/login", serve(anybody, login)},
	{"POST", "/api/auth/logout", serve(anybody, logout)},
	{"GET", "/api/me", identity(me)},
	{"GET", "/api/auth/me", identity(me)},
	{"PATCH", "/api/auth/me", serve(signedIn, editMe)},
	{"GET", "/api/auth/csrf", serve(anybody, csrfToken)},
	{"GET", "/api/auth/sessions", serve(signedIn, listSessions)},
	{"DELETE", "/api/auth/sessions", serve(fresh, endOtherSessions)},
	{"DELETE", "/api/auth/sessions/{id}", serve(signedIn, endSession)},
	{"POST", "/api/auth/reauthenticate", serve(signedIn, reauthenticate)},
	{"POST", "/api/auth/password/change", serve(signedIn, changePassword)},
	{"POST", "/api/auth/password/reset", serve(anybody, resetPassword)},
	{"GET", eventsPath, streamEvents},
	{"GET", "/api/auth/tokens", serve(fresh, listTokens)},
	{"POST", "/api/auth/tokens", serve(fresh, createToken)},
	{"DELETE", "/api/auth/tokens/{id}", serve(fresh, endToken)},
	{"POST", "/api/auth/token", compat(anybody, http.StatusOK, obtainToken)},
	{"POST", "/api-token-auth", compat(anybody, http.StatusOK, obtainToken)},
	{"POST", "/api/auth/knox/login", compat(anybody, http.StatusOK, knoxLogin)},
	{"POST", "/api/auth/knox/logout", compat(knoxToken, http.StatusNoContent, knoxLogout)},
	{"POST", "/api/auth/knox/logoutall", compat(knoxToken, http.StatusNoContent, knoxLogoutAll)},
	{"POST", "/api/auth/jwt/create", compat(anybody, http.StatusOK, createJWT)},
	{"POST", "/api/auth/jwt/refresh", compat(anybody, http.StatusOK, refreshJWT)},
	{"POST", "/api/auth/jwt/verify", compat(anybody, http.StatusOK, verifyJWT)},
	{"POST", "/api/auth/jwt/blacklist", compat(anybody, http.StatusOK, blacklistJWT)},
	{"POST", "/api/auth/jwt/exchange", serve(identified, exchangeJWT)},
	{"POST", "/api/auth/jwt/mint", serve(signedIn, mintJWT)},
	{"GET", "/.well-known/jwks.json", publicKeys},
	{"GET", "/api/auth/admin/users", admin(viewUser, listUsers)},
	{"POST", "/api/auth/admin/users", admin(addUser, createUser)},
	{"GET", "/api/auth/admin/users/{id}", admin(viewUser, showUser)},
	{"PATCH", "/api/auth/admin/users/{id}", admin(changeUser, editUser)},
	{"DELETE", "/api/auth/admin/users/{id}", admin(deleteUser, removeUser)},
	{"POST", "/api/auth/admin/users/{id}/password", admin(changeUser, setPassword)},
	{"POST", "/api/auth/admin/users/{id}/reset", admin(changeUser, resetLink)},
	{"POST", "/api/auth/admin/users/{id}/disable", admin(changeUser, disableUser)},
	{"POST", "/api/auth/admin/users/{id}/enable", admin(changeUser, enableUser)},
	{"POST", "/api/auth/admin/users/{id}/end", admin(changeUser, endEverything)},
	{"GET", "/api/auth/admin/users/{id}/sessions", admin(viewSession, listUserSessions)},
	{"DELETE", "/api/auth/admin/users/{id}/sessions", admin(deleteSession, endUserSessions)},
	{"GET", "/api/auth/admin/sessions", admin(viewSession, listAllSessions)},
	{"DELETE", "/api/auth/admin/sessions/{id}", admin(deleteSession, endAnySession)},
	{"GET", "/api/auth/admin/users/{id}/tokens", admin(viewToken, listUserTokens)},
	{"DELETE", "/api/auth/admin/users/{id}/tokens", admin(deleteToken, endUserTokens)},
	{"DELETE", "/api/auth/admin/tokens/{id}", admin(deleteToken, endAnyToken)},
	{"GET", "/api/auth/admin/groups", admin(viewGroup, listGroups)},
	{"POST", "/api/auth/admin/groups", admin(addGroup, createGroup)},
	{"GET", "/api/auth/admin/groups/{name}", admin(viewGroup, showGroup)},
	{"PATCH", "/api/auth/admin/groups/{name}", admin(changeGroup, editGroup)},
	{"DELETE", "/api/auth/admin/groups/{name}", admin(deleteGroup, removeGroup)},
	{"PUT", "/api/auth/admin/groups/{name}/members/{id}", admin(changeUser, addMember)},
	{"DELETE", "/api/auth/admin/groups/{name}/members/{id}", admin(changeUser, removeMember)},
	{"GET", "/api/auth/admin/permissions", admin(viewGroup, listPermissions)},
	{"GET", "/api/auth/admin/audit", admin(viewLog, listEvents)},
	{"GET", "/api/auth/admin/audit/export", exportEvents},
	{"GET", "/api/auth/setup", serve(anybody, setupState)},
	{"POST", "/api/auth/setup", serve(anybody, setUp)},
	{"GET", "/api/auth/openapi.yaml", openAPI},
	{"GET", "/healthz", alive},
	{"GET", "/readyz", ready},
}

// reserved are the prefixes under which an unknown path is ours to refuse; all else belongs to the app.
var reserved = []string{"/api/auth", "/api/me", "/api-token-auth", "/api/authz", "/auth", "/signin", "/healthz", "/readyz"}

// ours reports whether a path is under one of our prefixes.
func ours(path string) bool {
	return slices.ContainsFunc(reserved, func(prefix string) bool { return under(path, prefix) })
}

// under reports whether a path is the prefix or below it.
func under(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// Owns reports whether a decoded path is answered here, whatever it is, and never by the handler that was passed to
// [API.Handler].
func Owns(path string) bool { return ours(path) || path == "/.well-known/jwks.json" }

// literals are what the routes' paths begin with before their first brace. Most requests are an app's, and their paths begin
// with none.
var literals = sync.OnceValue(func() []string {
	all := make([]string, len(routes))
	for i, t := range routes {
		all[i], _, _ = strings.Cut(t.path, "{")
	}
	return all
})

// match reports whether the path is the route's.
func (t route) match(path string) bool {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	for pattern, more := t.path, true; more; {
		var want, got string
		var further bool
		want, pattern, more = strings.Cut(pattern, "/")
		got, path, further = strings.Cut(path, "/")
		if more != further || want != got && (!wild(want) || got == "") {
			return false
		}
	}
	return true
}

func wild(segment string) bool { return strings.HasPrefix(segment, "{") }

// bind puts the segments that stand in the place of those in braces among the request's path values.
func (t route) bind(r *http.Request) {
	if !strings.Contains(t.path, "{") {
		return
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, want := range strings.Split(t.path, "/") {
		if wild(want) {
			r.SetPathValue(strings.Trim(want, "{}"), segments[i])
		}
	}
}

func (t route) allows(method string) bool {
	return method == t.method || (method == http.MethodHead && t.method == http.MethodGet)
}

// find returns the handler of a request, or the methods that its path has if it is a path of ours, and the compatibility
// route that refuses others if it is one of these.
func (a *API) find(r *http.Request) (h http.Handler, methods []string, other *compatHandler) {
	path := r.URL.EscapedPath()
	for i, literal := range literals() {
		if !strings.HasPrefix(path, literal) || !routes[i].match(path) {
			continue
		}
		t := routes[i]
		if t.allows(r.Method) {
			t.bind(r)
			return a.handlers[i], nil, nil
		}
		methods = append(methods, t.method)
		if h, ok := a.handlers[i].(compatHandler); ok {
			other = &h
		}
		if t.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	if methods != nil {
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
	}
	return nil, methods, other
}
