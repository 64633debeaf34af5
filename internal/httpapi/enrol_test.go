package httpapi_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// requiring makes the server require a second factor.
func requiring(of secondstep.Requirement, onPassword bool) func(*httpapi.API) {
	return func(a *httpapi.API) { a.Steps.Requirement, a.EnrolOnPassword = of, onPassword }
}

// enrolAtSignIn sets up an authenticator app in the pending sign-in of the client.
func (c *client) enrolAtSignIn() (*app, *answer) {
	c.s.t.Helper()
	begun := c.send("POST", "/api/auth/login/enrol/totp", nil)
	ok(c.s.t, begun)
	a := &app{t: c.s.t, Secret: fmt.Sprint(begun.field("secret"))}
	return a, c.send("POST", "/api/auth/login/enrol/totp/confirm", map[string]any{"id": begun.field("id"), "code": appCode(c.s.t, a.Secret, 0)})
}

func (s *server) keepPending(r *answer) {
	for _, cookie := range r.Cookies() {
		s.secret.add(cookie.Value)
	}
}

func TestARequiredFactorIsSetUpOnTheWayIn(t *testing.T) {
	t.Attr("threat", "M14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, change: requiring(secondstep.Required, true)})
		u := s.user("ada")
		before := s.as(u)
		c := s.client()
		r := c.login("ada", goodPassword)
		s.keepPending(r)
		pending, _ := r.field("pending").(map[string]any)
		if !isProblem(r, 401, "second_factor_enrolment_required") || pending["kind"] != "enrol" || !reflect.DeepEqual(pending["factors"], []any{"passkey", "security_key", "totp"}) {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		if c.ticket() != "" || s.load(u.ID).LastLogin != 0 {
			t.Error("the password alone counts as a sign-in")
		}
		if r := c.send("GET", "/api/auth/login/pending", nil); !strings.Contains(string(r.body), `"kind":"enrol"`) {
			t.Errorf("the pending sign-in is %s", r.body)
		}
		if r := c.second("000000"); !isProblem(r, 401, "pending_ended") {
			t.Errorf("a second step: %d %s", r.StatusCode, r.body)
		}
		held := c.jar.Cookies(c.base())
		a, done := c.enrolAtSignIn()
		user, _ := done.field("user").(map[string]any)
		codes, _ := done.field("recovery_codes").([]any)
		if done.StatusCode != 200 || user["username"] != "ada" || len(codes) != 10 || c.ticket() == "" {
			t.Fatalf("%d %s", done.StatusCode, done.body)
		}
		records := s.records(u.ID)
		if len(records) != 1 || records[0].SecondAt == 0 || records[0].Epoch == u.Epoch || s.load(u.ID).LastLogin == 0 {
			t.Errorf("the sessions are %+v", records)
		}
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the session: %d", r.StatusCode)
		}
		if r := before.send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("a session from before: %d", r.StatusCode)
		}
		again := s.client()
		again.jar.SetCookies(again.base(), held)
		if r := again.send("POST", "/api/auth/login/enrol/totp", nil); !isProblem(r, 401, "pending_ended") {
			t.Errorf("the pending sign-in again: %d %s", r.StatusCode, r.body)
		}
		if r := c.send("GET", "/api/auth/factors", nil); !strings.Contains(string(r.body), `"required":true`) {
			t.Errorf("the factors are %s", r.body)
		}
		p, err := s.stores.Factors.Load(t.Context(), u.ID)
		must(t, err)
		if r := c.send("DELETE", "/api/auth/factors/"+p.Factors[0].ID, nil); !isProblem(r, 409, "last_factor") {
			t.Errorf("the last factor: %d %s", r.StatusCode, r.body)
		}
		a.again(s, u.ID)
		next := s.client()
		next.pendingStep("ada")
		if r := next.second(a.next()); r.StatusCode != 200 {
			t.Errorf("the next sign-in: %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAPasswordAloneEnrolsNothing unless the server is told so: an attacker who knows it would be first.
// TestWhereTheEpochStaysAFactorIsSetUpOnTheWayIn: beside Django the enrolment deletes the user's pending sign-ins, and completes its own.
func TestWhereTheEpochStaysAFactorIsSetUpOnTheWayIn(t *testing.T) {
	t.Attr("threat", "M14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, change: besideDjango})
		u := s.user("ada")
		before, c, other := s.as(u), s.client(), s.client()
		s.keepPending(c.login("ada", goodPassword))
		s.keepPending(other.login("ada", goodPassword))
		if _, done := c.enrolAtSignIn(); done.StatusCode != 200 || s.load(u.ID).Epoch != u.Epoch {
			t.Fatalf("%d %s", done.StatusCode, done.body)
		}
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("the session: %d", r.StatusCode)
		}
		if r := before.send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("a session of the password alone: %d", r.StatusCode)
		}
		if r := other.send("GET", "/api/auth/login/pending", nil); !isProblem(r, 401, "pending_ended") {
			t.Errorf("another pending sign-in: %d %s", r.StatusCode, r.body)
		}
	})
}

// TestNothingIsSetUpAfterTheEndOfEverything: an attacker's enrolment that began before an account is taken back leaves no factor, also
// where the epoch stays when factors change.
func TestNothingIsSetUpAfterTheEndOfEverything(t *testing.T) {
	t.Attr("threat", "M06")
	for _, change := range []func(*httpapi.API){requiring(secondstep.Required, true), besideDjango} {
		set := inMemory(t)
		var user string
		plan := &storetest.FaultPlan{Before: func(call string) error {
			if call == "factor.Add" {
				_, err := set.Accounts.Change(t.Context(), user, func(u *account.User) error { u.Epoch = "taken back"; return nil })
				must(t, err)
			}
			return nil
		}}
		s := start(t, options{stores: func(*testing.T) stores { return allFaulty(set, plan) }, change: change})
		user = s.user("ada").ID
		c := s.client()
		s.keepPending(c.login("ada", goodPassword))
		_, done := c.enrolAtSignIn()
		if p, err := set.Factors.Load(t.Context(), user); err != nil || len(p.Factors) > 0 || done.StatusCode == 200 {
			t.Errorf("%d %s leaves %+v, %v", done.StatusCode, done.body, p, err)
		}
		if c.ticket() != "" {
			t.Error("it signs in")
		}
	}
}

// besideDjango requires a second factor where the epoch can't be moved.
func besideDjango(a *httpapi.API) {
	a.Steps.Requirement, a.Steps.LookAgain, a.EnrolOnPassword = secondstep.Required, true, true
}

func TestAPasswordAloneEnrolsNothing(t *testing.T) {
	t.Attr("threat", "M14")
	s := start(t, options{change: requiring(secondstep.Required, false)})
	u := s.user("ada")
	c := s.client()
	r := c.login("ada", goodPassword)
	if !isProblem(r, 401, "second_factor_enrolment_required") || r.field("pending") != nil || r.cookie("cloakroom_pending") != nil {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	secret, _, err := s.api.Accounts.ResetSecret(t.Context(), u.ID)
	must(t, err)
	s.secret.add(secret)
	owner := s.client()
	r = owner.send("POST", "/api/auth/password/reset", map[string]string{"secret": secret, "new_password": newPassword})
	s.keepPending(r)
	if r.StatusCode != 200 || owner.ticket() != "" || r.field("pending") == nil {
		t.Fatalf("an administrator's link: %d %s", r.StatusCode, r.body)
	}
	if _, done := owner.enrolAtSignIn(); done.StatusCode != 200 || owner.ticket() == "" {
		t.Errorf("then an app: %d %s", done.StatusCode, done.body)
	}
	if r := owner.login("ada", newPassword); !isProblem(r, 401, "second_factor_required") {
		t.Errorf("the next sign-in: %d %s", r.StatusCode, r.body)
	}
}

func TestTheFirstAdministratorSetsUpAFactor(t *testing.T) {
	t.Attr("threat", "M14")
	s := start(t, options{change: requiring(secondstep.Staff, false)})
	secret, err := s.api.Accounts.SetupSecret(t.Context())
	must(t, err)
	s.secret.add(secret)
	c := s.client()
	r := c.send("POST", "/api/auth/setup", map[string]string{"secret": secret, "username": "root", "password": goodPassword})
	s.keepPending(r)
	if !isProblem(r, 401, "second_factor_enrolment_required") || c.ticket() != "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if _, done := c.enrolAtSignIn(); done.StatusCode != 200 || c.ticket() == "" {
		t.Errorf("%d %s", done.StatusCode, done.body)
	}
	if r := c.send("GET", adminPath+"/users", nil); r.StatusCode != 200 {
		t.Errorf("the administration: %d %s", r.StatusCode, r.body)
	}
}

// TestOfWhichUsersAFactorIsRequired: of staff alone, or of everyone; a passkey is enough, and demands a second step after the password then.
func TestOfWhichUsersAFactorIsRequired(t *testing.T) {
	t.Attr("threat", "M14")
	for _, x := range []struct {
		of      secondstep.Requirement
		change  func(*account.User)
		passkey bool
		want    string
	}{
		{secondstep.Optional, func(u *account.User) { u.IsStaff = true }, false, ""},
		{secondstep.Optional, func(u *account.User) { u.IsStaff = true }, true, ""},
		{secondstep.Staff, func(*account.User) {}, false, ""},
		{secondstep.Staff, func(*account.User) {}, true, ""},
		{secondstep.Staff, func(u *account.User) { u.IsStaff = true }, false, "second_factor_enrolment_required"},
		{secondstep.Staff, func(u *account.User) { u.IsSuperuser = true }, false, "second_factor_enrolment_required"},
		{secondstep.Staff, func(u *account.User) { u.IsStaff = true }, true, "second_factor_required"},
		{secondstep.Required, func(*account.User) {}, false, "second_factor_enrolment_required"},
		{secondstep.Required, func(*account.User) {}, true, "second_factor_required"},
	} {
		s := start(t, options{change: requiring(x.of, true)})
		u := s.with(s.user("ada"), x.change)
		if x.passkey {
			withPasskey(s, u)
		}
		r := s.client().login("ada", goodPassword)
		s.keepPending(r)
		if x.want == "" && r.StatusCode != 200 || x.want != "" && !isProblem(r, 401, x.want) {
			t.Errorf("%+v: %d %s; want %q", x, r.StatusCode, r.body, x.want)
		}
		if x.want == "" {
			continue
		}
		for path, body := range map[string]any{
			"/api/auth/token": map[string]string{"username": "ada", "password": goodPassword}, "/api/auth/jwt/create": map[string]string{"username": "ada", "password": goodPassword},
			"/api/auth/knox/login": map[string]string{"username": "ada", "password": goodPassword},
		} {
			if r := s.program().send("POST", path, body); r.StatusCode != 400 && r.StatusCode != 401 {
				t.Errorf("%+v: %s: %d %s", x, path, r.StatusCode, r.body)
			}
		}
	}
}

// TestAPendingEnrolmentOpensNothingElse, and nothing once the user has a factor.
func TestAPendingEnrolmentOpensNothingElse(t *testing.T) {
	t.Attr("threat", "M02")
	s := start(t, options{change: requiring(secondstep.Required, true)})
	u := s.user("ada")
	c := s.client()
	s.keepPending(c.login("ada", goodPassword))
	for _, route := range append(readable(), unsafe()...) {
		path := at(route)
		if path == "/api/auth/login/pending" || strings.HasPrefix(path, "/api/auth/login/enrol/") || path == "/api/auth/logout" {
			continue
		}
		var body any
		if route.Method != http.MethodGet {
			body = map[string]any{}
		}
		want := s.client().send(route.Method, path, body)
		if got := c.send(route.Method, path, body); got.StatusCode != want.StatusCode || got.code() != want.code() {
			t.Errorf("%s %s: %d %s; a stranger gets %d %s", route.Method, path, got.StatusCode, got.body, want.StatusCode, want.body)
		}
	}
	begun := c.send("POST", "/api/auth/login/enrol/totp", nil)
	ok(t, begun)
	must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "key", User: u.ID, Kind: factor.SecurityKey, State: factor.Active, Credential: []byte("key")}))
	for path, body := range map[string]any{
		"totp": nil, "totp/confirm": map[string]any{"id": begun.field("id"), "code": appCode(t, fmt.Sprint(begun.field("secret")), 0)},
	} {
		if r := c.send("POST", "/api/auth/login/enrol/"+path, body); !isProblem(r, 401, "pending_ended") {
			t.Errorf("with a factor, %s: %d %s", path, r.StatusCode, r.body)
		}
	}
}

// TestAnOldSessionIsNoWayAroundTheRequirement: the administration asks for level 2 where a second factor is required of the
// administrator, whose session may be from before.
func TestAnOldSessionIsNoWayAroundTheRequirement(t *testing.T) {
	t.Attr("threat", "M14")
	s := start(t, options{change: requiring(secondstep.Staff, false)})
	root := s.superuser("root")
	c := s.as(root)
	if r := c.send("GET", adminPath+"/users", nil); !isProblem(r, 403, "second_factor_needed") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	c.enrol()
	if r := c.send("GET", adminPath+"/users", nil); r.StatusCode != 200 {
		t.Errorf("with an app: %d %s", r.StatusCode, r.body)
	}
}

func TestAFailedStoreCallLeavesTheEnrolmentAtSignIn(t *testing.T) {
	t.Attr("threat", "M14")
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			plan := &storetest.FaultPlan{After: after}
			inner := inMemory(t)
			s := start(t, options{stores: func(*testing.T) stores { return allFaulty(inner, plan) }, change: requiring(secondstep.Required, true)})
			u := s.user("ada")
			c := s.client()
			s.keepPending(c.login("ada", goodPassword))
			begun := c.send("POST", "/api/auth/login/enrol/totp", nil)
			before := len(plan.Calls())
			plan.Call = before + n
			r := c.send("POST", "/api/auth/login/enrol/totp/confirm", map[string]any{"id": begun.field("id"), "code": appCode(t, fmt.Sprint(begun.field("secret")), 0)})
			if made := len(plan.Calls()) - before; made < n {
				if r.StatusCode != 200 || n < 8 {
					t.Errorf("without a fault, after %d calls: %d %s", made, r.StatusCode, r.body)
				}
				break
			}
			call := plan.Calls()[before+n-1]
			if strings.HasPrefix(call, "audit.") { // events are written in the background
				continue
			}
			all, err := inner.Sessions.List(t.Context(), session.Query{User: u.ID})
			must(t, err)
			if r.StatusCode != 503 && r.StatusCode != 200 || r.StatusCode == 503 && c.ticket() != "" || r.StatusCode == 200 && len(all) != 1 {
				t.Errorf("%s fails: %d %s, %d sessions", call, r.StatusCode, r.body, len(all))
			}
			for _, record := range all {
				if record.SecondAt == 0 {
					t.Errorf("%s fails: there is a session without a second factor", call)
				}
			}
		}
	}
}
