package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/token"
)

// possession is what a user has besides a password.
type possession struct {
	give     func(s *server, u *account.User)
	demanded bool // the password is not enough
}

// having stores a factor.
func having(kind factor.Kind, state factor.State, epoch string) func(s *server, u *account.User) {
	return func(s *server, u *account.User) {
		if kind != factor.TOTP {
			s.withPasskey(u, kind)
			p, err := s.stores.Factors.Load(s.t.Context(), u.ID)
			must(s.t, err)
			last := p.Factors[len(p.Factors)-1]
			must(s.t, s.stores.Factors.SetState(s.t.Context(), last.ID, factor.Active, state, u.Epoch+epoch))
			return
		}
		must(s.t, s.stores.Factors.Add(s.t.Context(), &factor.Factor{
			ID: "app of " + u.ID, User: u.ID, Kind: kind, State: state, Epoch: u.Epoch + epoch, Created: time.Now().Unix(),
		}))
	}
}

func wish(s *server, u *account.User) {
	must(s.t, s.stores.Factors.SetSecondStep(s.t.Context(), u.ID, true))
}

func codes(s *server, u *account.User) {
	must(s.t, s.stores.Factors.SetRecoveryCodes(s.t.Context(), u.ID, [][32]byte{{1}}))
}

func together(gifts ...func(s *server, u *account.User)) func(s *server, u *account.User) {
	return func(s *server, u *account.User) {
		for _, give := range gifts {
			give(s, u)
		}
	}
}

var (
	theApp     = having(factor.TOTP, factor.Active, "")
	thePasskey = having(factor.Passkey, factor.Active, "")
	theKey     = having(factor.SecurityKey, factor.Active, "")
)

var possessions = map[string]possession{
	"nothing":                     {together(), false},
	"an app":                      {theApp, true},
	"an app and codes":            {together(theApp, codes), true},
	"a passkey":                   {thePasskey, false},
	"a passkey and codes":         {together(thePasskey, codes), false},
	"a passkey and the wish":      {together(thePasskey, wish), true},
	"two passkeys and the wish":   {together(thePasskey, thePasskey, wish), true},
	"a security key":              {theKey, true},
	"a passkey and a key":         {together(thePasskey, theKey), true},
	"an app, a passkey and a key": {together(theApp, thePasskey, theKey), true},
	"codes alone":                 {codes, false},
	"the wish alone":              {together(wish, codes), false},
	"an app being added":          {having(factor.TOTP, factor.Adding, ""), true},
	"a key being added":           {having(factor.SecurityKey, factor.Adding, ""), true},
	"a passkey being added":       {having(factor.Passkey, factor.Adding, ""), false},
	"an app being removed":        {having(factor.TOTP, factor.Removing, ""), false},
	"an app beside one removed":   {together(theKey, having(factor.TOTP, factor.Removing, "")), true},
	"an app that was being added when everything was ended": {having(factor.TOTP, factor.Adding, " before"), false},
}

// passwordWays are the routes that take a password, each as its clients use it.
var passwordWays = map[string]func(s *server, u *account.User) *answer{
	"JSON": func(s *server, u *account.User) *answer { return s.client().login(u.Username, goodPassword) },
	"form": func(s *server, u *account.User) *answer {
		return s.client().form(url.Values{"username": {u.Username}, "password": {goodPassword}})
	},
	"Basic at the sign-in": func(s *server, u *account.User) *answer {
		return s.client().send("POST", "/api/auth/login", nil, basic(u.Username, goodPassword))
	},
	"Basic at any route": func(s *server, u *account.User) *answer {
		return s.program().send("GET", "/api/me", nil, basic(u.Username, goodPassword))
	},
	"app": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api/auth/login", map[string]any{"username": u.Username, "password": goodPassword, "app": true})
	},
	"REST framework": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api/auth/token", map[string]any{"username": u.Username, "password": goodPassword})
	},
	"api-token-auth": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api-token-auth/", map[string]any{"username": u.Username, "password": goodPassword})
	},
	"knox": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api/auth/knox/login", map[string]any{"username": u.Username, "password": goodPassword})
	},
	"knox by Basic": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api/auth/knox/login", nil, basic(u.Username, goodPassword))
	},
	"simplejwt": func(s *server, u *account.User) *answer {
		return s.program().send("POST", "/api/auth/jwt/create", map[string]any{"username": u.Username, "password": goodPassword})
	},
}

// TestNoWayInGivesMoreThanWasProven tries each way in with each set of factors: a password is refused where a second step is demanded,
// and elsewhere gives a session that knows of no second factor.
func TestNoWayInGivesMoreThanWasProven(t *testing.T) {
	t.Attr("threat", "M01")
	s := start(t, options{appTokens: true, basic: true})
	n := 0
	for what, has := range possessions {
		for way, try := range passwordWays {
			n++
			u := s.user(fmt.Sprint("user", n))
			has.give(s, u)
			r := try(s, u)
			s.secret.add(r.Header.Get("X-Session-Token"))
			tokens, err := s.api.Tokens.Store.List(t.Context(), token.Query{User: u.ID})
			must(t, err)
			sessions := s.records(u.ID)
			refused := r.StatusCode/100 == 4 && strings.Contains(string(r.body), "second factor")
			switch {
			case has.demanded && (!refused || len(sessions)+len(tokens) > 0):
				t.Errorf("%s, %s: %d %s, %d sessions, %d tokens; want a refusal", what, way, r.StatusCode, r.body, len(sessions), len(tokens))
			case !has.demanded && r.StatusCode != 200:
				t.Errorf("%s, %s: %d %s; want 200", what, way, r.StatusCode, r.body)
			}
			for _, record := range sessions {
				if record.SecondAt != 0 || record.Methods.String() != string(signin.Password) {
					t.Errorf("%s, %s: the session says %q, %d", what, way, record.Methods, record.SecondAt)
				}
			}
		}
		// A passkey proves both factors by itself.
		n++
		u := s.user(fmt.Sprint("user", n))
		has.give(s, u)
		d := s.withPasskey(u, factor.Passkey)
		c := s.client()
		ok(t, c.send("POST", "/api/auth/passkey/login", s.assertion(d)))
		if record := s.records(u.ID)[0]; record.SecondAt == 0 || slices.Contains(strings.Fields(record.Methods.String()), "pwd") {
			t.Errorf("%s, by passkey: the session says %q, %d", what, record.Methods, record.SecondAt)
		}
		// A key that doesn't verify its user doesn't.
		n++
		u = s.user(fmt.Sprint("user", n))
		has.give(s, u)
		d = s.withPasskey(u, factor.SecurityKey)
		d.Flags = passkeytest.UP
		if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)); r.StatusCode != 401 || len(s.records(u.ID)) > 0 {
			t.Errorf("%s, by a security key alone: %d %s", what, r.StatusCode, r.body)
		}
	}
}

// opens says which routes a pending sign-in of each kind opens, besides those that show it, cancel it and sign out.
var opens = map[signin.Kind]func(path string) bool{
	signin.SecondStep: func(path string) bool { return path == "/api/auth/login/second" },
	signin.Enrolment: func(path string) bool {
		return strings.HasPrefix(path, "/api/auth/login/enrol/") && !strings.Contains(path, "/code")
	},
	signin.Code:          func(path string) bool { return path == "/api/auth/code/login" },
	signin.EnrolmentCode: func(path string) bool { return strings.HasPrefix(path, "/api/auth/login/enrol/code") },
	signin.Link:          func(string) bool { return false },
}

// TestEachKindOfPendingSignInOpensItsOwnRoutes asks every route with a pending sign-in of each kind, as a browser and as a program.
func TestEachKindOfPendingSignInOpensItsOwnRoutes(t *testing.T) {
	t.Attr("threat", "M02")
	for kind, own := range opens {
		t.Run(string(kind), func(t *testing.T) {
			s := start(t, options{appTokens: true})
			u, app := s.enrolled("ada")
			begin := func(app bool) string {
				secret, err := s.api.Steps.Begin(t.Context(), &signin.Pending{
					Kind: kind, App: app, Proof: signin.Proof{User: u.ID, Epoch: u.Epoch, Methods: []signin.Method{signin.Password}, FirstAt: time.Now().Unix()},
				})
				must(t, err)
				s.secret.add(secret)
				return secret
			}
			before := len(s.records(u.ID))
			secrets := []string{begin(false), begin(true)}
			cookie, header := "Cookie: cloakroom_pending="+secrets[0], "X-Session-Token: "+secrets[1]
			for _, route := range append(readable(), unsafe()...) {
				path := at(route)
				if path == "/api/auth/login/pending" || path == "/api/auth/logout" || own(path) {
					continue
				}
				body := any(nil)
				if route.Method != http.MethodGet {
					body = map[string]any{}
				}
				switch path { // a body that would do for another kind
				case "/api/auth/login/second":
					body = map[string]any{"code": app.next()}
				case "/api/auth/login/enrol/totp/confirm":
					body = map[string]any{"id": "x", "code": "123456"}
				case "/api/auth/code/login", "/api/auth/login/enrol/code/confirm":
					body = map[string]any{"code": "12345678"}
				}
				want := s.program().send(route.Method, path, body)
				for _, line := range []string{cookie, header} {
					got := s.program().send(route.Method, path, body, line)
					ended := isProblem(got, 401, "pending_ended") && isProblem(want, 401, "pending_ended")
					if !ended && got.StatusCode/100 == 2 && want.StatusCode/100 != 2 {
						t.Errorf("%s %s: %d %s; a stranger gets %d", route.Method, path, got.StatusCode, got.body, want.StatusCode)
					}
				}
			}
			if after := len(s.records(u.ID)); after != before {
				t.Errorf("there are %d sessions more", after-before)
			}
			// It is as it was: nothing has spent it.
			for _, secret := range secrets {
				if _, _, err := s.api.Steps.Find(t.Context(), secret); err != nil {
					t.Errorf("afterwards the pending sign-in is gone: %v", err)
				}
			}
		})
	}
}
