package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/device"
)

// route is a row of the table below. Paths are matched exactly as they were sent, with or without a trailing slash. A segment
// in braces matches any segment that isn't empty. A GET route answers HEAD as well.
type route struct {
	method, path string
	handler      func(*API) http.Handler
}

// routes are all routes of the API.
var routes = []route{
	{"POST", "/api/auth/login", serve(needsNothing, login)},
	{"POST", "/api/auth/logout", serve(needsNothing, logout)},
	{"GET", "/api/auth/login/pending", serve(needsNothing, showPending)},
	{"DELETE", "/api/auth/login/pending", serve(needsNothing, cancelPending)},
	{"POST", "/api/auth/login/second", serve(needsNothing, takeSecondStep)},
	{"POST", "/api/auth/login/enrol/code", accept(needsNothing, sendEnrolmentCode)},
	{"POST", "/api/auth/login/enrol/code/confirm", serve(needsNothing, confirmEnrolment)},
	{"POST", "/api/auth/login/enrol/passkey/options", serve(needsNothing, passkeyCreationAtSignIn)},
	{"POST", "/api/auth/login/enrol/passkey", serve(needsNothing, addPasskeyAtSignIn)},
	{"POST", "/api/auth/login/enrol/totp", serve(needsNothing, beginAppAtSignIn)},
	{"POST", "/api/auth/login/enrol/totp/confirm", serve(needsNothing, confirmAppAtSignIn)},
	{"POST", "/api/auth/code", accept(needsNothing, sendCode)},
	{"POST", "/api/auth/code/login", serve(needsNothing, signInByCode)},
	{"GET", "/api/auth/methods", serve(needsNothing, signInMethods)},
	{"POST", "/api/auth/passkey/options", serve(needsNothing, passkeyOptions)},
	{"POST", "/api/auth/passkey/login", serve(needsNothing, passkeyLogin)},
	{"POST", "/api/auth/oidc/{provider}/start", serve(needsNothing, startAtProvider)},
	{"GET", "/api/auth/oidc/{provider}/callback", redirect(finishAtProvider)},
	{"POST", "/api/auth/oidc/{provider}/callback", receiveForm},
	{"POST", "/api/auth/oidc/{provider}/backchannel-logout", backchannel},
	{"GET", "/api/auth/links", serve(needsSession, listLinks)},
	{"DELETE", "/api/auth/links/{id}", serve(needsFullyFresh, removeLink)},
	{"GET", "/api/me", identity(me)},
	{"GET", "/api/auth/me", identity(me)},
	{"PATCH", "/api/auth/me", serve(needsSession, editMe)},
	{"GET", "/api/auth/csrf", serve(needsNothing, csrfToken)},
	{"GET", "/api/auth/sessions", serve(needsSession, listSessions)},
	{"DELETE", "/api/auth/sessions", serve(needsFreshSession, endOtherSessions)},
	{"DELETE", "/api/auth/sessions/{id}", serve(needsSession, endSession)},
	{"POST", "/api/auth/reauthenticate", serve(needsSession, reauthenticate)},
	{"POST", device.RegisterPath, serve(needsNothing, registerDevice)},
	{"POST", device.RefreshPath, serve(needsNothing, refreshDevice)},
	{"GET", "/api/auth/factors", serve(needsSession, listFactors)},
	{"PATCH", "/api/auth/factors", serve(needsFullyFresh, switchSecondStep)},
	{"POST", "/api/auth/factors/totp", serve(needsFullyFresh, beginApp)},
	{"POST", "/api/auth/factors/totp/confirm", serve(needsFullyFresh, confirmApp)},
	{"POST", "/api/auth/factors/passkey/options", serve(needsFullyFresh, passkeyCreation)},
	{"POST", "/api/auth/factors/passkey", serve(needsFullyFresh, addPasskey)},
	{"POST", "/api/auth/factors/recovery", serve(needsFullyFresh, renewRecoveryCodes)},
	{"PATCH", "/api/auth/factors/{id}", serve(needsSession, renameFactor)},
	{"DELETE", "/api/auth/factors/{id}", serve(needsFullyFresh, removeFactor)},
	{"POST", "/api/auth/reauthenticate/code", accept(needsSession, sendReauthenticationCode)},
	{"POST", "/api/auth/reauthenticate/options", serve(needsSession, reauthenticateOptions)},
	{"POST", "/api/auth/password/change", serve(needsSession, changePassword)},
	{"POST", "/api/auth/password/reset", serve(needsNothing, resetPassword)},
	{"POST", "/api/auth/password/forgot", accept(needsNothing, forgotPassword)},
	{"POST", "/api/auth/signup", accept(needsNothing, signUp)},
	{"POST", "/api/auth/signup/link", serve(needsNothing, showSignUpLink)},
	{"POST", "/api/auth/signup/complete", serve(needsNothing, completeSignUp)},
	{"POST", "/api/auth/signup/passkey/options", serve(needsNothing, firstPasskeyOptions)},
	{"POST", "/api/auth/signup/passkey", serve(needsNothing, completeSignUpByPasskey)},
	{"POST", "/api/auth/email/verify/send", accept(needsSession, sendVerification)},
	{"POST", "/api/auth/email/change", accept(needsFullyFresh, changeEmail)},
	{"POST", "/api/auth/email/revert", serve(needsNothing, revertEmail)},
	{"POST", "/api/auth/email/verify", serve(needsSession, verifyEmail)},
	{"POST", "/api/auth/account/data", unless(keepsData, takeData)},
	{"POST", "/api/auth/account/delete", unless(keepsAccounts, serve(needsFullyFresh, deleteOwnAccount))},
	{"GET", eventsPath, streamEvents},
	{"GET", "/api/auth/tokens", serve(needsFreshSession, listTokens)},
	{"POST", "/api/auth/tokens", serve(needsFreshSession, createToken)},
	{"DELETE", "/api/auth/tokens/{id}", serve(needsFreshSession, endToken)},
	{"POST", "/api/auth/token", compat(needsNothing, http.StatusOK, obtainToken)},
	{"POST", "/api-token-auth", compat(needsNothing, http.StatusOK, obtainToken)},
	{"POST", "/api/auth/knox/login", compat(needsNothing, http.StatusOK, knoxLogin)},
	{"POST", "/api/auth/knox/logout", compat(needsKnoxToken, http.StatusNoContent, knoxLogout)},
	{"POST", "/api/auth/knox/logoutall", compat(needsKnoxToken, http.StatusNoContent, knoxLogoutAll)},
	{"POST", "/api/auth/jwt/create", compat(needsNothing, http.StatusOK, createJWT)},
	{"POST", "/api/auth/jwt/refresh", compat(needsNothing, http.StatusOK, refreshJWT)},
	{"POST", "/api/auth/jwt/verify", compat(needsNothing, http.StatusOK, verifyJWT)},
	{"POST", "/api/auth/jwt/blacklist", compat(needsNothing, http.StatusOK, blacklistJWT)},
	{"POST", "/api/auth/jwt/exchange", serve(needsIdentity, exchangeJWT)},
	{"POST", "/api/auth/jwt/mint", serve(needsSession, mintJWT)},
	{"GET", jwksPath, publicKeys},
	{"GET", changePasswordPath, redirect(changePasswordPage)},
	{"GET", relatedOriginsPath, serve(needsNothing, relatedOrigins)},
	{"GET", "/api/auth/admin/users", serveAdmin(viewUser, listUsers)},
	{"POST", "/api/auth/admin/users", serveAdmin(addUser, createUser)},
	{"POST", "/api/auth/admin/users/disable", serveAdmin(changeUser, disableUsers)},
	{"GET", "/api/auth/admin/users/{id}", serveAdmin(viewUser, showUser)},
	{"PATCH", "/api/auth/admin/users/{id}", serveAdmin(changeUser, editUser)},
	{"DELETE", "/api/auth/admin/users/{id}", serveAdmin(deleteUser, removeUser)},
	{"POST", "/api/auth/admin/users/{id}/password", serveAdmin(changeUser, setPassword)},
	{"POST", "/api/auth/admin/users/{id}/reset", serveAdmin(changeUser, resetLink)},
	{"POST", "/api/auth/admin/users/{id}/compromised", serveAdmin(changeUser, declareCompromised)},
	{"POST", "/api/auth/admin/users/{id}/disable", serveAdmin(changeUser, disableUser)},
	{"POST", "/api/auth/admin/users/{id}/enable", serveAdmin(changeUser, enableUser)},
	{"POST", "/api/auth/admin/users/{id}/end", serveAdmin(changeUser, revokeEverything)},
	{"GET", "/api/auth/admin/users/{id}/sessions", serveAdmin(viewSession, listUserSessions)},
	{"DELETE", "/api/auth/admin/users/{id}/sessions", serveAdmin(deleteSession, endUserSessions)},
	{"GET", "/api/auth/admin/users/{id}/factors", serveFullAdmin(changeUser, listUserFactors)},
	{"DELETE", "/api/auth/admin/users/{id}/factors", serveFullAdmin(changeUser, removeUserFactors)},
	{"GET", "/api/auth/admin/sessions", serveAdmin(viewSession, listAllSessions)},
	{"DELETE", "/api/auth/admin/sessions/{id}", serveAdmin(deleteSession, endAnySession)},
	{"GET", "/api/auth/admin/users/{id}/tokens", serveAdmin(viewToken, listUserTokens)},
	{"DELETE", "/api/auth/admin/users/{id}/tokens", serveAdmin(deleteToken, endUserTokens)},
	{"DELETE", "/api/auth/admin/tokens/{id}", serveAdmin(deleteToken, endAnyToken)},
	{"GET", "/api/auth/admin/groups", serveAdmin(viewGroup, listGroups)},
	{"POST", "/api/auth/admin/groups", serveAdmin(addGroup, createGroup)},
	{"GET", "/api/auth/admin/groups/{name}", serveAdmin(viewGroup, showGroup)},
	{"PATCH", "/api/auth/admin/groups/{name}", serveAdmin(changeGroup, editGroup)},
	{"DELETE", "/api/auth/admin/groups/{name}", serveAdmin(deleteGroup, removeGroup)},
	{"PUT", "/api/auth/admin/groups/{name}/members/{id}", serveAdmin(changeUser, addMember)},
	{"DELETE", "/api/auth/admin/groups/{name}/members/{id}", serveAdmin(changeUser, removeMember)},
	{"GET", "/api/auth/admin/invitations", serveAdmin(viewUser, listInvitations)},
	{"POST", "/api/auth/admin/invitations", serveAdmin(addUser, invite)},
	{"POST", "/api/auth/admin/invitations/{id}/send", serveAdmin(addUser, inviteAgain)},
	{"DELETE", "/api/auth/admin/invitations/{id}", serveAdmin(addUser, withdrawInvitation)},
	{"GET", "/api/auth/admin/permissions", serveAdmin(viewGroup, listPermissions)},
	{"GET", "/api/auth/admin/audit", serveAdmin(viewLog, listEvents)},
	{"GET", "/api/auth/admin/audit/export", exportEvents},
	{"GET", "/api/auth/setup", serve(needsNothing, setupState)},
	{"POST", "/api/auth/setup", serve(needsNothing, setUp)},
	{"GET", "/api/auth/openapi.yaml", openAPI},
	{"GET", "/healthz", alive},
	{"GET", "/readyz", ready},
}

// jwksPath is the path of the keys that verify our tokens (RFC 8414, section 2, jwks_uri).
const jwksPath = "/.well-known/jwks.json"

// wellKnown are our paths where a standard expects them.
var wellKnown = []string{jwksPath, changePasswordPath}

// reserved are the prefixes of our paths. An unknown path under one of them is not found; every other path is the
// application's.
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

// Owns reports whether the API answers a decoded path, with an error if it is unknown, instead of the handler passed to
// [API.Handler].
func Owns(path string) bool { return ours(path) || slices.Contains(wellKnown, path) }

// withoutSlash returns a path without its trailing slash.
func withoutSlash(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// match reports whether the path is one of the route.
func (t route) match(path string) bool {
	path = withoutSlash(path)
	for pattern, more := t.path, true; more; {
		var want, got string
		var further bool
		want, pattern, more = strings.Cut(pattern, "/")
		got, path, further = strings.Cut(path, "/")
		if more != further || want != got && (!isParameter(want) || got == "") {
			return false
		}
	}
	return true
}

func isParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// setPathValues sets the path values of the request: for each segment in braces, the segment of the path.
func (t route) setPathValues(r *http.Request) {
	if !strings.Contains(t.path, "{") {
		return
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, want := range strings.Split(t.path, "/") {
		if isParameter(want) {
			r.SetPathValue(strings.Trim(want, "{}"), segments[i])
		}
	}
}

func (t route) allows(method string) bool {
	return method == t.method || (method == http.MethodHead && t.method == http.MethodGet)
}

// isWellKnown reports whether a path outside our prefixes is ours. The related origins are the application's unless there are any.
func (a *API) isWellKnown(path string) bool {
	return slices.Contains(wellKnown, path) || path == relatedOriginsPath && len(a.RelatedOrigins) > 0
}

// routeIndex finds the routes of a path. Numbers are those of the rows of the table.
type routeIndex struct {
	literal    map[string][]int // the routes without parameters, by path
	parametric []int
}

func newRouteIndex() routeIndex {
	x := routeIndex{literal: map[string][]int{}}
	for i, t := range routes {
		if strings.Contains(t.path, "{") {
			x.parametric = append(x.parametric, i)
		} else {
			x.literal[t.path] = append(x.literal[t.path], i)
		}
	}
	return x
}

// matching returns the routes that have this path. If one without parameters has it, none with parameters does.
func (x routeIndex) matching(path string) []int {
	if all := x.literal[withoutSlash(path)]; all != nil {
		return all
	}
	var all []int
	for _, i := range x.parametric {
		if routes[i].match(path) {
			all = append(all, i)
		}
	}
	return all
}

// find returns the handler of a request for a path. If the path has routes, but none for the method, it returns their methods, and the
// handler of a compatibility route if there is one, which refuses the method in its own form.
func (a *API) find(r *http.Request, path string) (h http.Handler, methods []string, compat *compatHandler) {
	if !ours(path) && !a.isWellKnown(strings.TrimSuffix(path, "/")) {
		return nil, nil, nil // most requests are for the app
	}
	for _, i := range a.index.matching(path) {
		t := routes[i]
		if t.allows(r.Method) {
			t.setPathValues(r)
			return a.handlers[i], nil, nil
		}
		methods = append(methods, t.method)
		if h, ok := a.handlers[i].(compatHandler); ok {
			compat = &h
		}
		if t.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	if methods != nil {
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
	}
	return nil, methods, compat
}
