package httpapi_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	binder "github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/device/devicetest"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// binding makes a server bind sessions.
func binding(a *httpapi.API) {
	a.Devices = &binder.Service{
		Sessions: a.Sessions, Keys: func() [][]byte { return a.Keys.Derive("bound sessions") }, URL: a.URL, Initiators: []string{"spa.example.com"},
	}
	a.Sessions.Device = a.Devices
}

// bound is a browser that binds its sessions.
type bound struct {
	*client
	key                  *devicetest.Key
	id, offer, challenge string
}

var (
	offerOf     = regexp.MustCompile(`;challenge="([^"]+)"$`)
	challengeOf = regexp.MustCompile(`^"([^"]+)";id="([^"]+)"$`)
)

// signInBound signs a user in and keeps the offer.
func (s *server) signInBound(name string) *bound {
	s.t.Helper()
	b := &bound{client: s.client(), key: devicetest.New()}
	b.took(b.login(name, goodPassword))
	return b
}

// took keeps the offer of an answer that has set the ticket.
func (b *bound) took(r *answer) *answer {
	b.s.t.Helper()
	ok(b.s.t, r)
	if m := offerOf.FindStringSubmatch(r.Header.Get("Secure-Session-Registration")); m != nil {
		b.offer = m[1]
	}
	return r
}

func (b *bound) register(key *devicetest.Key) *answer {
	b.s.t.Helper()
	r := b.send("POST", binder.RegisterPath, nil, "Secure-Session-Response: "+key.Registration(b.offer).String())
	b.granted(r)
	return r
}

// refresh sends a proof of the last challenge.
func (b *bound) refresh(more ...string) *answer {
	b.s.t.Helper()
	more = append(more, "Sec-Secure-Session-Id: "+b.id, "Secure-Session-Response: "+b.key.Refresh(b.challenge).String())
	r := b.send("POST", binder.RefreshPath, nil, more...)
	b.granted(r)
	return r
}

// granted keeps the challenge of an answer.
func (b *bound) granted(r *answer) {
	b.s.t.Helper()
	if m := challengeOf.FindStringSubmatch(r.Header.Get("Secure-Session-Challenge")); m != nil {
		b.challenge, b.id = m[1], m[2]
	}
}

// boundIn returns a browser whose session is bound to it.
func (s *server) boundIn(name string) *bound {
	s.t.Helper()
	b := s.signInBound(name)
	ok(s.t, b.register(b.key))
	ok(s.t, b.send("GET", "/api/me", nil))
	return b
}

// stolen returns another browser with the ticket alone.
func (b *bound) stolen() *client { return b.s.client().hold(b.ticket()) }

// without drops the bound cookie, as the browser does at its end.
func (b *bound) without() *bound {
	b.jar.SetCookies(b.base(), []*http.Cookie{{Name: binder.CookieName, Path: "/", MaxAge: -1, Secure: true}})
	return b
}

func TestASessionIsBoundToItsBrowser(t *testing.T) {
	t.Attr("threat", "DB01")
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.signInBound("ada")
	r := b.register(b.key)
	ok(t, r)
	want := fmt.Sprintf(`{"session_identifier":"%s","refresh_url":"/api/auth/device/refresh","continue":true,"scope":{"origin":"%s",`+
		`"include_site":false,"scope_specification":[{"type":"exclude","domain":"*","path":"/api/auth/device"},`+
		`{"type":"exclude","domain":"*","path":"/auth/assets"},{"type":"exclude","domain":"*","path":"/healthz"},`+
		`{"type":"exclude","domain":"*","path":"/readyz"}]},"credentials":[{"type":"cookie","name":"__Host-bound",`+
		`"attributes":"Path=/; Secure; HttpOnly; SameSite=Lax"}],"allowed_refresh_initiators":["spa.example.com"]}`, b.id, s.URL)
	if got := strings.TrimSpace(string(r.body)); got != want {
		t.Errorf("the instructions are\n%s\nwant\n%s", got, want)
	}
	if c := r.cookie(binder.CookieName); c == nil || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.MaxAge != 570 || c.SameSite != http.SameSiteLaxMode || c.Partitioned {
		t.Errorf("the cookie is %+v", c)
	}
	thief := b.stolen()
	ok(t, thief.send("GET", "/api/me", nil)) // the answer to the registration may be lost
	r = b.send("GET", "/api/auth/sessions", nil)
	if ok(t, r); !strings.Contains(string(r.body), `"bound":true`) {
		t.Errorf("the sessions are %s", r.body)
	}
	for _, route := range []string{"GET /api/me", "GET /api/auth/sessions", "GET /api/auth/events", "POST /api/auth/jwt/mint", "DELETE /api/auth/sessions"} {
		method, path, _ := strings.Cut(route, " ")
		if r := thief.send(method, path, nil); !isProblem(r, 401, "device_unproven") || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s with the ticket alone: got %d %s", route, r.StatusCode, r.body)
		}
	}
	for _, reason := range []string{"unreachable", "server_error", "quota_exceeded"} {
		r := thief.send("GET", "/api/me", nil, `Secure-Session-Skipped: `+reason+`;session_identifier="`+b.id+`"`)
		if !isProblem(r, 503, "device_unproven") || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", reason, r.StatusCode, r.body)
		}
	}
	if r := s.client().send("GET", "/api/me", nil, `Secure-Session-Skipped: unreachable;session_identifier="`+b.id+`"`); !isProblem(r, 401, "not_authenticated") {
		t.Errorf("without a ticket: got %d %s", r.StatusCode, r.body)
	}
	ok(t, b.send("GET", "/api/me", nil))
	ok(t, b.refresh())
	ok(t, b.send("GET", "/api/me", nil))
	if !s.logged(`"msg":"session_bound"`) || !s.logged(`"msg":"session_unproven"`) {
		t.Error("the audit log has not both that the session was bound and that its ticket was used elsewhere")
	}
}

// TestWithoutTheFlagNothingIsBound, and a session that was bound counts by its ticket, and isn't bound any more once its browser asks.
func TestWithoutTheFlagNothingIsBound(t *testing.T) {
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.boundIn("ada")
	s.api.Sessions.Device, s.api.Devices = nil, nil
	thief := b.stolen()
	ok(t, thief.send("GET", "/api/me", nil))
	if r := thief.send("GET", "/api/auth/sessions", nil); strings.Contains(string(r.body), `"bound":true`) {
		t.Errorf("the sessions are %s", r.body)
	}
	if r := s.signedIn("ada").login("ada", goodPassword); r.Header.Get("Secure-Session-Registration") != "" {
		t.Error("the registration is offered")
	}
	if r := b.send("POST", binder.RegisterPath, nil, "Secure-Session-Response: x"); !isProblem(r, 404, "device_binding_off") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	for _, c := range []*client{s.client(), b.client} {
		if r := c.send("POST", binder.RefreshPath, nil, "Sec-Secure-Session-Id: "+b.id); !isEnded(r, b.id) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	}
	binding(s.api)
	ok(t, b.without().send("GET", "/api/me", nil))
}

// isEnded reports whether an answer tells the browser to forget its key.
func isEnded(r *answer, id string) bool {
	return r.StatusCode == 200 && r.Header.Get("Set-Cookie") == "" && strings.TrimSpace(string(r.body)) == `{"session_identifier":"`+id+`","continue":false}`
}

// TestAnAttemptToBindToAnotherKeyIsAnAlarm: it is refused, written down, and told by mail, however the request comes.
func TestAnAttemptToBindToAnotherKeyIsAnAlarm(t *testing.T) {
	t.Attr("threat", "DB03")
	t.Attr("threat", "MA05")
	s := start(t, options{tls: true, change: binding, mail: newPostbox()})
	s.user("ada")
	b := s.boundIn("ada")
	thief := b.stolen()
	before := s.records("")[0].Binding
	proof := "Secure-Session-Response: " + devicetest.New().Registration(b.offer).String()
	for what, r := range map[string]*answer{
		"with the ticket alone":  thief.send("POST", binder.RegisterPath, nil, proof),
		"with both cookies":      b.send("POST", binder.RegisterPath, nil, proof),
		"with no proof at all":   thief.send("POST", binder.RegisterPath, nil, "Secure-Session-Response: x"),
		"with an excuse besides": thief.send("POST", binder.RegisterPath, nil, proof, "Secure-Session-Skipped: unreachable"),
	} {
		if !isProblem(r, 403, "device_bound") || r.Header.Get("Set-Cookie") != "" || r.Header.Get("Secure-Session-Challenge") != "" {
			t.Errorf("%s: got %d %s", what, r.StatusCode, r.body)
		}
	}
	if s.records("")[0].Binding != before {
		t.Error("the binding has changed")
	}
	if !s.logged(`"msg":"session_binding_fail"`) {
		t.Error("the audit log doesn't have it")
	}
	if got := s.kinds(); !slices.Equal(got, []string{"device_refused", "device_refused", "device_refused", "device_refused", "new_device"}) {
		t.Errorf("the notices are %v", got)
	}
	ok(t, b.send("GET", "/api/me", nil))
	for range 10 {
		thief.send("POST", binder.RegisterPath, nil, proof)
	}
	if n := len(s.kinds()); n != 11 {
		t.Errorf("%d notices, want ten and the one of the sign-in", n)
	}
	repeated := b.send("POST", binder.RegisterPath, nil, "Secure-Session-Response: "+b.key.Registration(b.offer).String())
	if !isProblem(repeated, 403, "device_bound") || len(s.kinds()) != 11 {
		t.Errorf("its own registration again: got %d %s and %d notices", repeated.StatusCode, repeated.body, len(s.kinds()))
	}
}

// TestARegistrationNeedsTheSessionItself: a request without a proof is no attempt, since a page of a sibling host could make a browser send it.
func TestARegistrationNeedsTheSessionItself(t *testing.T) {
	t.Attr("threat", "DB04")
	s := start(t, options{tls: true, change: binding, appTokens: true, mail: newPostbox()})
	s.user("ada")
	b := s.boundIn("ada")
	proof := "Secure-Session-Response: " + b.key.Registration(b.offer).String()
	if r := b.send("POST", binder.RegisterPath, nil); !isProblem(r, 400, "device_proof_missing") {
		t.Errorf("no proof: got %d %s", r.StatusCode, r.body)
	}
	if r := b.send("POST", binder.RegisterPath, nil, proof, proof); !isProblem(r, 400, "device_proof_missing") {
		t.Errorf("two proofs: got %d %s", r.StatusCode, r.body)
	}
	if r := s.client().send("POST", binder.RegisterPath, nil, proof); !isProblem(r, 401, "not_authenticated") {
		t.Errorf("no session: got %d %s", r.StatusCode, r.body)
	}
	app := s.program().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "app": true})
	if ok(t, app); app.Header.Get("Secure-Session-Registration") != "" {
		t.Error("an app is offered the registration")
	}
	if r := s.program().send("POST", binder.RegisterPath, nil, proof, "X-Session-Token: "+app.Header.Get("X-Session-Token")); !isProblem(r, 403, "session_required") {
		t.Errorf("an app: got %d %s", r.StatusCode, r.body)
	}
	fresh := s.signInBound("ada")
	if r := fresh.send("POST", binder.RegisterPath, nil, proof); !isProblem(r, 403, "device_proof_refused") {
		t.Errorf("the proof of another session: got %d %s", r.StatusCode, r.body)
	}
	if got := s.kinds(); slices.Contains(got, "device_refused") {
		t.Errorf("the notices are %v", got)
	}
}

// TestABoundSessionIsRenewedUnderStrictCSRF: browsers send no token with what they send by themselves.
func TestABoundSessionIsRenewedUnderStrictCSRF(t *testing.T) {
	s := start(t, options{tls: true, change: binding, strict: true})
	s.user("ada")
	b := &bound{client: s.client(), key: devicetest.New()}
	token := fmt.Sprint(b.send("GET", "/api/auth/csrf", nil).field("csrftoken"))
	b.took(b.send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword}, "X-CSRFToken: "+token))
	ok(t, b.register(b.key))
	ok(t, b.send("GET", "/api/me", nil))
	ok(t, b.refresh())
}

func TestARefreshAsksForAProof(t *testing.T) {
	t.Attr("threat", "DB06")
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.boundIn("ada")
	before := s.records("")[0]
	for _, id := range [][]string{nil, {""}, {b.id, b.id}, {strings.Repeat("x", 129)}} {
		var header []string
		for _, one := range id {
			header = append(header, "Sec-Secure-Session-Id: "+one)
		}
		if r := b.send("POST", binder.RefreshPath, nil, header...); !isProblem(r, 400, "device_session_missing") {
			t.Errorf("%q: got %d %s", id, r.StatusCode, r.body)
		}
	}
	thief := b.stolen()
	for what, header := range map[string][]string{
		"no proof":         nil,
		"no JWT":           {"Secure-Session-Response: x"},
		"another key":      {"Secure-Session-Response: " + devicetest.New().Refresh(b.challenge).String()},
		"two right proofs": {"Secure-Session-Response: " + b.key.Refresh(b.challenge).String(), "Secure-Session-Response: " + b.key.Refresh(b.challenge).String()},
	} {
		r := thief.send("POST", binder.RefreshPath, nil, append(header, `Sec-Secure-Session-Id: "`+b.id+`"`)...)
		if !isProblem(r, 403, "device_challenge") || r.Header.Get("Set-Cookie") != "" || r.Header.Get("Secure-Session-Challenge") != `"`+b.challenge+`";id="`+b.id+`"` {
			t.Errorf("%s: got %d %s %v", what, r.StatusCode, r.body, r.Header)
		}
	}
	if got := s.records("")[0]; got.Binding != before.Binding || got.Version != before.Version {
		t.Error("a refused proof has changed the session")
	}
	if !s.logged(`"msg":"session_binding_fail"`, "signature") {
		t.Error("the audit log doesn't have the wrong signature")
	}
	ok(t, b.without().refresh())
	ok(t, b.send("GET", "/api/me", nil))
}

func TestARefreshBringsNothingBackThatHasEnded(t *testing.T) {
	t.Attr("threat", "DB08")
	for what, end := range map[string]func(s *server, b *bound){
		"sign-out": func(s *server, b *bound) { ok(s.t, b.send("POST", "/api/auth/logout", nil)) },
		"another device ends it": func(s *server, b *bound) {
			ok(s.t, s.signedIn("ada").send("DELETE", "/api/auth/sessions/"+b.id, nil))
		},
		"a new password elsewhere": func(s *server, b *bound) {
			ok(s.t, s.signedIn("ada").send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
		},
		"the account is disabled": func(s *server, b *bound) {
			ada := b.user()
			ok(s.t, s.as(s.superuser("root")).send("POST", "/api/auth/admin/users/"+ada+"/disable", nil))
		},
		"another sign-in in the browser": func(s *server, b *bound) { ok(s.t, b.login("ada", goodPassword)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{tls: true, change: binding})
			s.user("ada")
			b := s.boundIn("ada")
			ticket := b.ticket()
			end(s, b)
			if r := b.refresh(); !isEnded(r, b.id) {
				t.Errorf("got %d %s %v", r.StatusCode, r.body, r.Header)
			}
			thief := s.client().hold(ticket)
			if r := thief.send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("the ticket: got %d %s", r.StatusCode, r.body)
			}
		})
	}
}

// user returns the ID of the only user with a session.
func (b *bound) user() string { return b.s.records("")[0].User }

// TestABrowserThatHasLostItsKeySignsInAgain, or signs out.
func TestABrowserThatHasLostItsKeySignsInAgain(t *testing.T) {
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.boundIn("ada").without()
	if r := b.send("GET", "/api/me", nil); !isProblem(r, 401, "device_unproven") {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	b.key = devicetest.New()
	b.took(b.login("ada", goodPassword))
	ok(t, b.send("GET", "/api/me", nil))
	ok(t, b.register(b.key))
	ok(t, b.send("GET", "/api/me", nil))
	if n := len(s.records("")); n != 1 {
		t.Errorf("there are %d sessions, want 1", n)
	}
	for _, excuse := range [][]string{nil, {"Secure-Session-Skipped: unreachable"}} { // or one that the server has failed
		token := func() []string {
			r := b.send("GET", "/api/auth/csrf", nil, excuse...)
			ok(t, r)
			return append(excuse, fmt.Sprint("X-CSRFToken: ", r.field("csrftoken")))
		}
		ok(t, b.without().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword}, token()...))
		b.key = devicetest.New()
		b.took(b.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}))
		ok(t, b.register(b.key))
		ok(t, b.send("GET", "/api/me", nil))
		ok(t, b.without().send("POST", "/api/auth/logout", nil, token()...))
		if n := len(s.records("")); n != 0 {
			t.Errorf("there are %d sessions after the sign-out", n)
		}
		b.took(b.login("ada", goodPassword))
		ok(t, b.register(b.key))
		ok(t, b.send("GET", "/api/me", nil))
	}
}

// TestAReauthenticationKeepsTheBinding, and offers another only to a session that isn't bound.
func TestAReauthenticationKeepsTheBinding(t *testing.T) {
	t.Attr("threat", "DB03")
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.signInBound("ada")
	again := map[string]string{"password": goodPassword}
	lost := b.offer
	b.took(b.send("POST", "/api/auth/reauthenticate", again))
	if b.offer == lost {
		t.Error("a session that isn't bound gets no other offer")
	}
	ok(t, b.register(b.key))
	ok(t, b.send("GET", "/api/me", nil))
	if r := b.send("POST", "/api/auth/reauthenticate", again); r.StatusCode != 200 || r.Header.Get("Secure-Session-Registration") != "" {
		t.Errorf("got %d %s, with an offer %q", r.StatusCode, r.body, r.Header.Get("Secure-Session-Registration"))
	}
	ok(t, b.send("GET", "/api/me", nil))
	ok(t, b.refresh())
	if r := b.stolen().send("GET", "/api/me", nil); !isProblem(r, 401, "device_unproven") {
		t.Errorf("the new ticket alone: got %d %s", r.StatusCode, r.body)
	}
}

// TestAFailedStoreCallNeverEndsABinding makes each call of a registration, of the first request with the cookie and of a refresh fail. A
// browser forgets its key at any other answer than 503, and a failed first request must not matter.
func TestAFailedStoreCallNeverEndsABinding(t *testing.T) {
	t.Attr("threat", "DB09")
	t.Attr("threat", "L04")
	for what, act := range map[string]func(s *server, b *bound) *answer{
		"registration":  func(s *server, b *bound) *answer { return b.register(b.key) },
		"first request": func(s *server, b *bound) *answer { return b.send("GET", "/api/me", nil) },
		"refresh":       func(s *server, b *bound) *answer { return b.refresh() },
		"alarm": func(s *server, b *bound) *answer {
			return b.send("POST", binder.RegisterPath, nil, "Secure-Session-Response: x")
		},
		"refresh without the flag": func(s *server, b *bound) *answer {
			s.api.Devices, s.api.Sessions.Device = nil, nil
			r := b.send("POST", binder.RefreshPath, nil, "Sec-Secure-Session-Id: "+b.id)
			binding(s.api)
			return r
		},
	} {
		t.Run(what, func(t *testing.T) {
			run := func(plan *storetest.FaultPlan, call int) (*server, *bound, *answer, int) {
				inner := inMemory(t)
				s := start(t, options{tls: true, change: binding, stores: func(*testing.T) stores { return faulty(inner, plan) }})
				s.user("ada")
				b := s.signInBound("ada")
				if what != "registration" {
					ok(t, b.register(b.key))
				}
				if what != "registration" && what != "first request" {
					ok(t, b.send("GET", "/api/me", nil))
				}
				before := len(plan.Calls())
				if call > 0 {
					plan.Call = before + call
				}
				r := act(s, b)
				plan.Rest, plan.Call = false, 0
				return s, b, r, len(plan.Calls()) - before
			}
			_, _, usual, calls := run(&storetest.FaultPlan{}, 0)
			if usual.StatusCode == 503 || calls == 0 {
				t.Fatalf("without a fault: got %d %s, %d calls", usual.StatusCode, usual.body, calls)
			}
			for call := 1; call <= calls; call++ {
				for _, plan := range []*storetest.FaultPlan{{}, {Rest: true}, {After: true}} {
					_, b, r, _ := run(plan, call)
					forgiving := what == "first request"
					if r.StatusCode != 503 && !(forgiving && r.StatusCode == 200) {
						t.Errorf("call %d %+v: got %d %s", call, plan, r.StatusCode, r.body)
					}
					if r.Header.Get("Set-Cookie") != "" {
						t.Errorf("call %d: a cookie is set: %v", call, r.Header)
					}
					// The browser tries again with the same proof.
					if what == "registration" || what == "refresh" {
						ok(t, act(nil, b))
					}
					ok(t, b.send("GET", "/api/me", nil))
				}
			}
		})
	}
}

// TestTheBoundCookieOpensNothing, and isn't asked for where another credential authenticates the request.
func TestTheBoundCookieOpensNothing(t *testing.T) {
	t.Attr("threat", "DB01")
	s := start(t, options{tls: true, change: binding})
	s.user("ada")
	b := s.boundIn("ada")
	var value string
	for _, c := range b.jar.Cookies(b.base()) {
		if c.Name == binder.CookieName {
			value = c.Value
		}
	}
	if r := s.client().send("GET", "/api/me", nil, "Cookie: "+binder.CookieName+"="+value); !isProblem(r, 401, "not_authenticated") {
		t.Errorf("alone: got %d %s", r.StatusCode, r.body)
	}
	other := s.as(s.user("bob"))
	r := other.send("GET", "/api/me", nil, "Cookie: "+binder.CookieName+"="+value)
	names(t, r, "bob")
	access := s.jwtPair("ada").Access
	ok(t, b.stolen().send("GET", "/api/me", nil, "Authorization: Bearer "+access))
}
