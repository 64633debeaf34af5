package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// credentialsMade maps each route that creates a credential to its events, besides the attempt of an administrator. An event is
// its name, followed by the details that distinguish kinds of credentials.
var credentialsMade = map[string]string{
	"POST /api/auth/login":                        "authn_login_success session_created",
	"POST /api/auth/passkey/login":                "authn_login_success session_created",
	"POST /api/auth/code/login":                   "authn_login_success session_created",
	"POST /api/auth/login/second":                 "authn_login_success session_created",
	"POST /api/auth/factors/passkey":              "authn_factor_added:passkey",
	"POST /api/auth/login/enrol/passkey":          "authn_factor_added:passkey authn_login_success session_created",
	"POST /api/auth/login/enrol/totp/confirm":     "authn_factor_added:totp authn_login_success session_created",
	"POST /api/auth/factors/totp/confirm":         "authn_factor_added:totp session_renewed",
	"POST /api/auth/factors/recovery":             "authn_recovery_renewed",
	"POST /api/auth/reauthenticate":               "authn_reauthenticate_success session_renewed",
	"POST /api/auth/password/change":              "authn_password_change session_renewed",
	"POST /api/auth/password/reset":               "authn_password_change",
	"POST /api/auth/tokens":                       "authn_token_created:personal",
	"POST /api/auth/token":                        "authn_login_success authn_token_created:drf",
	"POST /api-token-auth":                        "authn_login_success authn_token_created:drf",
	"POST /api/auth/knox/login":                   "authn_token_created:knox",
	"POST /api/auth/jwt/create":                   "authn_login_success authn_token_created",
	"POST /api/auth/jwt/refresh":                  "authn_token_renewed",
	"POST /api/auth/jwt/exchange":                 "session_created",
	"POST /api/auth/jwt/mint":                     "authn_token_created:minted:reports",
	"POST /api/auth/admin/users":                  "user_created",
	"POST /api/auth/admin/users/{id}/password":    "authn_password_change",
	"POST /api/auth/admin/users/{id}/reset":       "authn_token_created:reset",
	"POST /api/auth/admin/users/{id}/compromised": "user_compromised authn_token_created:reset",
	"POST /api/auth/admin/invitations":            "authn_token_created:invitation",
	"POST /api/auth/admin/invitations/{id}/send":  "authn_token_created:invitation",
	"POST /api/auth/setup":                        "user_created session_created",
	"POST /api/auth/signup/complete":              "user_created authn_email_verified session_created",
	"POST /api/auth/signup/passkey":               "user_created authn_email_verified authn_factor_added:passkey session_created",
}

// nothingMade are the other routes that may change something.
var nothingMade = strings.Fields(`
	/api/auth/device/register /api/auth/device/refresh /api/auth/oidc/{provider}/start /api/auth/oidc/{provider}/callback /api/auth/oidc/{provider}/backchannel-logout /api/auth/links/{id}
	/api/auth/login/enrol/passkey/options /api/auth/login/enrol/totp /api/auth/factors /api/auth/factors/{id} /api/auth/factors/totp /api/auth/password/forgot /api/auth/email/change /api/auth/email/revert /api/auth/signup /api/auth/email/verify/send /api/auth/email/verify /api/auth/admin/users/{id}/factors
	/api/auth/signup/link /api/auth/signup/passkey/options /api/auth/admin/invitations/{id} /api/auth/account/data /api/auth/account/delete
	/api/auth/code /api/auth/login/enrol/code /api/auth/login/enrol/code/confirm /api/auth/reauthenticate/code
	/api/auth/login/pending /api/auth/reauthenticate/options /api/auth/factors/passkey/options /api/auth/passkey/options
	/api/auth/logout /api/auth/me /api/auth/sessions /api/auth/sessions/{id} /api/auth/tokens/{id} /api/auth/knox/logout
	/api/auth/knox/logoutall /api/auth/jwt/verify /api/auth/jwt/blacklist /api/auth/admin/users/{id} /api/auth/admin/users/{id}/disable /api/auth/admin/users/disable
	/api/auth/admin/users/{id}/enable /api/auth/admin/users/{id}/end /api/auth/admin/users/{id}/sessions /api/auth/admin/sessions/{id}
	/api/auth/admin/users/{id}/tokens /api/auth/admin/tokens/{id} /api/auth/admin/groups /api/auth/admin/groups/{name}
	/api/auth/admin/groups/{name}/members/{id}`)

// TestEveryNewCredentialIsInTheAuditLog, with its creator, the address, and its purpose. The test fails for a new route until it
// is in one of the lists.
func TestEveryNewCredentialIsInTheAuditLog(t *testing.T) {
	t.Attr("threat", "L01")
	for _, route := range unsafe() {
		if (credentialsMade[route.String()] != "") == slices.Contains(nothingMade, route.Path) {
			t.Errorf("%s must be in exactly one of credentialsMade and nothingMade", route)
		}
	}
	s := start(t, options{mail: openTo()}) // which invited people may use as well
	secret, err := s.api.Accounts.SetupSecret(t.Context())
	must(t, err)
	first := s.client().send("POST", "/api/auth/setup", map[string]string{"secret": secret, "username": "first", "password": goodPassword})
	ok(t, first)
	root := s.as(s.superuser("root"))
	s.made(t, root, "POST /api/auth/setup", first, "first")
	signedUp := s.client().send("POST", "/api/auth/signup/complete", completing(s.signUpLink("second@example.com"), "second", goodPassword))
	ok(t, signedUp)
	s.made(t, root, "POST /api/auth/signup/complete", signedUp, "second")
	_, body := s.client().firstPasskey(s.signUpLink("third@example.com"), "third")
	signedUp = s.client().send("POST", "/api/auth/signup/passkey", body)
	ok(t, signedUp)
	s.made(t, root, "POST /api/auth/signup/passkey", signedUp, "third")
	n := 0
	for route := range credentialsMade {
		line := heldRoutes[route]
		if line.by == "" {
			continue
		}
		n++
		x := &scenario{s: s, root: root, actor: s.superuser(fmt.Sprint("actor", n)), subject: s.user(fmt.Sprint("subject", n))}
		x.ticket = s.as(x.actor).ticket()
		method, path, _ := strings.Cut(route, " ")
		if line.with != nil {
			for _, value := range line.with(t, x) {
				path = strings.Replace(path, segment.FindString(path), value, 1)
			}
		}
		header, body := credentialKinds[line.by].header(t, x), any(struct{}{})
		if line.body != nil {
			body = line.body(x)
		}
		r := s.program().send(method, path, body, header...)
		if r.StatusCode != 200 {
			t.Errorf("%s: got %d %s", route, r.StatusCode, r.body)
		}
		if link, ok := r.field("link").(string); ok {
			s.secret.add(link[strings.IndexByte(link, '#')+1:])
		}
		s.made(t, root, route, r, x.actor.Username)
	}
}

// made checks the events of a request that has created a credential.
func (s *server) made(t *testing.T, root *client, route string, r *answer, actor string) {
	t.Helper()
	var got []string
	for _, e := range s.eventsOf(root, r) {
		if e["outcome"] == "attempt" {
			continue
		}
		name := fmt.Sprint(e["event"])
		if detail, ok := e["detail"].(map[string]any); ok {
			for _, key := range []string{"kind", "audience"} {
				if detail[key] != nil {
					name += ":" + fmt.Sprint(detail[key])
				}
			}
		}
		got = append(got, name)
		// The caller isn't known yet when a password is checked, so the event of that has no actor.
		if by := e["actor"]; by != actor && !(by == "" && strings.HasPrefix(name, "authn_login")) {
			t.Errorf("%s: the actor of %s is %q, want %q", route, name, by, actor)
		}
		if e["ip"] != "127.0.0.1" {
			t.Errorf("%s: the address is %v, want 127.0.0.1", route, e["ip"])
		}
	}
	for _, want := range strings.Fields(credentialsMade[route]) {
		if !slices.Contains(got, want) {
			t.Errorf("%s: the audit log has %q, want %s as well", route, got, want)
		}
	}
}
