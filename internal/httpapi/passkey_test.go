package httpapi_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// withPasskey gives a user a passkey or a security key, and returns the device that it is on.
func (s *server) withPasskey(u *account.User, kind factor.Kind) *passkeytest.Device {
	s.t.Helper()
	d := passkeytest.New(passkeyDomain, s.public)
	if kind == factor.SecurityKey {
		d.Flags = passkeytest.UP
	}
	keys := s.api.Passkeys
	options, err := keys.CreationOptions(s.t.Context(), passkey.User{ID: u.ID, Name: u.Username}, kind, "test")
	must(s.t, err)
	f, err := keys.Register(s.t.Context(), u.ID, kind, "test", d.Creation(options.Response.Challenge.String()).JSON())
	must(s.t, err)
	f.ID, f.Name, f.State, f.Epoch = fmt.Sprintf("%x", d.ID[:8]), "Laptop", factor.Active, u.Epoch
	must(s.t, s.stores.Factors.Add(s.t.Context(), f))
	p, err := s.stores.Factors.Load(s.t.Context(), u.ID)
	must(s.t, err)
	d.Handle = p.Handle
	return d
}

// challenge returns the challenge of options.
func (a *answer) challenge() string {
	type request struct {
		PublicKey struct{ Challenge string }
	}
	var options struct {
		request
		Passkey request
		Pending struct{ Passkey request }
	}
	_ = json.Unmarshal(a.body, &options)
	return cmp.Or(options.PublicKey.Challenge, options.Passkey.PublicKey.Challenge, options.Pending.Passkey.PublicKey.Challenge)
}

// assertion returns the body of a sign-in by passkey.
func (s *server) assertion(d *passkeytest.Device, change ...func(*passkeytest.Answer)) map[string]any {
	s.t.Helper()
	a := d.Assertion(s.client().send("POST", "/api/auth/passkey/options", nil).challenge())
	for _, change := range change {
		change(a)
	}
	return map[string]any{"credential": json.RawMessage(a.Sign(d))}
}

func TestSignInByPasskey(t *testing.T) {
	t.Attr("threat", "N02")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, https := range map[string]bool{"http": false, "https": true} {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{stores: open, tls: https})
				u := s.user("ada")
				d := s.withPasskey(u, factor.Passkey)
				d.Flags |= passkeytest.BE
				d = s.withPasskey(u, factor.Passkey)
				c := s.client()
				r := c.send("POST", "/api/auth/passkey/login", s.assertion(d))
				if r.StatusCode != 200 || r.field("username") != "ada" || r.field("last_login") == nil {
					t.Fatalf("got %d %s", r.StatusCode, r.body)
				}
				if cookie := r.cookie(c.cookieName()); cookie == nil || cookie.MaxAge != 2592000 || cookie.Secure != https || !cookie.HttpOnly {
					t.Errorf("the cookie is %+v", cookie)
				}
				if r.cookie("csrftoken") == nil || r.cookie("cloakroom_device") == nil {
					t.Errorf("the response sets %v", r.Cookies())
				}
				s.alive(t, "the session", c.ticket())
				record := s.records(u.ID)[0]
				if record.SecondAt == 0 || record.Methods.String() != "hwk mfa user" || record.Method.String() != "passkey" {
					t.Errorf("the session is %+v", record)
				}
				if s.load(u.ID).LastLogin == 0 {
					t.Error("the last sign-in isn't recorded")
				}
				body := s.assertion(d)
				body["remember"] = false
				if cookie := s.client().send("POST", "/api/auth/passkey/login", body).cookie(c.cookieName()); cookie == nil || cookie.MaxAge != 0 {
					t.Errorf("without remember the cookie is %+v", cookie)
				}
				if r := s.client().send("POST", "/api/auth/passkey/login", body); !isProblem(r, 401, "invalid_credentials") {
					t.Errorf("the same answer again: %d %s", r.StatusCode, r.body)
				}
				events := s.eventsOf(s.as(s.superuser("root")), r)
				if len(events) != 2 || events[0]["event"] != "authn_login_success" || events[0]["login"] != "ada" || fmt.Sprint(events[0]["detail"]) != "map[method:hwk user mfa]" {
					t.Errorf("the log has %v", events)
				}
			})
		}
	})
}

// TestAnAppSignsInByPasskey: the ticket is in the header, and there is no cookie.
func TestAnAppSignsInByPasskey(t *testing.T) {
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	body := s.assertion(s.withPasskey(u, factor.Passkey))
	body["app"] = true
	if r := s.client().send("POST", "/api/auth/passkey/login", body); !isProblem(r, 403, "not_an_app") {
		t.Errorf("from a page: %d %s", r.StatusCode, r.body)
	}
	r := s.program().send("POST", "/api/auth/passkey/login", body)
	ticket := r.Header.Get("X-Session-Token")
	s.secret.add(ticket)
	if r.StatusCode != 200 || !strings.HasPrefix(ticket, "cloak_app_") || len(r.Cookies()) != 0 {
		t.Errorf("got %d %s, %q, %v", r.StatusCode, r.body, ticket, r.Cookies())
	}
}

func TestRefusedPasskeys(t *testing.T) {
	t.Attr("threat", "N02")
	t.Attr("threat", "N04")
	t.Attr("threat", "N05")
	t.Attr("threat", "N06")
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	ada := s.user("ada")
	d, key := s.withPasskey(ada, factor.Passkey), s.withPasskey(ada, factor.SecurityKey)
	key.Flags |= passkeytest.UV
	bob := s.user("bob")
	bobs := s.withPasskey(bob, factor.Passkey)
	gone := passkeytest.New(passkeyDomain, s.public)
	gone.Handle = d.Handle
	disabled := s.user("eve")
	eves := s.withPasskey(disabled, factor.Passkey)
	s.with(disabled, func(u *account.User) { u.IsActive = false })
	for name, c := range map[string]struct {
		body   any
		status int
		code   string
		reason string // in the log; "": no event
	}{
		"nothing":              {nil, 400, "invalid", ""},
		"an empty object":      {map[string]any{"credential": map[string]any{}}, 400, "invalid", ""},
		"a text":               {map[string]any{"credential": "x"}, 400, "invalid", ""},
		"null":                 {map[string]any{"credential": nil}, 400, "invalid", ""},
		"a list":               {map[string]any{"credential": []int{1}}, 400, "invalid", ""},
		"another field":        {map[string]any{"credential": map[string]any{}, "username": "ada"}, 400, "invalid", ""},
		"without verification": {s.assertion(d, func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }), 401, "invalid_credentials", "verification"},
		"another origin":       {s.assertion(d, func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://evil.test" }), 401, "invalid_credentials", "origin"},
		"a foreign handle":     {s.assertion(d, func(a *passkeytest.Answer) { a.Handle = bytes.Repeat([]byte{7}, 32) }), 401, "invalid_credentials", "user handle"},
		"bob's handle":         {s.assertion(d, func(a *passkeytest.Answer) { a.Handle = bobs.Handle }), 401, "invalid_credentials", "another user's"},
		"a forged signature":   {s.assertion(d, func(a *passkeytest.Answer) { a.Signature = []byte("forged") }), 401, "invalid_credentials", "signature"},
		"a security key":       {s.assertion(key), 401, "invalid_credentials", "second factor"},
		"a disabled user":      {s.assertion(eves), 401, "invalid_credentials", "refused"},
		"a removed one":        {s.assertion(gone), 401, "passkey_unknown", "no user has"},
		"a changed one":        {s.assertion(d, func(a *passkeytest.Answer) { a.Flags |= passkeytest.BE }), 401, "passkey_changed", "registered"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.client().send("POST", "/api/auth/passkey/login", c.body)
			if !isProblem(r, c.status, c.code) || len(r.Cookies()) != 0 {
				t.Errorf("got %d %s, %v; want %d %s", r.StatusCode, r.body, r.Cookies(), c.status, c.code)
			}
			events := s.eventsOf(root, r)
			switch {
			case c.reason == "" && len(events) == 0:
			case c.reason == "" || len(events) != 1 || events[0]["event"] != "authn_login_fail" || !strings.Contains(fmt.Sprint(events[0]["detail"]), c.reason):
				t.Errorf("the log has %v; want the reason %q", events, c.reason)
			}
		})
	}
	for _, u := range []*account.User{ada, bob, disabled} {
		if len(s.records(u.ID)) != 0 {
			t.Errorf("%s has a session", u.Username)
		}
	}
}

// TestAFallingCounterIsInTheLog, and the sign-in goes on.
func TestAFallingCounterIsInTheLog(t *testing.T) {
	t.Attr("threat", "N06")
	s := start(t, options{})
	root := s.as(s.superuser("root"))
	d := s.withPasskey(s.user("ada"), factor.Passkey)
	for _, counter := range []uint32{5, 4} {
		d.Counter = counter
		r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d))
		var names []string
		for _, e := range s.eventsOf(root, r) {
			names = append(names, fmt.Sprint(e["event"]))
		}
		if fell := slices.Contains(names, "authn_passkey_counter"); r.StatusCode != 200 || fell != (counter == 4) {
			t.Errorf("counter %d: got %d, %v", counter, r.StatusCode, names)
		}
	}
}

// TestStrangersOptionsLeaveNothing asks for options ten thousand times: no store is called.
func TestStrangersOptionsLeaveNothing(t *testing.T) {
	t.Attr("threat", "N03")
	plan := &storetest.FaultPlan{}
	s := start(t, options{stores: func(t *testing.T) stores { return allFaulty(inMemory(t), plan) }})
	handler := s.api.Handler(nil)
	before := len(plan.Calls())
	seen := map[string]bool{}
	for range 10_000 {
		r := httptest.NewRequestWithContext(t.Context(), "POST", s.public+"/api/auth/passkey/options", nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		challenge := (&answer{body: w.Body.Bytes()}).challenge()
		if w.Code != 200 || len(w.Result().Cookies()) != 0 || len(challenge) != 96 || seen[challenge] {
			t.Fatalf("got %d %s, %v", w.Code, w.Body, w.Result().Cookies())
		}
		seen[challenge] = true
	}
	calls := slices.DeleteFunc(plan.Calls()[before:], func(call string) bool { return call == "audit.DeleteOlder" }) // in the background
	if len(calls) != 0 {
		t.Errorf("%d calls of stores: %q …", len(calls), calls[0])
	}
}

// TestThePasswordsAnswerHasPasskeyOptions, because some browsers ask a passkey only right after a click.
func TestThePasswordsAnswerHasPasskeyOptions(t *testing.T) {
	s := start(t, options{})
	for name, kinds := range map[string][]factor.Kind{"a passkey beside an app": {factor.Passkey}, "a security key": {factor.SecurityKey}, "an app alone": nil} {
		t.Run(name, func(t *testing.T) {
			u := s.user(strings.ReplaceAll(name, " ", "-"))
			if !slices.Contains(kinds, factor.SecurityKey) {
				must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{ID: "app of " + u.ID, User: u.ID, Kind: factor.TOTP, State: factor.Active, Epoch: u.Epoch}))
			}
			for _, kind := range kinds {
				s.withPasskey(u, kind)
			}
			c := s.client()
			r := c.login(u.Username, goodPassword)
			s.secret.add(c.jar.Cookies(c.base())[0].Value)
			again := c.send("GET", "/api/auth/login/pending", nil)
			if !isProblem(r, 401, "second_factor_required") || (r.challenge() != "") != (len(kinds) > 0) || strings.Contains(string(again.body), `"passkey":{"publicKey":{"challenge":`) != (len(kinds) > 0) {
				t.Errorf("got %d %s and %s", r.StatusCode, r.body, again.body)
			}
			if strings.Contains(string(r.body), "null") {
				t.Errorf("the answer has null: %s", r.body)
			}
		})
	}
}

func TestMethodsSayWhetherThereArePasskeys(t *testing.T) {
	for _, off := range []bool{false, true} {
		s := start(t, options{change: func(a *httpapi.API) {
			if off {
				a.Passkeys, a.NoPasskeys = nil, "browsers refuse passkeys at an IP address"
			}
		}})
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("passkey") != !off {
			t.Errorf("off %v: %s", off, r.body)
		}
		for path, want := range map[string]int{"options": 200, "login": 400} {
			r := s.client().send("POST", "/api/auth/passkey/"+path, map[string]any{})
			if off && (!isProblem(r, 400, "passkeys_off") || !strings.Contains(string(r.body), "IP address")) || !off && r.StatusCode != want {
				t.Errorf("off %v: %s: %d %s", off, path, r.StatusCode, r.body)
			}
		}
	}
}

// TestRelatedOrigins: without any the path is the application's.
func TestRelatedOrigins(t *testing.T) {
	s := start(t, options{next: appBehind(t)})
	r := s.program().send("GET", "/.well-known/webauthn", nil)
	if r.StatusCode != 200 || string(r.body) != fmt.Sprintf("{\"origins\":[%q]}\n", s.public) || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("got %d %s, %v", r.StatusCode, r.body, r.Header)
	}
	none := start(t, options{next: appBehind(t), change: func(a *httpapi.API) { a.RelatedOrigins = nil }})
	if r := none.wire(t, "GET /.well-known/webauthn HTTP/1.1\r\nHost: "+none.host()+"\r\n\r\n"); r.Header.Get("X-App") == "" {
		t.Errorf("without a domain: %d %s", r.StatusCode, r.body)
	}
}

// TestAStoreThatFailsAtASignInByPasskey makes each call fail, before and after it was done: the answer is 503, and no ticket leaves.
func TestAStoreThatFailsAtASignInByPasskey(t *testing.T) {
	t.Attr("threat", "N03")
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			plan := &storetest.FaultPlan{After: after}
			s := start(t, options{stores: func(t *testing.T) stores { return allFaulty(inMemory(t), plan) }})
			u := s.user("ada")
			body := s.assertion(s.withPasskey(u, factor.Passkey))
			c := s.client()
			before := len(plan.Calls())
			plan.Call = before + n
			r := c.send("POST", "/api/auth/passkey/login", body)
			calls := plan.Calls()[before:]
			if len(calls) < n || strings.HasPrefix(calls[n-1], "audit.") {
				if r.StatusCode != 200 || n < 6 {
					t.Errorf("without a fault, after %v: got %d %s", calls, r.StatusCode, r.body)
				}
				break
			}
			if r.StatusCode != http.StatusServiceUnavailable || c.ticket() != "" {
				t.Errorf("%s fails: got %d %s, ticket %q", calls[n-1], r.StatusCode, r.body, c.ticket())
			}
		}
	}
}

// adds adds a passkey or a security key of the caller on a new device, and returns the device and the response.
func (c *client) adds(kind factor.Kind) (*passkeytest.Device, *answer) {
	c.s.t.Helper()
	d := passkeytest.New(passkeyDomain, c.s.public)
	if kind == factor.SecurityKey {
		d.Flags = passkeytest.UP
	}
	options := c.send("POST", "/api/auth/factors/passkey/options", map[string]any{"kind": kind})
	r := c.send("POST", "/api/auth/factors/passkey", map[string]any{
		"kind": kind, "name": "Laptop", "credential": json.RawMessage(d.Creation(options.challenge()).JSON()),
	})
	known, _ := c.send("GET", "/api/auth/factors", nil).field("passkey").(map[string]any)
	d.Handle, _ = base64.RawURLEncoding.DecodeString(fmt.Sprint(known["user_id"]))
	return d, r
}

// answering returns the body that answers the options of a response.
func answering(d *passkeytest.Device, options *answer, more ...any) map[string]any {
	body := map[string]any{"credential": json.RawMessage(d.Assertion(options.challenge()).Sign(d))}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return body
}

// TestAPasskeyIsAddedAndRemoved by its user. It ends nothing when it is added, and everything else when it is removed.
func TestAPasskeyIsAddedAndRemoved(t *testing.T) {
	t.Attr("threat", "N01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		c, other := s.as(u), s.as(u)
		ticket := c.ticket()
		d, r := c.adds(factor.Passkey)
		made, _ := r.field("factor").(map[string]any)
		codes, _ := r.field("recovery_codes").([]any)
		if r.StatusCode != 200 || made["kind"] != "passkey" || made["name"] != "Laptop" || made["rp_id"] != passkeyDomain || made["credential_id"] != passkeytest.B64(d.ID) || len(codes) != 10 {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		if c.ticket() != ticket || other.send("GET", "/api/me", nil).StatusCode != 200 {
			t.Error("adding a passkey ended a session")
		}
		if r := c.send("GET", "/api/auth/factors", nil); len(d.Handle) != 32 || !strings.Contains(string(r.body), `"rp_id":"localhost","user_id":"`) {
			t.Errorf("the list is %s", r.body)
		}
		if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
			t.Errorf("a passkey demands a second step: %d %s", r.StatusCode, r.body)
		}
		again, r := c.adds(factor.Passkey)
		if r.StatusCode != 200 || r.field("recovery_codes") != nil {
			t.Errorf("a second one: %d %s", r.StatusCode, r.body)
		}
		for _, d := range []*passkeytest.Device{d, again} {
			if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)); r.StatusCode != 200 {
				t.Errorf("the sign-in: %d %s", r.StatusCode, r.body)
			}
		}
		if r := c.send("DELETE", "/api/auth/factors/"+fmt.Sprint(made["id"]), nil); r.StatusCode != 200 {
			t.Fatalf("the removal: %d %s", r.StatusCode, r.body)
		}
		if c.ticket() == ticket || c.send("GET", "/api/me", nil).StatusCode != 200 || other.send("GET", "/api/me", nil).StatusCode != 401 {
			t.Error("the removal left another session, or took this one")
		}
		if r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)); !isProblem(r, 401, "passkey_unknown") {
			t.Errorf("the removed one: %d %s", r.StatusCode, r.body)
		}
	})
}

func TestWhatIsNotAdded(t *testing.T) {
	t.Attr("threat", "N01")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	const path = "/api/auth/factors/passkey"
	creation := func(c *client, change func(*passkeytest.Answer)) map[string]any {
		d := passkeytest.New(passkeyDomain, s.public)
		a := d.Creation(c.send("POST", path+"/options", nil).challenge())
		change(a)
		return map[string]any{"credential": json.RawMessage(a.JSON())}
	}
	good := func(*passkeytest.Answer) {}
	once := creation(c, good)
	key := creation(c, good)
	key["kind"] = "security_key"
	long := creation(c, good)
	long["name"] = strings.Repeat("x", 101)
	for name, body := range map[string]map[string]any{
		"nothing":                   {},
		"a text":                    {"credential": "x"},
		"an empty object":           {"credential": map[string]any{}},
		"too long a name":           long,
		"for another kind":          key,
		"for another session":       creation(s.as(u), good),
		"for another user":          creation(s.as(s.user("bob")), good),
		"of another origin":         creation(c, func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://evil.test" }),
		"without verification":      creation(c, func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }),
		"with an unknown algorithm": creation(c, func(a *passkeytest.Answer) { a.Key = bytes.Replace(a.Key, []byte{3, 0x26}, []byte{3, 0x27}, 1) }),
	} {
		if r := c.send("POST", path, body); !isProblem(r, 400, "invalid") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	if r := c.send("POST", path+"/options", map[string]any{"kind": "totp"}); !isProblem(r, 400, "invalid") {
		t.Errorf("options for another kind: %d %s", r.StatusCode, r.body)
	}
	first := c.send("POST", path, once)
	if first.StatusCode != 200 {
		t.Fatalf("got %d %s", first.StatusCode, first.body)
	}
	if r := c.send("POST", path, once); !isProblem(r, 400, "invalid") {
		t.Errorf("the same answer again: %d %s", r.StatusCode, r.body)
	}
	d := passkeytest.New(passkeyDomain, s.public)
	for i, code := range []string{"", "factor_exists"} {
		r := s.as(s.user(fmt.Sprint("user", i))).addsOn(d)
		if code == "" && r.StatusCode != 200 || code != "" && !isProblem(r, 409, code) {
			t.Errorf("the credential of user %d: %d %s", i, r.StatusCode, r.body)
		}
	}
	for i := 1; i < factor.MaxKeys; i++ {
		if _, r := c.adds(factor.Passkey); r.StatusCode != 200 {
			t.Fatalf("passkey %d: %d %s", i, r.StatusCode, r.body)
		}
	}
	if r := c.send("POST", path+"/options", nil); !isProblem(r, 409, "too_many_factors") {
		t.Errorf("the eleventh: %d %s", r.StatusCode, r.body)
	}
}

// addsOn adds a passkey that is on a device already.
func (c *client) addsOn(d *passkeytest.Device) *answer {
	options := c.send("POST", "/api/auth/factors/passkey/options", nil)
	return c.send("POST", "/api/auth/factors/passkey", map[string]any{"credential": json.RawMessage(d.Creation(options.challenge()).JSON())})
}

// TestASecurityKeyTakesTheSecondStep, after it has ended what was signed in before.
func TestASecurityKeyTakesTheSecondStep(t *testing.T) {
	t.Attr("threat", "N02")
	t.Attr("threat", "N03")
	t.Attr("threat", "N04")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		c, other := s.as(u), s.as(u)
		d, r := c.adds(factor.SecurityKey)
		if r.StatusCode != 200 || c.send("GET", "/api/me", nil).StatusCode != 200 || other.send("GET", "/api/me", nil).StatusCode != 401 {
			t.Fatalf("got %d %s, or another session goes on", r.StatusCode, r.body)
		}
		bobs := s.withPasskey(s.user("bob"), factor.Passkey)

		waiting, elsewhere := s.client(), s.client()
		first, second := waiting.pendingStep("ada"), elsewhere.pendingStep("ada")
		for name, body := range map[string]map[string]any{
			"another sign-in's challenge": answering(d, second),
			"a visitor's challenge":       s.assertion(d),
			"another user's passkey":      answering(bobs, first),
			"an empty object":             {"credential": map[string]any{}},
			"nothing":                     {},
		} {
			if r := waiting.send("POST", "/api/auth/login/second", body); !isProblem(r, 400, "invalid") {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
		}
		gone := passkeytest.New(passkeyDomain, s.public)
		gone.Handle = d.Handle
		if r := waiting.send("POST", "/api/auth/login/second", answering(gone, first)); !isProblem(r, 400, "passkey_unknown") {
			t.Errorf("an unknown one: %d %s", r.StatusCode, r.body)
		}
		changed := *d
		changed.Flags |= passkeytest.BE
		if r := waiting.send("POST", "/api/auth/login/second", answering(&changed, first)); !isProblem(r, 400, "passkey_changed") {
			t.Errorf("a changed one: %d %s", r.StatusCode, r.body)
		}
		body := answering(d, first)
		if r := waiting.send("POST", "/api/auth/login/second", body); r.StatusCode != 200 || waiting.ticket() == "" {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		records := s.records(u.ID)
		i := slices.IndexFunc(records, func(r *session.Record) bool {
			return strings.Contains(r.Methods.String(), "pwd") && strings.Contains(r.Methods.String(), "hwk")
		})
		if i < 0 || records[i].SecondAt == 0 || records[i].Methods.String() != "hwk mfa pwd" {
			t.Errorf("the sessions are %+v", records)
		}
		if r := waiting.send("POST", "/api/auth/login/second", body); !isProblem(r, 401, "pending_ended") {
			t.Errorf("once more: %d %s", r.StatusCode, r.body)
		}
		if r := elsewhere.send("POST", "/api/auth/login/second", answering(d, elsewhere.send("GET", "/api/auth/login/pending", nil))); r.StatusCode != 200 {
			t.Errorf("with the options of the pending sign-in: %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAPasskeyMakesASessionFullyFresh, and a security key alone doesn't.
func TestAPasskeyMakesASessionFullyFresh(t *testing.T) {
	t.Attr("threat", "N04")
	s := start(t, options{})
	u := s.user("ada")
	if r := s.as(u).send("POST", "/api/auth/reauthenticate/options", nil); !isProblem(r, 409, "no_passkey") {
		t.Errorf("without any: %d %s", r.StatusCode, r.body)
	}
	d, key := s.withPasskey(u, factor.Passkey), s.withPasskey(u, factor.SecurityKey)
	c := s.as(u)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt, r.SecondAt = 1, 0 })
	again := func(c *client, d *passkeytest.Device, more ...any) *answer {
		return c.send("POST", "/api/auth/reauthenticate", answering(d, c.send("POST", "/api/auth/reauthenticate/options", nil), more...))
	}
	full := func(r *answer, want bool) {
		t.Helper()
		if r.StatusCode != 200 || r.field("fresh_until") == nil || (r.field("fully_fresh_until") != nil) != want {
			t.Errorf("got %d %s; want fully fresh: %v", r.StatusCode, r.body, want)
		}
	}
	ticket := c.ticket()
	full(again(c, key), false)
	if c.ticket() == ticket {
		t.Error("the ticket is the same")
	}
	if r := c.send("POST", "/api/auth/factors/passkey/options", nil); !isProblem(r, 403, "full_sign_in_required") {
		t.Errorf("after a security key alone: %d %s", r.StatusCode, r.body)
	}
	without := *d
	without.Flags &^= passkeytest.UV
	full(again(c, &without), false)
	full(again(c, key, "password", goodPassword), true)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt, r.SecondAt = 1, 0 })
	full(again(c, d), true)
	if r := c.send("POST", "/api/auth/factors/passkey/options", nil); r.StatusCode != 200 {
		t.Errorf("after a passkey: %d %s", r.StatusCode, r.body)
	}
	other := s.as(u)
	for name, body := range map[string]map[string]any{
		"another session's challenge": answering(d, other.send("POST", "/api/auth/reauthenticate/options", nil)),
		"a visitor's challenge":       s.assertion(d),
		"a wrong password besides":    answering(key, c.send("POST", "/api/auth/reauthenticate/options", nil), "password", "wrong password of ada"),
	} {
		if r := c.send("POST", "/api/auth/reauthenticate", body); !isProblem(r, 400, "invalid") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
}

// TestAStoreThatFailsLeavesPasskeysWhole makes each call fail where passkeys are added and shown: the answer is 503, or what it would have been.
func TestAStoreThatFailsLeavesPasskeysWhole(t *testing.T) {
	t.Attr("threat", "N03")
	type made struct {
		s       *server
		u       *account.User
		c       *client
		d       *passkeytest.Device
		options *answer
	}
	for name, x := range map[string]struct {
		kind    factor.Kind // that the user has
		options func(m *made) *answer
		do      func(m *made) *answer
	}{
		"adding options": {"", nil, func(m *made) *answer { return m.c.send("POST", "/api/auth/factors/passkey/options", nil) }},
		"adding a passkey": {"", func(m *made) *answer { return m.c.send("POST", "/api/auth/factors/passkey/options", nil) }, func(m *made) *answer {
			return m.c.send("POST", "/api/auth/factors/passkey", map[string]any{"credential": json.RawMessage(passkeytest.New(passkeyDomain, m.s.public).Creation(m.options.challenge()).JSON())})
		}},
		"the second step": {factor.SecurityKey, func(m *made) *answer {
			m.c = m.s.client()
			return m.c.pendingStep("ada")
		}, func(m *made) *answer { return m.c.send("POST", "/api/auth/login/second", answering(m.d, m.options)) }},
		"options again": {factor.Passkey, nil, func(m *made) *answer { return m.c.send("POST", "/api/auth/reauthenticate/options", nil) }},
		"again": {factor.Passkey, func(m *made) *answer { return m.c.send("POST", "/api/auth/reauthenticate/options", nil) }, func(m *made) *answer {
			return m.c.send("POST", "/api/auth/reauthenticate", answering(m.d, m.options))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				plan := &storetest.FaultPlan{}
				s := start(t, options{stores: func(t *testing.T) stores { return allFaulty(inMemory(t), plan) }})
				m := &made{s: s, u: s.user("ada")}
				m.c = s.as(m.u)
				if x.kind != "" {
					m.d = s.withPasskey(m.u, x.kind)
				}
				if x.options != nil {
					m.options = x.options(m)
				}
				before := len(plan.Calls())
				plan.Call = before + n
				r := x.do(m)
				calls := plan.Calls()[before:]
				if len(calls) < n {
					if r.StatusCode != 200 || n == 1 {
						t.Errorf("without a fault, after %v: got %d %s", calls, r.StatusCode, r.body)
					}
					break
				}
				if tidying := strings.HasPrefix(calls[n-1], "audit.") || calls[n-1] == "signin.Spend" && r.StatusCode == 200; r.StatusCode != 503 && !tidying {
					t.Errorf("%s fails: got %d %s", calls[n-1], r.StatusCode, r.body)
				}
				p, err := s.stores.Factors.Load(t.Context(), m.u.ID)
				must(t, err)
				if name == "adding a passkey" && r.StatusCode != 200 && len(p.Factors) > 0 && !slices.Contains([]string{"factor.Delete", "factor.SetState"}, calls[n-1]) {
					t.Errorf("%s fails: the passkey was added", calls[n-1])
				}
			}
		})
	}
}

// TestAPasskeyIsSetUpOnTheWayIn: it completes the sign-in, and everything from before has ended.
func TestAPasskeyIsSetUpOnTheWayIn(t *testing.T) {
	t.Attr("threat", "M14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for _, kind := range []factor.Kind{factor.Passkey, factor.SecurityKey} {
			s := start(t, options{stores: open, change: requiring(secondstep.Required, true)})
			u := s.user("ada")
			before, c, other := s.as(u), s.client(), s.client()
			s.keepPending(c.login("ada", goodPassword))
			s.keepPending(other.login("ada", goodPassword))
			d := passkeytest.New(passkeyDomain, s.public)
			const path = "/api/auth/login/enrol/passkey"
			creation := func(c *client) map[string]any {
				options := c.send("POST", path+"/options", map[string]any{"kind": kind})
				return map[string]any{"kind": kind, "credential": json.RawMessage(d.Creation(options.challenge()).JSON())}
			}
			if r := c.send("POST", path, creation(other)); !isProblem(r, 400, "invalid") {
				t.Errorf("with another sign-in's challenge: %d %s", r.StatusCode, r.body)
			}
			body := creation(c)
			r := c.send("POST", path, body)
			codes, _ := r.field("recovery_codes").([]any)
			if r.StatusCode != 200 || len(codes) != 10 || c.ticket() == "" {
				t.Fatalf("got %d %s", r.StatusCode, r.body)
			}
			records := s.records(u.ID)
			if want := "hwk mfa pwd user"; len(records) != 1 || records[0].SecondAt == 0 || records[0].Methods.String() != want {
				t.Errorf("the sessions are %+v", records)
			}
			if before.send("GET", "/api/me", nil).StatusCode != 401 || c.send("GET", "/api/me", nil).StatusCode != 200 {
				t.Error("a session from before goes on, or this one doesn't")
			}
			for _, late := range []*client{c, other} {
				if r := late.send("POST", path, body); !isProblem(r, 401, "pending_ended") {
					t.Errorf("afterwards: %d %s", r.StatusCode, r.body)
				}
			}
			if r := s.client().login("ada", goodPassword); !isProblem(r, 401, "second_factor_required") || r.challenge() == "" {
				t.Errorf("the next sign-in: %d %s", r.StatusCode, r.body)
			} else {
				s.keepPending(r)
			}
		}
	})
}
