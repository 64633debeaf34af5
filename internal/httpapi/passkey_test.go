package httpapi_test

import (
	"bytes"
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
	var options struct {
		PublicKey struct{ Challenge string }
		Pending   struct {
			Passkey struct {
				PublicKey struct{ Challenge string }
			}
		}
	}
	_ = json.Unmarshal(a.body, &options)
	return options.PublicKey.Challenge + options.Pending.Passkey.PublicKey.Challenge
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
				if record.SecondAt == 0 || record.Methods != "hwk mfa user" || record.Method != "passkey" {
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
				if len(events) != 2 || events[0]["event"] != "authn_login_success" || events[0]["login"] != "ada" || fmt.Sprint(events[0]["detail"]) != "map[method:passkey]" {
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
	plan := &storetest.Plan{}
	s := start(t, options{stores: func(t *testing.T) stores { return storetest.Faulty(inMemory(t), plan) }})
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
			plan := &storetest.Plan{After: after}
			s := start(t, options{stores: func(t *testing.T) stores { return storetest.Faulty(inMemory(t), plan) }})
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
