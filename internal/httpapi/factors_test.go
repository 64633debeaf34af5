package httpapi_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/totp"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// appCode is the code of an authenticator app, so many time steps from now.
func appCode(t testing.TB, secret string, step int64) string {
	t.Helper()
	raw, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return totp.Code(raw, totp.Step(time.Now())+step)
}

// app is an authenticator app that a user has set up, and the recovery codes that came with it.
type app struct {
	t        testing.TB
	Secret   string
	Recovery []string
	step     int64 // the next code that counts
}

// next returns a code that has not been used. It waits for it where the clock allows no other.
func (a *app) next() string {
	raw, err := base32.StdEncoding.DecodeString(a.Secret)
	if err != nil {
		a.t.Fatal(err)
	}
	for totp.Step(time.Now())+1 < a.step {
		time.Sleep(200 * time.Millisecond)
	}
	step := max(a.step, totp.Step(time.Now())-1)
	a.step = step + 1
	return totp.Code(raw, step)
}

// again makes codes count that were used, so that a test needn't wait for the next ones.
func (a *app) again(s *server, user string) {
	a.t.Helper()
	p, err := s.stores.Factors.Load(a.t.Context(), user)
	must2(a.t, err)
	for _, f := range p.Factors {
		if f.Kind == factor.TOTP {
			must2(a.t, s.stores.Factors.Delete(a.t.Context(), f.ID))
			f.Counter = 0
			must2(a.t, s.stores.Factors.Add(a.t.Context(), f))
		}
	}
	a.step = 0
}

func must2(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enrol sets up an authenticator app for the user of the client.
func (c *client) enrol() *app {
	c.s.t.Helper()
	begun := c.send("POST", "/api/auth/factors/totp", nil)
	ok(c.s.t, begun)
	a := &app{t: c.s.t, Secret: fmt.Sprint(begun.field("secret"))}
	r := c.send("POST", "/api/auth/factors/totp/confirm", map[string]any{"id": begun.field("id"), "code": appCode(c.s.t, a.Secret, 0), "name": "Phone"})
	ok(c.s.t, r)
	a.step = totp.Step(time.Now()) + 1
	if codes, ok := r.field("recovery_codes").([]any); ok {
		for _, code := range codes {
			a.Recovery = append(a.Recovery, fmt.Sprint(code))
		}
	}
	return a
}

// enrolled creates a user with an authenticator app.
func (s *server) enrolled(name string) (*account.User, *app) {
	s.t.Helper()
	u := s.user(name)
	a := s.as(u).enrol()
	u = s.load(u.ID)
	a.again(s, u.ID)
	return u, a
}

// pendingStep signs in with the password, and leaves the second step to be taken.
func (c *client) pendingStep(name string) *answer {
	c.s.t.Helper()
	r := c.login(name, goodPassword)
	if !isProblem(r, 401, "second_factor_required") {
		c.s.t.Fatalf("the first step: %d %s", r.StatusCode, r.body)
	}
	for _, cookie := range r.Cookies() {
		c.s.secret.add(cookie.Value)
	}
	return r
}

func (c *client) second(code string) *answer {
	return c.send("POST", "/api/auth/login/second", map[string]string{"code": code})
}

func TestASecondStepCompletesTheSignIn(t *testing.T) {
	t.Attr("threat", "M01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, https := range map[string]bool{"http": false, "https": true} {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{stores: open, tls: https})
				u, a := s.enrolled("ada")
				for kind, code := range map[string]string{"app": a.next()[:3] + " " + a.lastThree(), "recovery": strings.ToLower(a.Recovery[0])} {
					before, recorded := s.load(u.ID).LastLogin, strings.Count(s.log.String(), "authn_login_success")
					if before > 0 {
						s.with(u, func(u *account.User) { u.LastLogin = 1 })
						before = 1
					}
					c := s.client()
					c.pendingStep("ada")
					if s.load(u.ID).LastLogin != before || strings.Count(s.log.String(), "authn_login_success") != recorded {
						t.Errorf("%s: the first step counts as a sign-in", kind)
					}
					r := c.second(code)
					if r.StatusCode != 200 || r.field("username") != "ada" || c.ticket() == "" {
						t.Fatalf("%s: %d %s", kind, r.StatusCode, r.body)
					}
					pending := r.cookie(map[bool]string{false: "cloakroom_pending", true: "__Host-Http-cloakroom_pending"}[https])
					if pending == nil || pending.MaxAge >= 0 || r.cookie("csrftoken") == nil || r.cookie(httpapi.DeviceCookie) == nil {
						t.Errorf("%s: the cookies are %q", kind, r.Header["Set-Cookie"])
					}
					records := s.records(u.ID)
					i := slices.IndexFunc(records, func(r *session.Record) bool { return strings.Contains(r.Methods.String(), "pwd") })
					if i < 0 || records[i].SecondAt == 0 || !strings.Contains(records[i].Methods.String(), "mfa") || records[i].Method.String() != "password" {
						t.Errorf("%s: the sessions are %+v", kind, records)
					}
					if r := c.second(code); !isProblem(r, 401, "pending_ended") {
						t.Errorf("%s again: %d %s", kind, r.StatusCode, r.body)
					}
				}
			})
		}
	})
}

// lastThree returns the last digits of the code that next has returned.
func (a *app) lastThree() string {
	raw, err := base32.StdEncoding.DecodeString(a.Secret)
	must2(a.t, err)
	return totp.Code(raw, a.step-1)[3:]
}

func TestAnAppTakesTheSecondStepByHeader(t *testing.T) {
	s := start(t, options{appTokens: true})
	_, a := s.enrolled("ada")
	first := s.program().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "app": true})
	secret := first.Header.Get("X-Session-Token")
	s.secret.add(secret)
	r := s.program().send("POST", "/api/auth/login/second", map[string]string{"code": a.next()}, "X-Session-Token: "+secret)
	ticket := r.Header.Get("X-Session-Token")
	if r.StatusCode != 200 || ticket == "" || strings.HasPrefix(ticket, "cloak_step_") || len(r.Cookies()) > 0 {
		t.Fatalf("%d %s, X-Session-Token %q", r.StatusCode, r.body, ticket)
	}
	if r := s.program().send("GET", "/api/me", nil, "X-Session-Token: "+ticket); r.StatusCode != 200 {
		t.Errorf("the app's session: %d %s", r.StatusCode, r.body)
	}
}

// TestAPendingSignInBelongsToItsBrowserAndUser: its secret in another browser is as good as in its own, so it is the
// secret that counts; but nothing of one user completes another's.
func TestAPendingSignInBelongsToItsBrowserAndUser(t *testing.T) {
	t.Attr("threat", "M02")
	s := start(t, options{})
	_, adas := s.enrolled("ada")
	_, bobs := s.enrolled("bob")
	c := s.client()
	c.pendingStep("ada")
	for name, code := range map[string]string{"another user's app": bobs.next(), "another user's recovery code": bobs.Recovery[0]} {
		if r := c.second(code); !isProblem(r, 400, "invalid") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	if r := s.client().second(adas.next()); !isProblem(r, 401, "pending_ended") {
		t.Errorf("another browser with a right code: %d %s", r.StatusCode, r.body)
	}
	if r := c.second(adas.next()); r.StatusCode != 200 {
		t.Errorf("its own browser: %d %s", r.StatusCode, r.body)
	}
	c = s.client()
	c.pendingStep("bob")
	if r := c.second(bobs.Recovery[0]); r.StatusCode != 200 {
		t.Errorf("bob's recovery code, tried before for ada: %d %s", r.StatusCode, r.body)
	}
}

// TestWhatEndsASignInBetweenItsSteps.
func TestWhatEndsASignInBetweenItsSteps(t *testing.T) {
	t.Attr("threat", "M02")
	for name, end := range map[string]func(s *server, u *account.User, c *client){
		"a new password": func(s *server, u *account.User, _ *client) {
			must(s.t, s.api.Accounts.SetPassword(s.t.Context(), u.ID, newPassword))
		},
		"disabling": func(s *server, u *account.User, _ *client) {
			must(s.t, s.api.Accounts.SetActive(s.t.Context(), u.ID, false))
		},
		"deletion":    func(s *server, u *account.User, _ *client) { must(s.t, s.api.Accounts.Delete(s.t.Context(), u.ID)) },
		"a sign-out":  func(s *server, _ *account.User, c *client) { ok(s.t, c.send("POST", "/api/auth/logout", nil)) },
		"giving up":   func(s *server, _ *account.User, c *client) { ok(s.t, c.send("DELETE", "/api/auth/login/pending", nil)) },
		"five errors": func(s *server, _ *account.User, c *client) { c.wrong(5) },
		"another factor of the user removed": func(s *server, u *account.User, _ *client) {
			x := s.as(u)
			s.change(u.ID, func(r *session.Record) { r.SecondAt = time.Now().Unix() })
			must(s.t, s.stores.Factors.Add(s.t.Context(), &factor.Factor{ID: "key", User: u.ID, Kind: factor.SecurityKey, State: factor.Active, Credential: []byte("key")}))
			ok(s.t, x.send("DELETE", "/api/auth/factors/key", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{})
			u, a := s.enrolled("ada")
			c := s.client()
			c.pendingStep("ada")
			held := c.jar.Cookies(c.base())
			end(s, u, c)
			c.jar.SetCookies(c.base(), held)
			sessions := len(s.records(u.ID))
			if r := c.second(a.next()); !isProblem(r, 401, "pending_ended") || len(s.records(u.ID)) != sessions {
				t.Errorf("%d %s, %d sessions; want 401 pending_ended", r.StatusCode, r.body, len(s.records(u.ID)))
			}
		})
	}
}

// wrong types wrong codes, which are counted down.
func (c *client) wrong(n int) {
	c.s.t.Helper()
	for i := range n {
		r := c.second("000000")
		want := fmt.Sprintf("%d tries are left", 4-i)
		switch i {
		case 3:
			want = "One try is left"
		case 4:
			want = "no more tries"
		}
		if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), want) {
			c.s.t.Errorf("wrong code %d: %d %s; want %q", i+1, r.StatusCode, r.body, want)
		}
	}
}

// TestNothingIsEnrolledBetweenTheSteps: a pending sign-in adds no factor, and neither does it renew recovery codes.
func TestNothingIsEnrolledBetweenTheSteps(t *testing.T) {
	t.Attr("threat", "M02")
	s := start(t, options{})
	u, _ := s.enrolled("ada")
	c := s.client()
	c.pendingStep("ada")
	before := factorsOf(t, s.stores, u.ID)
	for _, path := range []string{"/api/auth/factors/totp", "/api/auth/factors/totp/confirm", "/api/auth/factors/passkey/options", "/api/auth/factors/passkey", "/api/auth/factors/recovery"} {
		if r := c.send("POST", path, map[string]any{}); !isProblem(r, 401, "not_authenticated") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	if after := factorsOf(t, s.stores, u.ID); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

// TestOneOfFiftySecondStepsCounts, of one pending sign-in and over many.
func TestOneOfFiftySecondStepsCounts(t *testing.T) {
	t.Attr("threat", "M07")
	t.Attr("threat", "M08")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		for name, pick := range map[string]func(a *app) string{"app": (*app).next, "recovery": func(a *app) string { return a.Recovery[0] }} {
			u, a := s.enrolled(name)
			code := pick(a)
			sessions := len(s.records(u.ID))
			one := s.client()
			one.pendingStep(name)
			var all sync.WaitGroup
			var in atomic.Int32
			for range 50 {
				all.Go(func() {
					if one.second(code).StatusCode == 200 {
						in.Add(1)
					}
				})
			}
			all.Wait()
			if n := len(s.records(u.ID)) - sessions; in.Load() != 1 || n != 1 {
				t.Errorf("%s: of 50 steps %d counted, and %d sessions were made", name, in.Load(), n)
			}
			c := s.client()
			c.pendingStep(name)
			if r := c.second(code); r.StatusCode == 200 {
				t.Errorf("%s: the code counts in another sign-in", name)
			}
		}
	})
}

// TestGuessesOverManySignInsMeetOneLimit: the owner's device is not locked out.
func TestGuessesOverManySignInsMeetOneLimit(t *testing.T) {
	t.Attr("threat", "M09")
	s := start(t, options{})
	u, a := s.enrolled("ada")
	owner := s.client()
	owner.pendingStep("ada")
	ok(t, owner.second(a.next()))
	tried := 0
	var last *answer
	for range 5 {
		c := s.client()
		c.pendingStep("ada")
		for range 5 {
			last = c.second("000000")
			if isProblem(last, 400, "invalid") {
				tried++
			}
		}
	}
	if tried != 10 || !isProblem(last, 429, "throttled") || last.Header.Get("Retry-After") == "" {
		t.Errorf("%d guesses were checked, and then %d %s", tried, last.StatusCode, last.body)
	}
	ok(t, owner.send("POST", "/api/auth/logout", nil))
	owner.pendingStep("ada")
	a.again(s, u.ID)
	if r := owner.second(a.next()); r.StatusCode != 200 {
		t.Errorf("the owner's device: %d %s", r.StatusCode, r.body)
	}
}

// fullyFresh are requests that only a fully fresh session may make.
var fullyFresh = map[string]struct {
	method, path string
	body         any
}{
	"switch":          {"PATCH", "/api/auth/factors", map[string]bool{"second_step": false}},
	"app":             {"POST", "/api/auth/factors/totp", nil},
	"confirm":         {"POST", "/api/auth/factors/totp/confirm", map[string]any{"id": "x", "code": "y"}},
	"passkey options": {"POST", "/api/auth/factors/passkey/options", nil},
	"passkey":         {"POST", "/api/auth/factors/passkey", map[string]any{"credential": map[string]any{}}},
	"codes":           {"POST", "/api/auth/factors/recovery", nil},
	"removal":         {"DELETE", "/api/auth/factors/x", nil},
	"password":        {"POST", "/api/auth/password/change", changing(goodPassword, newPassword)},
}

// TestChangesOfFactorsNeedAFullSignIn: a code alone, or the password alone, is not enough.
func TestChangesOfFactorsNeedAFullSignIn(t *testing.T) {
	t.Attr("threat", "M12")
	s := start(t, options{})
	u, a := s.enrolled("ada")
	c := s.as(u) // by the password alone, as if from before
	refused := func(when string) {
		t.Helper()
		for name, x := range fullyFresh {
			r := c.send(x.method, x.path, x.body)
			if !isProblem(r, 403, "full_sign_in_required") || !reflect.DeepEqual(r.field("factors"), []any{"password+totp", "password+recovery_code"}) {
				t.Errorf("%s, %s: %d %s", when, name, r.StatusCode, r.body)
			}
		}
	}
	refused("a password alone")
	r := c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
	if r.StatusCode != 200 || r.field("fully_fresh_until") != nil || r.field("fresh_until") == nil {
		t.Errorf("the password again: %d %s", r.StatusCode, r.body)
	}
	refused("the password again")
	r = c.send("POST", "/api/auth/reauthenticate", map[string]string{"code": a.next()})
	if r.StatusCode != 200 || r.field("fully_fresh_until") != nil {
		t.Errorf("a code alone: %d %s", r.StatusCode, r.body)
	}
	refused("a code alone, after the password alone")
	before := c.ticket()
	for _, wrong := range []map[string]string{
		{"password": goodPassword, "code": "000000"}, {"password": "wrong password of ada", "code": a.next()}, {"password": goodPassword, "code": "x"}, {"code": "000000"},
	} {
		if r := c.send("POST", "/api/auth/reauthenticate", wrong); !isProblem(r, 400, "invalid") {
			t.Errorf("%v: %d %s", wrong, r.StatusCode, r.body)
		}
	}
	refused("one of both wrong")
	a.again(s, u.ID)
	r = c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword, "code": a.next()})
	if r.StatusCode != 200 || r.field("fully_fresh_until") == nil || c.ticket() == before {
		t.Fatalf("both: %d %s", r.StatusCode, r.body)
	}
	if r := c.send("PATCH", "/api/auth/factors", map[string]bool{"second_step": false}); r.StatusCode != 200 {
		t.Errorf("then the switch: %d %s", r.StatusCode, r.body)
	}
	s.change(u.ID, func(r *session.Record) { r.SecondAt -= 601 })
	refused("both, ten minutes ago")
}

func TestARefusalSaysWhatWouldDo(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt = 0 })
	for path, code := range map[string]string{"/api/auth/tokens": "fresh_sign_in_required", "/api/auth/factors/totp": "full_sign_in_required"} {
		r := c.send("POST", path, map[string]any{})
		if !isProblem(r, 403, code) || !reflect.DeepEqual(r.field("factors"), []any{"password"}) {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "key", User: u.ID, Kind: factor.Passkey, State: factor.Active, Credential: []byte("key")}))
	for path, want := range map[string][]any{"/api/auth/tokens": {"password", "passkey"}, "/api/auth/factors/totp": {"password", "passkey"}} {
		if r := c.send("POST", path, map[string]any{}); !reflect.DeepEqual(r.field("factors"), want) {
			t.Errorf("%s: %s; want %s", path, r.body, want)
		}
	}
	must(t, s.stores.Factors.SetSecondStep(t.Context(), u.ID, true))
	if r := c.send("POST", "/api/auth/factors/totp", map[string]any{}); !reflect.DeepEqual(r.field("factors"), []any{"passkey"}) {
		t.Errorf("with the switch on: %s", r.body)
	}
}

// TestWhatAChangeOfFactorsEnds: the table of docs/revocation.md.
func TestWhatAChangeOfFactorsEnds(t *testing.T) {
	t.Attr("threat", "M06")
	key := func(s *server, u *account.User, kind factor.Kind) string {
		f := &factor.Factor{ID: "key", User: u.ID, Kind: kind, State: factor.Active, Credential: []byte("key")}
		must(s.t, s.stores.Factors.Add(s.t.Context(), f))
		return f.ID
	}
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, x := range map[string]struct {
			prepare func(s *server, u *account.User)
			do      func(s *server, c *client) *answer
			ends    bool
		}{
			"the first app":       {nil, func(_ *server, c *client) *answer { c.enrol(); return c.send("GET", "/api/me", nil) }, true},
			"an app beside a key": {func(s *server, u *account.User) { key(s, u, factor.SecurityKey) }, func(_ *server, c *client) *answer { c.enrol(); return c.send("GET", "/api/me", nil) }, false},
			"the switch on": {func(s *server, u *account.User) { key(s, u, factor.Passkey) }, func(_ *server, c *client) *answer {
				return c.send("PATCH", "/api/auth/factors", map[string]bool{"second_step": true})
			}, true},
			"the switch off": {func(s *server, u *account.User) {
				key(s, u, factor.Passkey)
				must(s.t, s.stores.Factors.SetSecondStep(s.t.Context(), u.ID, true))
			}, func(_ *server, c *client) *answer {
				return c.send("PATCH", "/api/auth/factors", map[string]bool{"second_step": false})
			}, false},
			"a new name": {func(s *server, u *account.User) { key(s, u, factor.Passkey) }, func(_ *server, c *client) *answer {
				return c.send("PATCH", "/api/auth/factors/key", map[string]string{"name": " Laptop "})
			}, false},
			"new recovery codes": {func(s *server, u *account.User) { key(s, u, factor.Passkey) }, func(_ *server, c *client) *answer {
				return c.send("POST", "/api/auth/factors/recovery", nil)
			}, false},
			"a removal": {func(s *server, u *account.User) { key(s, u, factor.Passkey) }, func(_ *server, c *client) *answer {
				return c.send("DELETE", "/api/auth/factors/key", nil)
			}, true},
		} {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{stores: open})
				u := s.user("ada")
				if x.prepare != nil {
					x.prepare(s, u)
				}
				c, other := s.as(u), s.as(u)
				personal := s.issue(u, token.Params{Kind: token.Personal, Name: "script"})
				s.change(u.ID, func(r *session.Record) { r.SecondAt = time.Now().Unix() })
				before := c.ticket()
				if r := x.do(s, c); r.StatusCode != 200 {
					t.Fatalf("%d %s", r.StatusCode, r.body)
				}
				if (c.ticket() != before) != x.ends {
					t.Errorf("the session's ticket is new: %t; want %t", c.ticket() != before, x.ends)
				}
				if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
					t.Errorf("this session: %d %s", r.StatusCode, r.body)
				}
				want := 200
				if x.ends {
					want = 401
				}
				if r := other.send("GET", "/api/me", nil); r.StatusCode != want {
					t.Errorf("another session: %d, want %d", r.StatusCode, want)
				}
				if r := s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+personal); r.StatusCode != want {
					t.Errorf("a token: %d, want %d", r.StatusCode, want)
				}
				if x.ends { // a stale copy of the ticket is dead as well
					if r := s.client().hold(before).send("GET", "/api/me", nil); r.StatusCode != 401 {
						t.Errorf("the former ticket: %d", r.StatusCode)
					}
				}
			})
		}
	})
}

// TestAChangeThatShowsNothingMakesNoSessionFresher, nor lets it last longer: else a thief of a fresh ticket could keep it so without
// knowing a factor.
func TestAChangeThatShowsNothingMakesNoSessionFresher(t *testing.T) {
	t.Attr("threat", "M12")
	key := func(s *server, u *account.User) {
		must(s.t, s.stores.Factors.Add(s.t.Context(), &factor.Factor{ID: "key", User: u.ID, Kind: factor.Passkey, State: factor.Active, Credential: []byte("key")}))
	}
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, x := range map[string]struct {
			prepare func(s *server, u *account.User, c *client) string
			do      func(c *client, with string) *answer
		}{
			"a link removed": {func(s *server, u *account.User, _ *client) string {
				must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "mine", User: u.ID, Issuer: exampleIssuer, Subject: "ada-1"}))
				return ""
			}, func(c *client, _ string) *answer { return c.send("DELETE", "/api/auth/links/mine", nil) }},
			"a factor removed": {func(s *server, u *account.User, _ *client) string { key(s, u); return "" },
				func(c *client, _ string) *answer { return c.send("DELETE", "/api/auth/factors/key", nil) }},
			"the switch on": {func(s *server, u *account.User, _ *client) string { key(s, u); return "" }, func(c *client, _ string) *answer {
				return c.send("PATCH", "/api/auth/factors", map[string]bool{"second_step": true})
			}},
			"another address": {func(s *server, _ *account.User, c *client) string { return s.changeLink(c, "ada@example.org", 0) },
				func(c *client, secret string) *answer {
					return c.send("POST", "/api/auth/email/verify", proving(secret))
				}},
		} {
			t.Run(name, func(t *testing.T) {
				s, _ := startWith(t, options{stores: open, mail: newPostbox()})
				u := s.proven("ada")
				c := s.as(u)
				with := x.prepare(s, u, c)
				s.change(u.ID, func(r *session.Record) {
					r.SecondAt = r.ReauthenticatedAt
					for _, at := range []*int64{&r.Created, &r.ReauthenticatedAt, &r.SecondAt, &r.Seen, &r.Deadline, &r.Expires} {
						*at -= 300
					}
				})
				before := s.records(u.ID)[0]
				ok(t, x.do(c, with))
				all := s.records(u.ID)
				if len(all) != 1 || all[0].ID == before.ID {
					t.Fatalf("%d sessions, want this one under a new ticket", len(all))
				}
				if now := all[0]; now.Created != before.Created || now.ReauthenticatedAt != before.ReauthenticatedAt || now.SecondAt != before.SecondAt ||
					now.Deadline != before.Deadline || now.Methods != before.Methods {
					t.Errorf("it was %+v, it is %+v", before, now)
				}
				ok(t, c.send("GET", "/api/auth/tokens", nil))
			})
		}
	})
}

func TestAUserSeesAndChangesTheirOwnFactors(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	if r := c.send("GET", "/api/auth/factors", nil); strings.TrimSpace(string(r.body)) != `{"factors":[],"recovery_codes":0,"second_step":false,"required":false}` {
		t.Errorf("at first: %s", r.body)
	}
	if r := c.send("POST", "/api/auth/factors/recovery", nil); !isProblem(r, 409, "no_factor") {
		t.Errorf("recovery codes without a factor: %d %s", r.StatusCode, r.body)
	}
	a := c.enrol()
	if len(a.Recovery) != 10 {
		t.Errorf("%d recovery codes", len(a.Recovery))
	}
	var out struct {
		Factors []struct{ ID, Kind, Name string }
		Codes   int `json:"recovery_codes"`
	}
	read := func() {
		t.Helper()
		r := c.send("GET", "/api/auth/factors", nil)
		if err := json.Unmarshal(r.body, &out); err != nil || strings.Contains(string(r.body), a.Secret) {
			t.Fatalf("%v: %s", err, r.body)
		}
	}
	if read(); len(out.Factors) != 1 || out.Factors[0].Kind != "totp" || out.Factors[0].Name != "Phone" || out.Codes != 10 {
		t.Fatalf("%+v", out)
	}
	id := out.Factors[0].ID
	if r := c.send("POST", "/api/auth/factors/totp", nil); !isProblem(r, 409, "factor_exists") {
		t.Errorf("a second app: %d %s", r.StatusCode, r.body)
	}
	other := s.as(s.user("bob"))
	for _, x := range []struct {
		c    *client
		id   string
		name any
		want int
	}{{c, id, "Work phone", 200}, {c, id, "  ", 400}, {c, id, strings.Repeat("é", 101), 400}, {c, id, strings.Repeat("é", 100), 200}, {c, "other", "x", 404}, {other, id, "x", 404}} {
		if r := x.c.send("PATCH", "/api/auth/factors/"+x.id, map[string]any{"name": x.name}); r.StatusCode != x.want {
			t.Errorf("renaming to %.10q: %d %s; want %d", x.name, r.StatusCode, r.body, x.want)
		}
	}
	if r := other.send("DELETE", "/api/auth/factors/"+id, nil); !isProblem(r, 404, "not_found") {
		t.Errorf("another user's removal: %d %s", r.StatusCode, r.body)
	}
	if r := c.send("DELETE", "/api/auth/factors/"+id, nil); r.StatusCode != 200 {
		t.Errorf("removal: %d %s", r.StatusCode, r.body)
	}
	if out.Factors = nil; true {
		read()
	}
	if len(out.Factors) != 0 || out.Codes != 0 {
		t.Errorf("afterwards: %+v", out)
	}
	if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
		t.Errorf("a sign-in by the password: %d %s", r.StatusCode, r.body)
	}
}

// TestAnEnrolmentCountsInItsSessionOnly, and with a right code.
func TestAnEnrolmentCountsInItsSessionOnly(t *testing.T) {
	t.Attr("threat", "M10")
	s := start(t, options{})
	u := s.user("ada")
	c, other := s.as(u), s.as(u)
	begun := c.send("POST", "/api/auth/factors/totp", nil)
	ok(t, begun)
	secret := fmt.Sprint(begun.field("secret"))
	confirm := func(c *client, id any, code string) *answer {
		return c.send("POST", "/api/auth/factors/totp/confirm", map[string]any{"id": id, "code": code})
	}
	for name, r := range map[string]*answer{
		"another session": confirm(other, begun.field("id"), appCode(t, secret, 0)),
		"another user":    confirm(s.as(s.user("bob")), begun.field("id"), appCode(t, secret, 0)),
		"a wrong code":    confirm(c, begun.field("id"), appCode(t, secret, 5)),
		"a wrong ID":      confirm(c, "AAAA", appCode(t, secret, 0)),
	} {
		if !isProblem(r, 400, "invalid") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	if r := confirm(c, begun.field("id"), appCode(t, secret, 0)); r.StatusCode != 200 {
		t.Errorf("its own: %d %s", r.StatusCode, r.body)
	}
}

// TestAdministratorsRemoveFactors: with the permission, within their rights, and not their own way around the second step.
func TestAdministratorsRemoveFactors(t *testing.T) {
	t.Attr("threat", "M13")
	s := start(t, options{})
	root := s.superuser("root")
	staff := s.with(s.user("staff"), func(u *account.User) {
		u.IsStaff, u.UserPermissions = true, []string{"auth.change_user", "auth.view_user"}
	})
	viewer := s.with(s.user("viewer"), func(u *account.User) { u.IsStaff, u.UserPermissions = true, []string{"auth.view_user"} })
	plain := s.user("plain")
	u, _ := s.enrolled("ada")
	boss, _ := s.enrolled("boss")
	boss = s.with(boss, func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
	path := func(u *account.User) string { return adminPath + "/users/" + u.ID + "/factors" }
	for _, x := range []struct {
		who  *account.User
		of   *account.User
		want int
	}{{plain, u, 403}, {viewer, u, 403}, {staff, boss, 403}, {staff, staff, 403}, {root, root, 403}} {
		before := factorsOf(t, s.stores, x.of.ID)
		if r := s.as(x.who).send("DELETE", path(x.of), nil); !isProblem(r, x.want, "permission_denied") || s.load(x.of.ID).Epoch != x.of.Epoch {
			t.Errorf("%s removes those of %s: %d %s", x.who.Username, x.of.Username, r.StatusCode, r.body)
		}
		if factorsOf(t, s.stores, x.of.ID) != before {
			t.Errorf("%s has removed those of %s", x.who.Username, x.of.Username)
		}
	}
	if r := s.as(viewer).send("GET", path(u), nil); !isProblem(r, 403, "permission_denied") {
		t.Errorf("seen without the permission: %d %s", r.StatusCode, r.body)
	}
	admin := s.as(staff)
	if r := admin.send("GET", path(u), nil); r.StatusCode != 200 || !strings.Contains(string(r.body), `"kind":"totp"`) {
		t.Errorf("seen: %d %s", r.StatusCode, r.body)
	}
	victim := s.as(u)
	pending := s.client()
	pending.pendingStep("ada")
	if r := admin.send("DELETE", path(u), nil); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if r := victim.send("GET", "/api/me", nil); r.StatusCode != 401 {
		t.Errorf("a session of the user: %d", r.StatusCode)
	}
	if r := pending.send("GET", "/api/auth/login/pending", nil); !isProblem(r, 401, "pending_ended") {
		t.Errorf("a pending sign-in of the user: %d", r.StatusCode)
	}
	if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
		t.Errorf("a sign-in by the password: %d %s", r.StatusCode, r.body)
	}
	ok(t, s.as(root).send("DELETE", adminPath+"/users/"+boss.ID, nil))
	if left := factorsOf(t, s.stores, boss.ID); left != factorsOf(t, s.stores, "unknown") {
		t.Errorf("a deleted user has %s", left)
	}
}

// TestAnAdministratorWithASecondFactorShowsBoth to see or remove factors.
func TestAnAdministratorWithASecondFactorShowsBoth(t *testing.T) {
	t.Attr("threat", "M13")
	s := start(t, options{})
	u := s.user("ada")
	root, _ := s.enrolled("root")
	root = s.with(root, func(u *account.User) { u.IsStaff, u.IsSuperuser = true, true })
	c := s.as(root)
	for _, method := range []string{"GET", "DELETE"} {
		if r := c.send(method, adminPath+"/users/"+u.ID+"/factors", nil); !isProblem(r, 403, "full_sign_in_required") {
			t.Errorf("%s: %d %s", method, r.StatusCode, r.body)
		}
	}
}

// TestAFailedStoreCallLeavesFactorsWhole makes each call to the stores fail in each step that has to do with factors: the answer is
// 503, or what it would have been; what was not acknowledged can be done again; and nothing is half there.
func TestAFailedStoreCallLeavesFactorsWhole(t *testing.T) {
	t.Attr("threat", "M06")
	key := map[string]any{}
	for name, x := range map[string]struct {
		prepare func(s *server, u *account.User)
		do      func(c *client, begun *answer) *answer
	}{
		"enrolling": {nil, func(c *client, begun *answer) *answer {
			return c.send("POST", "/api/auth/factors/totp/confirm", map[string]any{"id": begun.field("id"), "code": appCode(c.s.t, fmt.Sprint(begun.field("secret")), 0)})
		}},
		"beginning": {nil, func(c *client, _ *answer) *answer { return c.send("POST", "/api/auth/factors/totp", key) }},
		"switching": {withPasskey, func(c *client, _ *answer) *answer {
			return c.send("PATCH", "/api/auth/factors", map[string]bool{"second_step": true})
		}},
		"renaming": {withPasskey, func(c *client, _ *answer) *answer {
			return c.send("PATCH", "/api/auth/factors/key", map[string]string{"name": "Laptop"})
		}},
		"renewing": {withPasskey, func(c *client, _ *answer) *answer { return c.send("POST", "/api/auth/factors/recovery", nil) }},
		"removing": {withPasskey, func(c *client, _ *answer) *answer { return c.send("DELETE", "/api/auth/factors/key", nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					plan := &storetest.FaultPlan{After: after}
					inner := inMemory(t)
					s := start(t, options{stores: func(*testing.T) stores { return allFaulty(inner, plan) }})
					u := s.user("ada")
					if x.prepare != nil {
						x.prepare(s, u)
					}
					c, other := s.as(u), s.as(u)
					begun := c.send("POST", "/api/auth/factors/totp", nil)
					before := len(plan.Calls())
					plan.Call = before + n
					r := x.do(c, begun)
					made := len(plan.Calls()) - before
					if made < n {
						if r.StatusCode != 200 || n == 1 {
							t.Errorf("without a fault, after %d calls: %d %s", made, r.StatusCode, r.body)
						}
						break
					}
					call := plan.Calls()[before+n-1]
					if strings.HasPrefix(call, "audit.") { // events are written in the background
						continue
					}
					if r.StatusCode != 503 && r.StatusCode != 200 && r.StatusCode != 401 {
						t.Errorf("%s fails: %d %s", call, r.StatusCode, r.body)
					}
					now, err := inner.Accounts.Load(t.Context(), u.ID)
					must(t, err)
					p, err := inner.Factors.Load(t.Context(), u.ID)
					must(t, err)
					settled := !slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool { return f.State != factor.Active })
					demanded := slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool { return f.Kind == factor.TOTP }) || p.SecondStep
					gone := name == "removing" && len(p.Factors) == 0
					if settled && (demanded || gone) && now.Epoch == u.Epoch {
						t.Errorf("%s fails: %d; the factors have changed, and nothing has ended", call, r.StatusCode)
					}
					if r.StatusCode == 200 && slices.Contains([]string{"enrolling", "switching", "removing"}, name) && other.send("GET", "/api/me", nil).StatusCode == 200 {
						t.Errorf("%s fails: 200, and another session goes on", call)
					}
				}
			}
		})
	}
}

func withPasskey(s *server, u *account.User) {
	f := &factor.Factor{ID: "key", User: u.ID, Kind: factor.Passkey, State: factor.Active, Credential: []byte("key")}
	must(s.t, s.stores.Factors.Add(s.t.Context(), f))
}

// TestAFailedStoreCallLeavesTheSecondStep: a code that was not checked can be typed again, and an outage is no wrong code.
func TestAFailedStoreCallLeavesTheSecondStep(t *testing.T) {
	t.Attr("threat", "M07")
	for name, typed := range map[string]func(a *app) string{"right": (*app).next, "wrong": func(*app) string { return "000000" }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				plan := &storetest.FaultPlan{}
				inner := inMemory(t)
				s := start(t, options{stores: func(*testing.T) stores { return allFaulty(inner, plan) }})
				u, a := s.enrolled("ada")
				c := s.client()
				c.pendingStep("ada")
				sessions := len(s.records(u.ID))
				before := len(plan.Calls())
				plan.Call = before + n
				r := c.second(typed(a))
				if made := len(plan.Calls()) - before; made < n {
					if want := map[string]int{"right": 200, "wrong": 400}[name]; r.StatusCode != want || n < 4 {
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
				if r.StatusCode == http.StatusOK && name == "right" && len(all) == sessions+1 { // what failed was tidying
					continue
				}
				if r.StatusCode != 503 || len(all) != sessions || c.ticket() != "" {
					t.Errorf("%s fails: %d %s, %d sessions more", call, r.StatusCode, r.body, len(all)-sessions)
				}
			}
		})
	}
}

// TestWhereTheEpochStaysEverythingElseIsDeleted: beside Django the epoch is Django's, so a change of factors deletes the other sessions,
// the tokens and the pending sign-ins of the user, and a sign-in that overlaps with it has no session.
func TestWhereTheEpochStaysEverythingElseIsDeleted(t *testing.T) {
	t.Attr("threat", "M06")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open, change: func(a *httpapi.API) { a.Steps.LookAgain = true }})
		u := s.user("ada")
		c, other := s.as(u), s.as(u)
		personal := s.issue(u, token.Params{Kind: token.Personal, Name: "script"})
		ended := func(what string) {
			t.Helper()
			if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
				t.Errorf("%s: this session: %d", what, r.StatusCode)
			}
			if r := other.send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("%s: another session: %d", what, r.StatusCode)
			}
			if r := s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+personal); r.StatusCode != 401 {
				t.Errorf("%s: a token: %d", what, r.StatusCode)
			}
			if s.load(u.ID).Epoch != u.Epoch {
				t.Errorf("%s: the epoch has moved", what)
			}
		}
		a := c.enrol()
		ended("the first app")
		pending := s.client()
		pending.pendingStep("ada")
		other, personal = s.as(u), s.issue(u, token.Params{Kind: token.Personal, Name: "script"})
		p, err := s.stores.Factors.Load(t.Context(), u.ID)
		must(t, err)
		s.change(u.ID, func(r *session.Record) { r.SecondAt = time.Now().Unix() })
		ok(t, c.send("DELETE", "/api/auth/factors/"+p.Factors[0].ID, nil))
		ended("its removal")
		a.step = 0
		if r := pending.second(a.next()); !isProblem(r, 401, "pending_ended") {
			t.Errorf("a pending sign-in: %d %s", r.StatusCode, r.body)
		}
	})
}
