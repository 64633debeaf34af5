package httpapi_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// codeBox is a postbox of a server at which people can sign in with a mailed code.
func codeBox() *postbox {
	box := newPostbox()
	box.codes = true
	return box
}

func proven(u *account.User) { u.EmailProven = u.Email }

// passwordless has nothing but a proven address.
func passwordless(u *account.User) { u.Password, u.EmailProven = "!", u.Email }

var mailedCode = regexp.MustCompile(`(?m)^    (\d{4} \d{4})$`)

// code returns the only code in a message.
func (s *server) code(m mail.Message) string {
	s.t.Helper()
	found := mailedCode.FindAllStringSubmatch(m.Text, -1)
	if len(found) != 1 {
		s.t.Fatalf("%d codes in\n%s", len(found), m.Text)
	}
	s.secret.add(strings.ReplaceAll(found[0][1], " ", ""))
	return found[0][1]
}

// askCode asks for a code to an address.
func (c *client) askCode(address string) {
	c.s.t.Helper()
	r := c.send("POST", "/api/auth/code", map[string]string{"email": address})
	c.s.keepPending(r)
	accepted(c.s.t, r)
}

func (c *client) enterCode(code string) *answer {
	return c.send("POST", "/api/auth/code/login", map[string]string{"code": code})
}

// wrong returns another code.
func wrong(code string) string {
	if strings.HasPrefix(code, "1") {
		return "2" + code[1:]
	}
	return "1" + code[1:]
}

// TestAMailedCodeSignsIn the browser that has asked for it, once, with level 1. It makes the session fresh only if there is nothing else
// that its user could show.
func TestAMailedCodeSignsIn(t *testing.T) {
	t.Attr("threat", "MC01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := codeBox()
		s := start(t, options{mail: box, stores: open})
		for n, has := range map[int]func(*account.User){0: proven, 1: passwordless} {
			u := s.with(s.user(fmt.Sprint("ada", n)), has)
			c, thief := s.client(), s.client()
			c.askCode(strings.ToUpper(u.Email))
			m := box.to(t, u.Email)
			if about(m) != fmt.Sprintf("code to %s about %q", u.Email, u.ID) {
				t.Fatalf("the message is %s", about(m))
			}
			code := s.code(m)
			if r := thief.enterCode(code); !isProblem(r, 401, "pending_ended") {
				t.Errorf("without the cookie: %d %s", r.StatusCode, r.body)
			}
			thief.askCode("other@example.com")
			if r := thief.enterCode(code); !isProblem(r, 400, "invalid") {
				t.Errorf("in another browser: %d %s", r.StatusCode, r.body)
			}
			if r := c.send("GET", "/api/auth/login/pending", nil); !strings.Contains(string(r.body), `"kind":"code","factors":[]`) {
				t.Errorf("the pending sign-in is %s", r.body)
			}
			for _, text := range []string{"", "1234", "123456789", "abcdefgh", strings.Repeat("1", 5000), "12３45678"} {
				if r := c.enterCode(text); !isProblem(r, 400, "invalid") || strings.Contains(string(r.body), "left") {
					t.Errorf("%.20q: %d %s", text, r.StatusCode, r.body)
				}
			}
			if r := c.enterCode(wrong(code)); !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), "4 tries are left") {
				t.Errorf("a wrong code: %d %s", r.StatusCode, r.body)
			}
			held := c.jar.Cookies(c.base())
			r := c.enterCode(strings.Replace(code, " ", "-", 1))
			if r.StatusCode != 200 || r.field("username") != u.Username || c.ticket() == "" {
				t.Fatalf("the code: %d %s", r.StatusCode, r.body)
			}
			record := s.records(u.ID)[0]
			if record.SecondAt != 0 || record.Methods.String() != "mail" || record.Method.String() != "code" || (record.ReauthenticatedAt != 0) == u.HasPassword() {
				t.Errorf("%s: the session is %+v", u.Username, record)
			}
			again := s.client()
			again.jar.SetCookies(again.base(), held)
			if r := again.enterCode(code); !isProblem(r, 401, "pending_ended") {
				t.Errorf("the code again: %d %s", r.StatusCode, r.body)
			}
			if s.load(u.ID).LastLogin == 0 {
				t.Error("it doesn't count as a sign-in")
			}
		}
	})
}

// TestAMailedCodeIsNoFactor: the second factor is asked for, and even with it the sign-in is of one factor alone, unless that is both.
func TestAMailedCodeIsNoFactor(t *testing.T) {
	t.Attr("threat", "MC02")
	box := codeBox()
	s := start(t, options{mail: box})
	u, app := s.enrolled("ada")
	u = s.with(u, proven)
	_, err := s.stores.Sessions.DeleteUser(t.Context(), u.ID, session.ID{}) // that of the enrolment
	must(t, err)
	signed := 0
	sign := func() *client {
		c := s.client()
		c.askCode(u.Email)
		r := c.enterCode(s.code(box.ofKind(t, "code", signed)))
		signed++
		s.keepPending(r)
		if !isProblem(r, 401, "second_factor_required") || c.ticket() != "" {
			t.Fatalf("the code alone: %d %s", r.StatusCode, r.body)
		}
		return c
	}
	must(t, s.stores.Factors.SetSecondStep(t.Context(), u.ID, true))
	d := s.withPasskey(u, factor.Passkey)
	c := sign()
	ok(t, c.second(app.next()))
	if r := c.send("GET", "/api/auth/me", nil); r.StatusCode != 200 {
		t.Errorf("the session: %d", r.StatusCode)
	}
	if record := s.records(u.ID)[0]; record.SecondAt != 0 || record.Methods.String() != "mail otp" || record.Method.String() != "code" {
		t.Errorf("code and app: %+v", record)
	}
	if r := c.send("POST", "/api/auth/factors/recovery", nil); !isProblem(r, 403, "full_sign_in_required") {
		t.Errorf("what needs both factors: %d %s", r.StatusCode, r.body)
	}
	_, err = s.stores.Sessions.DeleteUser(t.Context(), u.ID, session.ID{})
	must(t, err)
	s.forgive()
	c = sign()
	ok(t, c.send("POST", "/api/auth/login/second", answering(d, c.send("GET", "/api/auth/login/pending", nil))))
	if record := s.records(u.ID)[0]; record.SecondAt == 0 {
		t.Errorf("code and a passkey that has verified its user: %+v", record)
	}
}

// codeAddresses are addresses whose requests for a code must not differ, and what is sent to them.
func codeAddresses(s *server) map[string]string {
	s.t.Helper()
	s.with(s.user("known"), proven)
	s.user("unproven")
	s.with(s.user("disabled"), func(u *account.User) { proven(u); u.IsActive = false })
	s.with(s.user("unusable"), passwordless)
	s.with(s.user("withheld"), func(u *account.User) { passwordless(u); u.PasswordWithheld = true })
	s.with(s.user("theirs"), func(u *account.User) { u.Username = "victim@example.com" })
	return map[string]string{
		"known@example.com": "code", "unproven@example.com": "code_unproven", "unusable@example.com": "code",
		"withheld@example.com": "code_withheld",
		"unknown@example.com":  "", "disabled@example.com": "", "victim@example.com": "",
	}
}

// TestAMailedCodeTellsNothingAboutAccounts: neither the request for one, nor a wrong code.
func TestAMailedCodeTellsNothingAboutAccounts(t *testing.T) {
	t.Attr("threat", "MC03")
	box := codeBox()
	box.idle = true
	open, plan := counting(t)
	s := start(t, options{mail: box, stores: open})
	addresses := codeAddresses(s)
	s.tellsNothing(plan, "/api/auth/code", func(address string) any { return forgetting(address) }, addresses, "[throttle.Update signin.Create mail.Put]")
	first := ""
	for address := range addresses {
		c := s.client()
		c.askCode(address)
		var r *answer
		calls := since(plan, func() { r = c.enterCode("12345678") })
		seen := fmt.Sprint(r.StatusCode, regexp.MustCompile(`"request_id":"[^"]*"`).ReplaceAllString(string(r.body), ""), calls)
		if first == "" {
			first = seen
		}
		if seen != first || !isProblem(r, 400, "invalid") {
			t.Errorf("%s, a wrong code:\n%s, not\n%s", address, seen, first)
		}
	}
}

func TestACodeGoesToProvenAddressesAlone(t *testing.T) {
	t.Attr("threat", "MC04")
	box := codeBox()
	s := start(t, options{mail: box})
	want := map[string]string{}
	for address, kind := range codeAddresses(s) {
		s.client().askCode(address)
		if kind != "" {
			want[address] = kind
		}
	}
	s.sent()
	got := map[string]string{}
	for _, m := range box.all() {
		got[m.To] = m.Kind
		if mailedCode.MatchString(m.Text) != (m.Kind == "code") {
			t.Errorf("the message is\n%s", m.Text)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// TestWrongCodesAreCounted: five of a pending sign-in, also at the same time, after which the right one is wrong as well.
func TestWrongCodesAreCounted(t *testing.T) {
	t.Attr("threat", "MC05")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := codeBox()
		s := start(t, options{mail: box, stores: open})
		u := s.with(s.user("ada"), proven)
		c := s.client()
		c.askCode(u.Email)
		code := s.code(box.next(t, 0))
		var refused atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if r := c.enterCode(wrong(code)); isProblem(r, 400, "invalid") {
					refused.Add(1)
				} else if !isProblem(r, 401, "pending_ended") {
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			})
		}
		held := c.jar.Cookies(c.base())
		all.Wait()
		if refused.Load() != 5 {
			t.Errorf("%d wrong codes were looked at, want 5", refused.Load())
		}
		late := s.client()
		late.jar.SetCookies(late.base(), held)
		if r := late.enterCode(code); !isProblem(r, 401, "pending_ended") || len(s.records(u.ID)) > 0 {
			t.Errorf("then the right one: %d %s", r.StatusCode, r.body)
		}
	})
}

func TestOneOfManyUsesOfACodeSignsIn(t *testing.T) {
	t.Attr("threat", "MC05")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := codeBox()
		s := start(t, options{mail: box, stores: open})
		u := s.with(s.user("ada"), proven)
		c := s.client()
		c.askCode(u.Email)
		code, held := s.code(box.next(t, 0)), c.jar.Cookies(c.base())
		var done atomic.Int32
		var all sync.WaitGroup
		for range 5 {
			other := s.client()
			other.jar.SetCookies(other.base(), held)
			all.Go(func() {
				if other.enterCode(code).StatusCode == 200 {
					done.Add(1)
				}
			})
		}
		all.Wait()
		if done.Load() != 1 || len(s.records(u.ID)) != 1 {
			t.Errorf("%d of 5 signed in, with %d sessions", done.Load(), len(s.records(u.ID)))
		}
	})
}

// TestACodeEndsWithWhatItWasMailedFor: after a change of the account, the address or the browser's mind it is wrong.
func TestACodeEndsWithWhatItWasMailedFor(t *testing.T) {
	t.Attr("threat", "MC06")
	for what, change := range map[string]func(s *server, u *account.User, c *client){
		"password changed": func(s *server, u *account.User, _ *client) {
			ok(s.t, s.as(u).send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
		},
		"disabled": func(s *server, u *account.User, _ *client) { s.with(u, func(u *account.User) { u.IsActive = false }) },
		"another address": func(s *server, u *account.User, _ *client) {
			s.with(u, func(u *account.User) { u.Email = "new@example.com" })
		},
		"another proven address": func(s *server, u *account.User, _ *client) {
			s.with(u, func(u *account.User) { u.Email, u.EmailProven = "new@example.com", "new@example.com" })
		},
		"address unproven": func(s *server, u *account.User, _ *client) { s.with(u, func(u *account.User) { u.EmailProven = "" }) },
		"address of another account by now": func(s *server, u *account.User, _ *client) {
			s.with(u, func(u *account.User) { u.Email, u.EmailProven = "", "" })
			s.with(s.user("bob"), func(b *account.User) { b.Email, b.EmailProven = "ada@example.com", "ada@example.com" })
		},
		"deleted": func(s *server, u *account.User, _ *client) { must(s.t, s.stores.Accounts.Delete(s.t.Context(), u.ID)) },
		"compromised": func(s *server, u *account.User, _ *client) {
			secret, _, err := s.api.Accounts.DeclareCompromised(s.t.Context(), u.ID)
			must(s.t, err)
			s.secret.add(secret)
		},
		"left without a password": func(s *server, u *account.User, _ *client) {
			s.with(u, func(u *account.User) { u.Password, u.PasswordWithheld = "!", true })
		},
		"cancelled":  func(s *server, _ *account.User, c *client) { ok(s.t, c.send("DELETE", "/api/auth/login/pending", nil)) },
		"signed out": func(s *server, _ *account.User, c *client) { ok(s.t, c.send("POST", "/api/auth/logout", nil)) },
	} {
		box := codeBox()
		s := start(t, options{mail: box})
		u := s.with(s.user("ada"), proven)
		c := s.client()
		c.askCode(u.Email)
		code, held := s.code(box.next(t, 0)), c.jar.Cookies(c.base())
		change(s, u, c)
		again := s.client()
		again.jar.SetCookies(again.base(), held)
		if r := again.enterCode(code); r.StatusCode != 400 && r.StatusCode != 401 || again.ticket() != "" {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
		}
	}
}

// TestTooManyCodes: the fourth message to an address isn't sent, with an answer of the same form.
func TestTooManyCodes(t *testing.T) {
	t.Attr("threat", "R05")
	box := codeBox()
	s := start(t, options{mail: box})
	s.with(s.user("ada"), proven)
	for range 3 {
		s.client().askCode("ada@example.com")
	}
	c := s.client()
	c.askCode("ADA@example.com")
	s.sent()
	if n := len(box.all()); n != 3 {
		t.Errorf("%d messages were sent, want 3", n)
	}
	if r := c.enterCode("12345678"); !isProblem(r, 401, "pending_ended") {
		t.Errorf("a code that was never mailed: %d %s", r.StatusCode, r.body)
	}
}

func TestWithoutTheFlagNoCodeIsMailed(t *testing.T) {
	t.Attr("threat", "MC01")
	for _, box := range []*postbox{nil, newPostbox(), codeBox()} {
		offered := box != nil && box.codes
		c := start(t, options{mail: box}).client()
		if r := c.send("GET", "/api/auth/methods", nil); r.field("code") != offered {
			t.Errorf("the methods are %s", r.body)
		}
		r := c.send("POST", "/api/auth/code", forgetting("ada@example.com"))
		if offered {
			c.s.keepPending(r)
		} else if !isProblem(r, 404, "mailed_code_off") {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
}

func TestAnAppSignsInWithAMailedCode(t *testing.T) {
	t.Attr("threat", "MC01")
	box := codeBox()
	s := start(t, options{mail: box, appTokens: true})
	u := s.with(s.user("ada"), proven)
	p := s.program()
	r := p.send("POST", "/api/auth/code", map[string]any{"email": u.Email, "app": true})
	accepted(t, r)
	secret := r.Header.Get("X-Session-Token")
	s.secret.add(secret)
	if !strings.HasPrefix(secret, secondstep.AppPrefix) || len(r.Cookies()) > 0 {
		t.Fatalf("the secret is in %v", r.Header)
	}
	r = p.send("POST", "/api/auth/code/login", map[string]string{"code": s.code(box.next(t, 0))}, "X-Session-Token: "+secret)
	ticket := r.Header.Get("X-Session-Token")
	s.secret.add(ticket)
	if r.StatusCode != 200 || !strings.HasPrefix(ticket, "cloak_app_") || s.records(u.ID)[0].Method.String() != "app" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestAFailingStoreIsNoAnswerToACode: 503, and no session.
func TestAFailingStoreIsNoAnswerToACode(t *testing.T) {
	t.Attr("threat", "MC05")
	for n := 1; ; n++ {
		inner, plan := inMemory(t), &storetest.FaultPlan{}
		box := codeBox()
		s := start(t, options{mail: box, stores: func(*testing.T) stores { return faulty(inner, plan) }})
		u := s.with(s.user("ada"), proven)
		c := s.client()
		c.askCode(u.Email)
		code := s.code(box.next(t, 0))
		s.sent()
		before := len(plan.Calls())
		plan.Call = before + n
		r := c.enterCode(code)
		if made := len(plan.Calls()) - before; made < n {
			if r.StatusCode != 200 || n < 6 {
				t.Errorf("without a fault, after %d calls: %d %s", made, r.StatusCode, r.body)
			}
			return
		}
		call := plan.Calls()[before+n-1]
		if strings.HasPrefix(call, "audit.") || r.StatusCode == 200 { // in the background, or after the session
			continue
		}
		if r.StatusCode != 503 || c.ticket() != "" {
			t.Errorf("%s fails: %d %s", call, r.StatusCode, r.body)
		}
	}
}

// TestAMailedCodeComesBeforeTheEnrolment, where a second factor is required and the user has none but a proven address.
func TestAMailedCodeComesBeforeTheEnrolment(t *testing.T) {
	t.Attr("threat", "M14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		s := start(t, options{mail: box, stores: open, change: requiring(secondstep.Required, false)})
		u := s.with(s.user("ada"), proven)
		c := s.client()
		r := c.login("ada", goodPassword)
		s.keepPending(r)
		pending, _ := r.field("pending").(map[string]any)
		if !isProblem(r, 401, "second_factor_enrolment_required") || pending["kind"] != "enrol_code" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		confirm := func(c *client, code string) *answer {
			r := c.send("POST", "/api/auth/login/enrol/code/confirm", map[string]string{"code": code})
			s.keepPending(r)
			return r
		}
		if r := c.send("POST", "/api/auth/login/enrol/totp", nil); !isProblem(r, 401, "pending_ended") {
			t.Errorf("an app before the code: %d %s", r.StatusCode, r.body)
		}
		accepted(t, c.send("POST", "/api/auth/login/enrol/code", nil))
		m := box.next(t, 0)
		code := s.code(m)
		if about(m) != fmt.Sprintf("code_enrol to %s about %q", u.Email, u.ID) {
			t.Errorf("the message is %s", about(m))
		}
		thief := s.client() // has the password as well
		s.keepPending(thief.login("ada", goodPassword))
		if r := confirm(thief, code); !isProblem(r, 400, "invalid") {
			t.Errorf("in another sign-in: %d %s", r.StatusCode, r.body)
		}
		if r := confirm(c, wrong(code)); !isProblem(r, 400, "invalid") {
			t.Errorf("a wrong code: %d %s", r.StatusCode, r.body)
		}
		held := c.jar.Cookies(c.base())
		if r := confirm(c, code); r.StatusCode != 200 || r.field("kind") != "enrol" {
			t.Fatalf("the code: %d %s", r.StatusCode, r.body)
		}
		before := s.client()
		before.jar.SetCookies(before.base(), held)
		if r := before.send("POST", "/api/auth/login/enrol/totp", nil); !isProblem(r, 401, "pending_ended") {
			t.Errorf("the sign-in from before: %d %s", r.StatusCode, r.body)
		}
		if _, done := c.enrolAtSignIn(); done.StatusCode != 200 {
			t.Fatalf("%d %s", done.StatusCode, done.body)
		}
		if record := s.records(u.ID)[0]; record.SecondAt == 0 || record.Methods.String() != "mail mfa otp pwd" {
			t.Errorf("the session is %+v", record)
		}
	})
}

// TestAfterAMailedCodeAFactorIsSetUp without another, and makes one factor.
func TestAfterAMailedCodeAFactorIsSetUp(t *testing.T) {
	t.Attr("threat", "MC02")
	box := codeBox()
	s := start(t, options{mail: box, change: requiring(secondstep.Required, false)})
	u := s.with(s.user("ada"), proven)
	c := s.client()
	c.askCode(u.Email)
	r := c.enterCode(s.code(box.next(t, 0)))
	s.keepPending(r)
	if pending, _ := r.field("pending").(map[string]any); !isProblem(r, 401, "second_factor_enrolment_required") || pending["kind"] != "enrol" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if _, done := c.enrolAtSignIn(); done.StatusCode != 200 || s.records(u.ID)[0].SecondAt != 0 {
		t.Errorf("%d %s: %+v", done.StatusCode, done.body, s.records(u.ID)[0])
	}
}

// TestAMailedCodeMakesASessionFresh whose user has nothing else to show, in this session alone.
func TestAMailedCodeMakesASessionFresh(t *testing.T) {
	t.Attr("threat", "MC07")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		s := start(t, options{mail: box, stores: open})
		u := s.user("ada")
		c, other := s.as(u), s.as(u)
		s.with(u, passwordless)
		s.staleSessions(u.ID)
		if r := c.send("GET", "/api/auth/tokens", nil); !isProblem(r, 403, "fresh_sign_in_required") || fmt.Sprint(r.field("factors")) != "[mailed_code]" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		accepted(t, c.send("POST", "/api/auth/reauthenticate/code", nil))
		m := box.next(t, 0)
		code := s.code(m)
		if about(m) != fmt.Sprintf("code_again to %s about %q", u.Email, u.ID) {
			t.Errorf("the message is %s", about(m))
		}
		show := func(c *client, code string) *answer {
			return c.send("POST", "/api/auth/reauthenticate", map[string]string{"mailed_code": code})
		}
		for who, r := range map[string]*answer{"another session": show(other, code), "another code": show(c, wrong(code))} {
			if !isProblem(r, 400, "invalid") {
				t.Errorf("%s: %d %s", who, r.StatusCode, r.body)
			}
		}
		ticket := c.ticket()
		r := show(c, code)
		if r.StatusCode != 200 || r.field("fully_fresh_until") == nil || c.ticket() == ticket {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		ok(t, c.send("GET", "/api/auth/tokens", nil))
		ok(t, c.send("POST", "/api/auth/factors/totp", nil))
		if r := show(c, code); !isProblem(r, 400, "invalid") {
			t.Errorf("the code again: %d %s", r.StatusCode, r.body)
		}
		if r := other.send("GET", "/api/auth/tokens", nil); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Errorf("the other session: %d %s", r.StatusCode, r.body)
		}
	})
}

// staleSessions makes the sessions of a user as if nothing had been shown in them.
func (s *server) staleSessions(user string) {
	s.t.Helper()
	s.change(user, func(r *session.Record) { r.ReauthenticatedAt, r.SecondAt = 0, 0 })
}

// TestAMailedCodeCountsForNothingBesideAFactor, also if the account has got the factor since the code was mailed.
func TestAMailedCodeCountsForNothingBesideAFactor(t *testing.T) {
	t.Attr("threat", "MC07")
	box := newPostbox()
	s := start(t, options{mail: box})
	for what, give := range map[string]func(u *account.User){
		"a password": func(*account.User) {},
		"a passkey": func(u *account.User) {
			s.withPasskey(u, factor.Passkey)
			s.with(u, passwordless)
		},
		"a passkey, later": nil,
		"no proven address": func(u *account.User) {
			s.with(u, func(u *account.User) { u.Password, u.EmailProven = "!", "" })
		},
	} {
		u := s.user("u" + fmt.Sprint(len(what)))
		c := s.as(u)
		s.with(u, proven)
		code := "12345678"
		if give == nil {
			s.with(u, passwordless)
			before := len(box.all())
			accepted(t, c.send("POST", "/api/auth/reauthenticate/code", nil))
			code = s.code(box.next(t, before))
			s.withPasskey(u, factor.Passkey)
		} else {
			give(s.load(u.ID))
			want := "own_factor_required"
			if what == "no proven address" {
				want = "no_proven_address"
			}
			if r := c.send("POST", "/api/auth/reauthenticate/code", nil); !isProblem(r, 403, want) {
				t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
			}
		}
		r := c.send("POST", "/api/auth/reauthenticate", map[string]string{"mailed_code": code})
		if r.StatusCode == 200 {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.body)
		}
	}
}

// TestAProviderAndAMailedCodeComeBeforeTheEnrolment: what the provider has begun goes on after the code, and still ends with it.
func TestAProviderAndAMailedCodeComeBeforeTheEnrolment(t *testing.T) {
	t.Attr("threat", "M14")
	box := newPostbox()
	s, p := startWith(t, options{mail: box, change: requiring(secondstep.Required, false)})
	u := s.with(s.user("ada"), proven)
	s.linked(u, "ada-1")
	c := s.client()
	if page := c.through(p, "example", nil); !strings.HasSuffix(page, "#pending") {
		t.Fatalf("the browser ends at %s", page)
	}
	if r := c.send("GET", "/api/auth/login/pending", nil); r.field("kind") != string(signin.EnrolmentCode) {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	accepted(t, c.send("POST", "/api/auth/login/enrol/code", nil))
	r := c.send("POST", "/api/auth/login/enrol/code/confirm", map[string]string{"code": s.code(box.next(t, 0))})
	s.keepPending(r)
	ok(t, r)
	if _, done := c.enrolAtSignIn(); done.StatusCode != 200 {
		t.Fatalf("%d %s", done.StatusCode, done.body)
	}
	record := s.records(u.ID)[0]
	o, err := s.stores.Links.Origin(t.Context(), record.PublicID)
	if err != nil || o.Subject != "ada-1" || record.Method.String() != "oidc" {
		t.Errorf("the session is %+v, and was begun by %+v, %v", record, o, err)
	}
}
