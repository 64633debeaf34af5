package httpapi_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// withApp creates a user who has an authenticator app and recovery codes.
func (s *server) withApp(name string) *account.User {
	s.t.Helper()
	u := s.user(name)
	err := errors.Join(
		s.stores.Factors.Add(s.t.Context(), &factor.Factor{ID: "app of " + name, User: u.ID, Kind: factor.TOTP, State: factor.Active, Epoch: u.Epoch}),
		s.stores.Factors.SetRecoveryCodes(s.t.Context(), u.ID, [][32]byte{{1}}),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func TestARightPasswordWaitsForTheSecondStep(t *testing.T) {
	t.Attr("threat", "M01")
	t.Attr("threat", "M03")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, https := range map[string]bool{"http": false, "https": true} {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{stores: open, tls: https})
				u := s.withApp("ada")
				c := s.client()
				r := c.login("ada", goodPassword)
				if !isProblem(r, 401, "second_factor_required") {
					t.Fatalf("a right password: %d %s; want 401 second_factor_required", r.StatusCode, r.body)
				}
				cookie := r.cookie(map[bool]string{false: "cloakroom_pending", true: "__Host-Http-cloakroom_pending"}[https])
				if cookie == nil || cookie.MaxAge != 600 || !cookie.HttpOnly || cookie.Secure != https || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" {
					t.Fatalf("the cookie is %+v", cookie)
				}
				s.secret.add(cookie.Value)
				if c.ticket() != "" || len(s.records(u.ID)) != 0 || c.send("GET", "/api/me", nil).StatusCode != 401 {
					t.Error("there is a session after the first step")
				}
				got := c.send("GET", "/api/auth/login/pending", nil)
				if got.StatusCode != 200 || !strings.Contains(string(got.body), `"factors":["totp","recovery_code"]`) {
					t.Errorf("the pending sign-in is %d %s", got.StatusCode, got.body)
				}
				for range 2 {
					if r := c.send("DELETE", "/api/auth/login/pending", nil); r.StatusCode != 200 {
						t.Errorf("giving up: %d %s", r.StatusCode, r.body)
					}
					if r := c.send("GET", "/api/auth/login/pending", nil); !isProblem(r, 401, "pending_ended") {
						t.Errorf("after giving up: %d %s; want 401 pending_ended", r.StatusCode, r.body)
					}
				}
				if r := c.login("ada", "wrong password of ada"); !isProblem(r, 401, "invalid_credentials") || r.cookie(cookie.Name) != nil {
					t.Errorf("a wrong password: %d %s; want 401 invalid_credentials", r.StatusCode, r.body)
				}
			})
		}
	})
}

// TestNoWayInTakesAPasswordAlone tries the password of a user with a second factor at every route that takes passwords.
func TestNoWayInTakesAPasswordAlone(t *testing.T) {
	t.Attr("threat", "M01")
	s := start(t, options{appTokens: true, basic: true})
	u, other := s.withApp("ada"), s.user("bob")
	credentials := map[string]any{"username": "ada", "password": goodPassword}
	for name, try := range map[string]func(login string, body map[string]any) *answer{
		"form": func(_ string, body map[string]any) *answer { return s.client().send("POST", "/api/auth/login", body) },
		"basic": func(login string, _ map[string]any) *answer {
			return s.client().send("POST", "/api/auth/login", nil, basic(login, goodPassword))
		},
		"any route": func(login string, _ map[string]any) *answer {
			return s.program().send("GET", "/api/me", nil, basic(login, goodPassword))
		},
		"app": func(_ string, body map[string]any) *answer {
			return s.program().send("POST", "/api/auth/login", map[string]any{"username": body["username"], "password": goodPassword, "app": true})
		},
		"rest framework": func(_ string, body map[string]any) *answer { return s.program().send("POST", "/api/auth/token", body) },
		"knox": func(_ string, body map[string]any) *answer {
			return s.program().send("POST", "/api/auth/knox/login", body)
		},
		"knox by basic": func(login string, _ map[string]any) *answer {
			return s.program().send("POST", "/api/auth/knox/login", nil, basic(login, goodPassword))
		},
		"simplejwt": func(_ string, body map[string]any) *answer {
			return s.program().send("POST", "/api/auth/jwt/create", body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if r := try("bob", map[string]any{"username": "bob", "password": goodPassword}); r.StatusCode != 200 {
				t.Fatalf("a user with a password alone: %d %s", r.StatusCode, r.body)
			}
			r := try("ada", credentials)
			if r.StatusCode != 401 && r.StatusCode != 400 || !strings.Contains(string(r.body), "second factor") {
				t.Errorf("%d %s; want a refusal that names the second factor", r.StatusCode, r.body)
			}
			if secret := r.Header.Get("X-Session-Token"); (name == "app") != strings.HasPrefix(secret, "cloak_step_") {
				t.Errorf("X-Session-Token is %q", secret)
			}
		})
	}
	tokens, err := s.api.Tokens.List(t.Context(), u.ID)
	if err != nil || len(tokens) != 0 || len(s.records(u.ID)) != 0 {
		t.Errorf("there are %d tokens (%v) and %d sessions, want none", len(tokens), err, len(s.records(u.ID)))
	}
	if len(s.records(other.ID)) == 0 {
		t.Error("the other user has no session")
	}
}

// TestAPendingSignInOpensNothingElse asks every route with a pending sign-in and as a stranger: the answers are the same.
func TestAPendingSignInOpensNothingElse(t *testing.T) {
	t.Attr("threat", "M02")
	s := start(t, options{appTokens: true})
	s.withApp("ada")
	browser := s.client()
	browser.login("ada", goodPassword)
	r := s.program().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "app": true})
	app := "X-Session-Token: " + r.Header.Get("X-Session-Token")
	s.secret.add(r.Header.Get("X-Session-Token"))
	if r := s.program().send("GET", "/api/auth/login/pending", nil, app); r.StatusCode != 200 {
		t.Fatalf("the app's pending sign-in: %d %s", r.StatusCode, r.body)
	}
	secret := r.Header.Get("X-Session-Token")
	for _, route := range append(readable(), unsafe()...) {
		path := at(route)
		if path == "/api/auth/login/pending" || path == "/api/auth/login/second" || strings.HasPrefix(path, "/api/auth/login/enrol/") || path == "/api/auth/logout" {
			continue
		}
		var body any
		if route.Method != http.MethodGet {
			body = map[string]any{}
		}
		want := s.client().send(route.Method, path, body)
		asSession := s.client().hold(secret)
		for name, got := range map[string]*answer{
			"cookie":           browser.send(route.Method, path, body),
			"as a session":     asSession.send(route.Method, path, body),
			"as a bearer":      s.program().send(route.Method, path, body, "Authorization: Bearer "+secret),
			"in the app's way": s.program().send(route.Method, path, body, app),
		} {
			if got.StatusCode/100 == 2 && want.StatusCode/100 != 2 || name == "cookie" && (got.StatusCode != want.StatusCode || got.code() != want.code()) {
				t.Errorf("%s %s, %s: %d %s; a stranger gets %d %s", route.Method, path, name, got.StatusCode, got.body, want.StatusCode, want.body)
			}
		}
	}
}

// readable returns the routes that change nothing and end.
func readable() []httpapi.Route {
	return slices.DeleteFunc(reads(), func(r httpapi.Route) bool { return r.Path == "/api/auth/events" })
}

func TestASignOutEndsThePendingSignIn(t *testing.T) {
	t.Attr("threat", "M02")
	s := start(t, options{})
	s.withApp("ada")
	s.user("bob")
	for name, end := range map[string]func(c *client) *answer{
		"sign-out":          func(c *client) *answer { return c.send("POST", "/api/auth/logout", nil) },
		"another's sign-in": func(c *client) *answer { return c.login("bob", goodPassword) },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.client()
			pending := c.login("ada", goodPassword).cookie("cloakroom_pending")
			s.secret.add(pending.Value)
			if r := end(c); r.StatusCode != 200 || r.cookie(pending.Name) == nil || r.cookie(pending.Name).MaxAge >= 0 {
				t.Errorf("%d %s, cookies %q; want 200, and the cookie deleted", r.StatusCode, r.body, r.Header["Set-Cookie"])
			}
			copied := s.client()
			copied.jar.SetCookies(copied.base(), []*http.Cookie{{Name: pending.Name, Value: pending.Value, Path: "/"}})
			if r := copied.send("GET", "/api/auth/login/pending", nil); !isProblem(r, 401, "pending_ended") {
				t.Errorf("a copy of the cookie: %d %s; want 401 pending_ended", r.StatusCode, r.body)
			}
		})
	}
}

func TestTheMethodsAreTold(t *testing.T) {
	s := start(t, options{})
	r := s.client().send("GET", "/api/auth/methods", nil)
	if want := `{"password":true,"passkey":true,"code":false,"providers":[{"name":"example","label":"Example"},{"name":"other","label":"other"}],"signup":"closed","signup_passkey":false,"languages":["en","de"],"mail":false,"account_deletion":true,"account_data":true}`; r.StatusCode != 200 || strings.TrimSpace(string(r.body)) != want {
		t.Errorf("%d %s; want %s", r.StatusCode, r.body, want)
	}
}

func TestPasswordManagersAreLedToTheAccountPage(t *testing.T) {
	s := start(t, options{next: appBehind(t)})
	for _, path := range []string{"/.well-known/change-password", "/.well-known/change-password/"} {
		if r := s.client().send("GET", path, nil); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/auth/account" {
			t.Errorf("%s: %d, Location %q; want 303 to /auth/account", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := s.client().send("GET", "/.well-known/other", nil); r.Header.Get("X-App") == "" {
		t.Errorf("another path there: %d; want the app's answer", r.StatusCode)
	}
}

// TestAFailedStoreCallLeavesThePendingSignIn makes each call to the stores fail, in each step of a sign-in that waits: the answer is
// 503, and there is no session.
func TestAFailedStoreCallLeavesThePendingSignIn(t *testing.T) {
	t.Attr("threat", "M01")
	t.Attr("threat", "M02")
	for name, step := range map[string]struct {
		do   func(c *client) *answer
		want int
	}{
		"the first step": {func(c *client) *answer { return c.login("ada", goodPassword) }, 401},
		"looking":        {func(c *client) *answer { return c.send("GET", "/api/auth/login/pending", nil) }, 200},
		"giving up":      {func(c *client) *answer { return c.send("DELETE", "/api/auth/login/pending", nil) }, 200},
		"signing out":    {func(c *client) *answer { return c.send("POST", "/api/auth/logout", nil) }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				plan := &storetest.FaultPlan{}
				s := start(t, options{stores: func(t *testing.T) stores { return allFaulty(inMemory(t), plan) }})
				u := s.withApp("ada")
				c := s.client()
				if r := c.login("ada", goodPassword); !isProblem(r, 401, "second_factor_required") {
					t.Fatalf("got %d %s; want 401 second_factor_required", r.StatusCode, r.body)
				}
				s.secret.add(c.jar.Cookies(c.base())[0].Value)
				before := len(plan.Calls())
				plan.Call = before + n
				r := step.do(c)
				if calls := len(plan.Calls()) - before; calls < n {
					if r.StatusCode != step.want || n == 1 {
						t.Errorf("without a fault, after %d calls: got %d %s; want %d", calls, r.StatusCode, r.body, step.want)
					}
					break
				}
				if strings.HasPrefix(plan.Calls()[before+n-1], "audit.") { // events are written in the background
					continue
				}
				if tidying := name == "signing out"; r.StatusCode != 503 && !tidying || len(s.records(u.ID)) > 0 || c.ticket() != "" {
					t.Errorf("call %d of %q fails: got %d %s, %d sessions; want 503 and none", n, plan.Calls()[before:], r.StatusCode, r.body, len(s.records(u.ID)))
				}
			}
		})
	}
}
