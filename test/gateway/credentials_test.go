package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// answered sends JSON and returns the members of the answer.
func (f *front) answered(t *testing.T, path string, body map[string]string, header ...string) (members map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := f.send(t, "h1", ask{method: "POST", path: path, body: string(text), header: append(header, "Content-Type: application/json", "Origin: https://"+f.host)})
	if r.status/100 != 2 || json.Unmarshal(r.body, &members) != nil {
		t.Fatalf("%s: %s", path, r)
	}
	return members
}

// A credential that is written slightly wrong doesn't count, or another one takes precedence. It is removed nevertheless:
// the application never sees a live credential, not even on a public path.
func TestLiveCredentialsNeverReachTheApplication(t *testing.T) {
	t.Attr("threat", "E06")
	t.Attr("threat", "C15")
	for name := range fronts {
		t.Run(name, func(t *testing.T) {
			f := sharedFront(t, name)
			cookie := f.signedIn(t, "ada")
			ticket := strings.TrimPrefix(cookie, "Cookie: "+sessionCookie+"=")
			password := map[string]string{"username": "ada", "password": goodPassword}
			basic := base64.StdEncoding.EncodeToString([]byte("ada:" + goodPassword))
			pair := f.answered(t, "/api/auth/jwt/create", password)
			personal, drf := f.token(t, "ada"), f.answered(t, "/api/auth/token", password)["token"].(string)
			knox := f.answered(t, "/api/auth/knox/login", map[string]string{}, "Authorization: Basic "+basic)["token"].(string)
			access, refresh := pair["access"].(string), pair["refresh"].(string)
			secrets := []string{ticket, personal, drf, knox, access, refresh}
			lines := []string{`Cookie: "` + sessionCookie + `"=` + ticket, "Cookie: a=1, " + sessionCookie + "=" + ticket, "Cookie: =" + sessionCookie + "=" + ticket,
				"Cookie: " + strings.ToLower(sessionCookie) + "=" + ticket, "Cookie: %5F%5FHost-Http-sessionid=" + ticket, cookie + "; " + sessionCookie + "=" + ticket,
				"X-Session-Token: " + ticket,
			}
			for _, secret := range secrets {
				for _, form := range []string{
					"Bearer %", "bearer %", "BEARER   %", "Token %", "token\t%", "token=%", "%", "Bearer %, Bearer x", `Bearer "%"`, "Bearer x %", "Token Token %", "Api-Key %",
					`Token token="%"`, "Bearer x\r\nAuthorization: Bearer %", "Bearer %\r\nAuthorization: Basic YTpi", "Bearer%20%",
				} {
					lines = append(lines, "Authorization: "+strings.Replace(strings.ReplaceAll(form, "%20", "\x00"), "%", secret, -1))
				}
				lines = append(lines, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(secret+":")))
			}
			for _, line := range lines {
				line = strings.ReplaceAll(line, "\x00", "%20")
				for path, header := range map[string][]string{"/open/x": {line}, "/private": {cookie, line}} {
					if path == "/private" && strings.HasPrefix(line, "Cookie") {
						continue
					}
					r := f.send(t, "h1", ask{path: path, header: header})
					s, ok := r.seen()
					if !ok {
						if path == "/open/x" && r.status != 400 { // a proxy may refuse two lines
							t.Errorf("%s with %s: %s", path, line, r)
						}
						continue
					}
					told := string(r.body)
					for variable, value := range s.CGI {
						if variable != "HTTP_CLOAKROOM_ASSERTION" {
							told += "\n" + value
							for word := range strings.FieldsSeq(value) {
								plain, _ := base64.StdEncoding.DecodeString(word)
								told += "\n" + string(plain)
							}
						}
					}
					for _, secret := range secrets {
						if strings.Contains(told, secret) {
							t.Errorf("%s with %s: the application sees it", path, line)
						}
					}
				}
			}
			other := "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://elsewhere.example","sub":"1"}`)) + ".c2lnbmF0dXJl"
			for _, theirs := range []string{"Basic YTpi", "Digest username=\"a\"", "Bearer opaque", "Bearer " + other, "Token 0123456789012345678901234567890123456789",
				"bearer " + strings.Repeat("ab", 32), "ApiKey " + strings.Repeat("A", 43)} {
				r := f.send(t, "h1", ask{path: "/open/x", header: []string{"Authorization: " + theirs}})
				if s, ok := r.seen(); !ok || s.CGI["HTTP_AUTHORIZATION"] != theirs {
					t.Errorf("the application's own %s arrives as %s", theirs, r)
				}
			}
		})
	}
}

// A token that is limited to scopes gives no more rights at an upstream: rules that ask only for a sign-in refuse it, rules
// that let it in pass its scopes on, and on a public path it is passed on without an identity.
func TestScopesReachTheApplication(t *testing.T) {
	t.Attr("threat", "E13")
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) {
			f := start(t, "--rule", "scoped /scripts/*")
			f.person(t, "ada")
			f.command(t, "", "user", "set", "ada", "--superuser")
			limited, whole := "Authorization: Bearer "+f.token(t, "ada", "shop.admin", "shop.view"), "Authorization: Bearer "+f.token(t, "ada")
			other := "Authorization: Bearer " + f.token(t, "ada", "shop.view")
			for _, c := range []struct {
				what, line, path string
				status           int
				code, user       string
				scopes           string
			}{
				{"limited", limited, "/private", 403, "insufficient_scope", "", ""},
				{"limited", limited, "/admin/x", 200, "", "ada", "shop.admin,shop.view"},
				{"other", other, "/admin/x", 403, "permission_denied", "", ""},
				{"limited", limited, "/scripts/x", 200, "", "ada", "shop.admin,shop.view"},
				{"limited", limited, "/open/x", 200, "", "", ""},
				{"whole", whole, "/private", 200, "", "ada", ""},
				{"whole", whole, "/open/x", 200, "", "ada", ""},
				{"whole", whole, "/scripts/x", 200, "", "ada", ""},
			} {
				r := f.send(t, "h1", ask{path: c.path, header: []string{c.line}})
				s, _ := r.seen()
				if r.status != c.status || c.code != "" && r.code() != c.code || s.CGI["HTTP_REMOTE_USER"] != c.user || s.CGI["HTTP_REMOTE_SCOPES"] != c.scopes {
					t.Errorf("%s at %s: %s", c.what, c.path, r)
				}
				if strings.Contains(string(r.body), "cloak_") {
					t.Errorf("%s at %s: the application sees the token", c.what, c.path)
				}
				if assertion := s.CGI["HTTP_CLOAKROOM_ASSERTION"]; assertion != "" {
					var claims struct{ Scopes []string }
					payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[1])
					if err := json.Unmarshal(payload, &claims); err != nil || strings.Join(claims.Scopes, ",") != c.scopes {
						t.Errorf("%s at %s: the assertion says %s", c.what, c.path, payload)
					}
				} else if c.user != "" {
					t.Errorf("%s at %s: no assertion", c.what, c.path)
				}
			}
		})
	}
}
