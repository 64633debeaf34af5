package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/passkey/passkeytest"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/session"
)

const firstPasskeyPath = "/api/auth/signup/passkey"

// firstPasskey makes a passkey for the account of a link on a new device, and returns the device and what completes the sign-up.
func (c *client) firstPasskey(secret, username string, change ...func(*passkeytest.Answer)) (*passkeytest.Device, map[string]any) {
	c.s.t.Helper()
	return c.firstPasskeyOn(passkeytest.New(passkeyDomain, c.s.public), secret, username, change...)
}

func (c *client) firstPasskeyOn(d *passkeytest.Device, secret, username string, change ...func(*passkeytest.Answer)) (*passkeytest.Device, map[string]any) {
	c.s.t.Helper()
	options := c.send("POST", firstPasskeyPath+"/options", map[string]string{"secret": secret, "username": username})
	ok(c.s.t, options)
	var made struct {
		PublicKey struct {
			User struct{ ID, Name string }
		}
	}
	must(c.s.t, json.Unmarshal(options.body, &made))
	d.Handle, _ = base64.RawURLEncoding.DecodeString(made.PublicKey.User.ID)
	if made.PublicKey.User.Name != username || len(d.Handle) != 32 {
		c.s.t.Errorf("the options are for %+v", made.PublicKey.User)
	}
	a := d.Creation(options.challenge())
	for _, change := range change {
		change(a)
	}
	return d, map[string]any{"secret": secret, "username": username, "credential": json.RawMessage(a.JSON())}
}

// linksToJoin are the links with which a person makes an account.
var linksToJoin = map[string]func(*server) string{
	"sign-up":    func(s *server) string { return s.signUpLink("ada@example.com") },
	"invitation": func(s *server) string { return s.invite(letters.Invitation{Address: "ada@example.com"}) },
}

// TestAnAccountBeginsWithAPasskey in place of a password: it signs in by that alone, with two factors, and can have a password by mail.
func TestAnAccountBeginsWithAPasskey(t *testing.T) {
	t.Attr("threat", "SU13")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for kind, link := range linksToJoin {
			s := start(t, options{mail: openTo(), stores: open})
			s.superuser("root")
			if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup_passkey") != true {
				t.Errorf("methods say %s", r.body)
			}
			secret := link(s)
			c := s.client()
			before := stored(t, s.stores)
			d, body := c.firstPasskey(secret, "ada")
			if after := stored(t, s.stores); after != before {
				t.Errorf("%s: the options changed the stores from\n%s\nto\n%s", kind, before, after)
			}
			body["name"] = "Phone"
			r := c.send("POST", firstPasskeyPath, body)
			ok(t, r)
			made, _ := r.field("factor").(map[string]any)
			codes, _ := r.field("recovery_codes").([]any)
			user, _ := r.field("user").(map[string]any)
			u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
			must(t, err)
			if made["kind"] != "passkey" || made["name"] != "Phone" || len(codes) != 10 || fmt.Sprint(user["id"]) != u.ID {
				t.Errorf("%s: the answer is %s", kind, r.body)
			}
			if u.Username != "ada" || !u.HasProvenEmail() || !u.IsActive || u.IsStaff || u.HasPassword() || u.PasswordWithheld {
				t.Errorf("%s: the account is %+v", kind, u)
			}
			list, err := s.stores.Sessions.List(t.Context(), session.Query{User: u.ID})
			must(t, err)
			if len(list) != 1 || list[0].SecondAt == 0 || list[0].ReauthenticatedAt == 0 || !strings.Contains(list[0].Methods.String(), "mfa") || list[0].Method.String() != "signup" {
				t.Errorf("%s: the sessions are %+v", kind, list)
			}
			ok(t, c.send("POST", "/api/auth/factors/recovery", nil)) // which asks for a full sign-in
			ok(t, s.client().send("POST", "/api/auth/passkey/login", s.assertion(d)))
			for _, again := range []*answer{
				s.client().send("POST", firstPasskeyPath+"/options", map[string]string{"secret": secret, "username": "eve"}),
				s.client().send("POST", firstPasskeyPath, body), s.client().send("POST", "/api/auth/signup/complete", completing(secret, "eve", goodPassword)),
			} {
				if !isProblem(again, 403, "link_invalid") {
					t.Errorf("%s: the link again: got %d %s", kind, again.StatusCode, again.body)
				}
			}
			if !s.logged(`"msg":"user_created"`, `"login":"ada"`, `"method":"signup"`) || !s.logged(`"msg":"authn_factor_added"`, `"user":"`+u.ID+`"`) {
				t.Errorf("%s: the account or the passkey isn't in the audit log", kind)
			}
			n := s.box.count("reset")
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com")))
			s.sent()
			if s.box.count("reset") == n && s.box.count("first_password") == 0 {
				t.Errorf("%s: no link for a password was mailed: %d messages", kind, len(s.box.all()))
			}
		}
	})
}

// TestAFirstPasskeyOfAPrintedInvitation proves no address.
func TestAFirstPasskeyOfAPrintedInvitation(t *testing.T) {
	t.Attr("threat", "SU13")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	_, link, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "ada@example.com", Printed: true})
	must(t, err)
	_, secret, _ := strings.Cut(link, "#")
	s.secret.add(secret)
	_, body := s.client().firstPasskey(secret, "ada")
	ok(t, s.client().send("POST", firstPasskeyPath, body))
	if u, err := s.stores.Accounts.Find(t.Context(), "ada"); err != nil || u.HasProvenEmail() || u.Email != "ada@example.com" {
		t.Errorf("the account is %+v, %v", u, err)
	}
}

// TestAFirstPasskeyThatIsRefusedLeavesTheLink, and nothing else.
func TestAFirstPasskeyThatIsRefusedLeavesTheLink(t *testing.T) {
	t.Attr("threat", "SU13")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		root := s.superuser("root")
		s.withPasskey(root, factor.Passkey)
		secret, other := s.signUpLink("ada@example.com"), s.signUpLink("bob@example.com")
		c := s.client()
		good := func(*passkeytest.Answer) {}
		of := func(secret string, change func(*passkeytest.Answer)) map[string]any {
			_, body := c.firstPasskey(secret, "ada", change)
			return body
		}
		elsewhere := of(other, good)
		elsewhere["secret"] = secret
		long := of(secret, good)
		long["name"] = strings.Repeat("x", 101)
		added := passkeytest.New(passkeyDomain, s.public)
		forUser := s.as(root).send("POST", "/api/auth/factors/passkey/options", nil).challenge()
		before := stored(t, s.stores)
		for name, body := range map[string]map[string]any{
			"nothing":                    {"secret": secret, "username": "ada"},
			"a text":                     {"secret": secret, "username": "ada", "credential": "x"},
			"too long a name":            long,
			"for another link":           elsewhere,
			"for a user's own":           {"secret": secret, "username": "ada", "credential": json.RawMessage(added.Creation(forUser).JSON())},
			"of another origin":          of(secret, func(a *passkeytest.Answer) { a.ClientData["origin"] = "https://evil.test" }),
			"that asks its user nothing": of(secret, func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }),
			"a username that is taken":   with(of(secret, good), "username", "root"),
			"a stranger's address":       with(of(secret, good), "username", "victim@example.com"),
		} {
			if r := s.client().send("POST", firstPasskeyPath, body); !isProblem(r, 400, "invalid") {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
		for _, name := range []string{"root", "victim@example.com", ""} {
			r := s.client().send("POST", firstPasskeyPath+"/options", map[string]string{"secret": secret, "username": name})
			if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"username":[`) {
				t.Errorf("options for %q: got %d %s", name, r.StatusCode, r.body)
			}
		}
		if r := s.client().send("POST", firstPasskeyPath+"/options", map[string]string{"secret": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "username": "eve"}); !isProblem(r, 403, "link_invalid") {
			t.Errorf("options for no link: got %d %s", r.StatusCode, r.body)
		}
		if after := stored(t, s.stores); after != before {
			t.Errorf("refused passkeys changed the stores from\n%s\nto\n%s", before, after)
		}
		d, body := c.firstPasskey(other, "bob")
		ok(t, s.client().send("POST", firstPasskeyPath, body))
		_, body = c.firstPasskeyOn(d, secret, "ada")
		if r := s.client().send("POST", firstPasskeyPath, body); !isProblem(r, 409, "factor_exists") {
			t.Errorf("another account's passkey: got %d %s", r.StatusCode, r.body)
		}
		if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("there is an account: %v", err)
		}
		_, body = c.firstPasskey(secret, "ada")
		ok(t, s.client().send("POST", firstPasskeyPath, body))
	})
}

func with(body map[string]any, field string, value any) map[string]any {
	body[field] = value
	return body
}

// TestOneLinkBeginsOneAccountWithOnePasskey, however many devices answer at a time.
func TestOneLinkBeginsOneAccountWithOnePasskey(t *testing.T) {
	t.Attr("threat", "SU13")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: open})
		s.superuser("root")
		secret := s.signUpLink("ada@example.com")
		var bodies [6]map[string]any
		var devices [6]*passkeytest.Device
		handles := map[string]bool{} // an authenticator keeps one passkey for each
		for n := range bodies {
			devices[n], bodies[n] = s.client().firstPasskey(secret, fmt.Sprint("ada", n))
			handles[string(devices[n].Handle)] = true
		}
		if len(handles) != len(bodies) {
			t.Errorf("%d ceremonies have %d user handles", len(bodies), len(handles))
		}
		var all sync.WaitGroup
		var made, who atomic.Int32
		for n, body := range bodies {
			all.Go(func() {
				r := s.client().send("POST", firstPasskeyPath, body)
				switch {
				case r.StatusCode == 200:
					made.Add(1)
					who.Store(int32(n))
				case !isProblem(r, 403, "link_invalid"):
					t.Errorf("request %d: got %d %s", n, r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			t.Fatalf("%d accounts were made", made.Load())
		}
		for n, d := range devices {
			r := s.client().send("POST", "/api/auth/passkey/login", s.assertion(d))
			if in := r.StatusCode == 200; in != (n == int(who.Load())) {
				t.Errorf("device %d: got %d %s", n, r.StatusCode, r.body)
			}
		}
	})
}

// TestAFirstPasskeyIsBothFactors where a second one is required.
func TestAFirstPasskeyIsBothFactors(t *testing.T) {
	t.Attr("threat", "SU13")
	s := start(t, options{mail: openTo(), change: requiring(secondstep.Required, false)})
	s.superuser("root")
	secret := s.signUpLink("ada@example.com")
	c := s.client()
	_, body := c.firstPasskey(secret, "ada")
	ok(t, c.send("POST", firstPasskeyPath, body))
	ok(t, c.send("GET", "/api/auth/sessions", nil))
}

// TestWhereNoAccountBeginsWithAPasskey: the answer says so, and the link still makes an account with a password.
func TestWhereNoAccountBeginsWithAPasskey(t *testing.T) {
	t.Attr("threat", "SU13")
	for name, change := range map[string]func(*server){
		"no passkeys":          func(s *server) { s.api.Passkeys, s.api.NoPasskeys = nil, "of a test" },
		"accounts elsewhere":   signUpStores["says that it can't"],
		"accounts that refuse": signUpStores["says so when asked"],
	} {
		s := start(t, options{mail: openTo()})
		s.superuser("root")
		secret := s.signUpLink("ada@example.com")
		_, body := s.client().firstPasskey(secret, "ada")
		change(s)
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup_passkey") != (name == "accounts that refuse") {
			t.Errorf("%s: methods say %s", name, r.body)
		}
		if r := s.client().send("POST", firstPasskeyPath, body); !isProblem(r, 400, "passkeys_off") {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
	}
	for name, s := range map[string]*server{"closed": start(t, options{mail: newPostbox()}), "no mail": start(t, options{})} {
		s.superuser("root")
		for _, path := range []string{"", "/options"} {
			body := map[string]any{"secret": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "username": "ada"}
			if path == "" {
				body["credential"] = map[string]any{}
			}
			if r := s.client().send("POST", firstPasskeyPath+path, body); !isProblem(r, 403, "signup_closed") {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup_passkey") != false {
			t.Errorf("%s: methods say %s", name, r.body)
		}
	}
}

// TestNoPasskeyGoesWhereItIsNotRead: links and accounts are in one database, and passkeys in another. No account begins with one, and the link still
// makes an account with a password.
func TestNoPasskeyGoesWhereItIsNotRead(t *testing.T) {
	t.Attr("threat", "SU13")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: openTo(), stores: func(t *testing.T) stores {
			set, other := open(t), open(t)
			set.Factors, set.Signins = other.Factors, other.Signins
			return set
		}})
		s.superuser("root")
		secret := s.signUpLink("ada@example.com")
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup_passkey") != false || r.field("passkey") != true {
			t.Errorf("methods say %s", r.body)
		}
		r := s.client().send("POST", firstPasskeyPath+"/options", map[string]string{"secret": secret, "username": "ada"})
		if !isProblem(r, 400, "passkeys_off") {
			t.Errorf("options: got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
	})
}
