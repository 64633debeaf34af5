package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func forgetting(address string) map[string]string { return map[string]string{"email": address} }

// accepted ends the test unless a request was accepted.
func accepted(t *testing.T, r *answer) {
	t.Helper()
	if r.StatusCode != http.StatusAccepted || strings.TrimSpace(string(r.body)) != "{}" {
		t.Fatalf("%s %s: got %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.body)
	}
}

// TestAForgottenPasswordIsReplacedByMail, which ends what there was before.
func TestAForgottenPasswordIsReplacedByMail(t *testing.T) {
	t.Attr("threat", "R02")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		s := start(t, options{mail: box, stores: open})
		u := s.with(s.user("ada"), func(u *account.User) { u.EmailProven = u.Email })
		before := s.as(u)
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(" ADA@Example.COM ")))
		m := box.next(t, 0)
		address, secret := s.link(m)
		if about(m) != fmt.Sprintf("reset to ada@example.com about %q", u.ID) || address != s.public+"/auth/reset" {
			t.Fatalf("the message is %s, with the link %s", about(m), address)
		}
		ok(t, before.send("GET", "/api/auth/sessions", nil)) // nothing has ended yet
		ok(t, s.client().login("ada", goodPassword))
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		if r := before.send("GET", "/api/auth/sessions", nil); r.StatusCode != 401 {
			t.Errorf("a session from before: got %d", r.StatusCode)
		}
		ok(t, s.client().login("ada", newPassword))
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, goodPassword)); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("the link again: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAMailedLinkEndsWithItsAddress: an administrator who gives an account another address, because the former mailbox is lost, makes the
// links in it void. A link of the administrator's own stays.
func TestAMailedLinkEndsWithItsAddress(t *testing.T) {
	t.Attr("threat", "R01")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		s := start(t, options{mail: box, stores: open})
		root := s.as(s.superuser("root"))
		move := func(u *account.User) {
			t.Helper()
			ok(t, root.send("PATCH", adminPath+"/users/"+u.ID, map[string]string{"email": u.Username + "@example.org"}))
		}
		u := s.proven("ada")
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
		_, secret := s.link(box.to(t, u.Email))
		move(u)
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().login("ada", goodPassword))
		other := s.proven("bob")
		secret = s.resetSecret(other)
		move(other)
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
	})
}

// forgotten are addresses whose requests must not differ, and what is sent to them.
func forgotten(s *server) map[string]string {
	s.t.Helper()
	s.with(s.user("known"), func(u *account.User) { u.EmailProven = u.Email })
	s.user("unproven")
	s.with(s.user("disabled"), func(u *account.User) { u.IsActive = false })
	s.with(s.user("unusable"), func(u *account.User) { u.Password = "!" })
	s.with(s.user("passwordless"), passwordless)
	s.with(s.user("withheld"), func(u *account.User) { passwordless(u); u.PasswordWithheld = true })
	s.with(s.user("moved"), func(u *account.User) { u.Username, u.Email = "moved@example.com", "" })
	s.with(s.user("theirs"), func(u *account.User) { u.Username = "victim@example.com" })
	return map[string]string{
		"known@example.com": "reset", "unproven@example.com": "reset_first", "unusable@example.com": "no_password",
		"unknown@example.com": "", "disabled@example.com": "", "moved@example.com": "", "victim@example.com": "",
	}
}

// TestAForgottenPasswordTellsNothingAboutAccounts: answers, calls of the store and rows are the same for every address.
func TestAForgottenPasswordTellsNothingAboutAccounts(t *testing.T) {
	t.Attr("threat", "R03")
	box := newPostbox()
	box.idle = true
	open, plan := counting(t)
	s := start(t, options{mail: box, stores: open})
	addresses := forgotten(s)
	s.tellsNothing(plan, "/api/auth/password/forgot", func(address string) any { return forgetting(address) }, addresses, "[throttle.Update mail.Put]")
}

// pendingValue is the value of a pending cookie, and when it expires.
var pendingValue = regexp.MustCompile(`(cloakroom_pending=)[\w-]{43}; Path=/; Expires=[^;]*`)

// tellsNothing posts a body about each address to a path. Answers, calls of the store and rows must be the same for all; want are the
// calls.
func (s *server) tellsNothing(plan *storetest.FaultPlan, path string, body func(address string) any, addresses map[string]string, want string) {
	s.t.Helper()
	s.client().send("POST", path, body("first@example.com")) // makes the data key
	var first, calls string
	for _, address := range slices.Sorted(maps.Keys(addresses)) {
		var r *answer
		all := since(plan, func() { r = s.client().send("POST", path, body(address)) })
		// The data key is read anew when it was read a second ago.
		made := fmt.Sprint(slices.DeleteFunc(all, func(call string) bool { return call == "sealed.Sealed" }))
		r.Header.Del("Date")
		r.Header.Del("X-Request-Id")
		s.keepPending(r)
		seen := fmt.Sprint(r.StatusCode, pendingValue.ReplaceAllString(fmt.Sprint(r.Header), "$1"), string(r.body))
		if first == "" {
			first, calls = seen, made
		}
		if seen != first || made != calls {
			s.t.Errorf("%s: got\n%s after %s, want\n%s after %s", address, seen, made, first, calls)
		}
	}
	if calls != want {
		s.t.Errorf("the calls are %s: an account was looked up", calls)
	}
	rows, err := s.stores.Mail.List(s.t.Context(), "", 100)
	must(s.t, err)
	if len(rows) != len(addresses)+1 {
		s.t.Errorf("%d rows, want %d", len(rows), len(addresses)+1)
	}
}

// TestMailGoesToTheAddressOfTheAccountAlone, never to what was typed, nor to a name that looks like an address.
func TestMailGoesToTheAddressOfTheAccountAlone(t *testing.T) {
	t.Attr("threat", "R03")
	box := newPostbox()
	s := start(t, options{mail: box})
	addresses := forgotten(s)
	want := map[string]string{}
	for address, kind := range addresses {
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(address)))
		if kind != "" {
			want[address] = kind
		}
	}
	s.sent()
	got := map[string]string{}
	for _, m := range box.all() {
		got[m.To] = m.Kind
	}
	if !maps.Equal(got, want) || len(box.all()) != len(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// TestTooManyForgottenPasswords: the fourth message to an address isn't sent, with the same answer; other addresses are unaffected; a
// network learns that it asks too often.
func TestTooManyForgottenPasswords(t *testing.T) {
	t.Attr("threat", "R05")
	box := newPostbox()
	box.idle, box.perHour = true, 70 // seven for a network, and 35 for all
	s := start(t, options{mail: box, trusted: []string{"127.0.0.1"}})
	s.user("ada")
	send := func(from, address string) *answer {
		return s.client().send("POST", "/api/auth/password/forgot", forgetting(address), "X-Forwarded-For: "+from)
	}
	rows := func(want int) {
		t.Helper()
		all, err := s.stores.Mail.List(t.Context(), "", 100)
		must(t, err)
		if len(all) != want {
			t.Fatalf("%d messages wait, want %d", len(all), want)
		}
	}
	for _, address := range []string{"ada@example.com", "ADA@example.com", " ada@EXAMPLE.com"} {
		accepted(t, send("192.0.2.1", address))
	}
	rows(3)
	accepted(t, send("192.0.2.1", "ada@example.com"))
	accepted(t, send("198.51.100.1", "ada@example.com"))
	rows(3)
	for n := range 4 {
		accepted(t, send("192.0.2.1", fmt.Sprintf("user%d@example.com", n)))
	}
	rows(7)
	for _, address := range []string{"bob@example.com", "ada@example.com"} {
		r := send("192.0.2.1", address)
		if !isProblem(r, 429, "throttled") || r.Header.Get("Retry-After") == "" {
			t.Errorf("the eighth of a network: got %d %s", r.StatusCode, r.body)
		}
	}
	rows(7)
	accepted(t, send("198.51.100.1", "bob@example.com"))
	rows(8)
	for n := range 27 { // of many networks
		accepted(t, send(fmt.Sprintf("203.0.113.%d", n), fmt.Sprintf("many%d@example.com", n)))
	}
	rows(35)
	if r := send("203.0.113.200", "more@example.com"); !isProblem(r, 429, "throttled") {
		t.Errorf("beyond half of what the mail server takes: got %d %s", r.StatusCode, r.body)
	}
	// What users cause is sent.
	ok(t, s.as(s.user("eve")).send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
	rows(36)
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	t.Attr("threat", "MA01")
	s := start(t, options{mail: newPostbox()})
	for _, address := range []string{"", " ", "ada", "ada@example.com, eve@example.com", "ada@example.com\r\nBcc: eve@example.com", "@", "a@b", strings.Repeat("a", 10_000) + "@example.com", "ada@example.com\x00"} {
		if r := s.client().send("POST", "/api/auth/password/forgot", forgetting(address)); !isProblem(r, 400, "invalid") {
			t.Errorf("%.50q: got %d %s", address, r.StatusCode, r.body)
		}
	}
	if r := s.client().send("POST", "/api/auth/password/forgot", map[string]string{}); !isProblem(r, 400, "invalid") {
		t.Errorf("no address: got %d %s", r.StatusCode, r.body)
	}
}

// TestALinkBeginsWithThePublicURL, whatever a request says.
func TestALinkBeginsWithThePublicURL(t *testing.T) {
	t.Attr("threat", "G1")
	box := newPostbox()
	s := start(t, options{mail: box, trusted: []string{"127.0.0.1"}})
	s.user("ada")
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com"),
		"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "Forwarded: host=evil.example;proto=https", "X-Original-URL: https://evil.example/"))
	m := box.next(t, 0)
	if address, _ := s.link(m); address != s.public+"/auth/reset" || strings.Contains(m.Text+m.HTML, "evil") {
		t.Errorf("the message is\n%s", m.Text)
	}
}

func TestWithoutMailAForgottenPasswordIsNotFound(t *testing.T) {
	s := start(t, options{})
	if r := s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com")); !isProblem(r, 404, "mail_not_configured") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	for mail, c := range map[bool]*client{false: s.client(), true: start(t, options{mail: newPostbox()}).client()} {
		if r := c.send("GET", "/api/auth/methods", nil); r.field("mail") != mail {
			t.Errorf("methods say %s, want mail: %v", r.body, mail)
		}
	}
}

// TestAFailingStoreIsNoAnswerToAForgottenPassword: 503, and never a promise that isn't kept.
func TestAFailingStoreIsNoAnswerToAForgottenPassword(t *testing.T) {
	for n := 1; ; n++ {
		inner, plan := inMemory(t), &storetest.FaultPlan{Call: n}
		box := newPostbox()
		box.idle = true
		s := start(t, options{mail: box, stores: func(*testing.T) stores { return faulty(inner, plan) }})
		r := s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com"))
		all, err := inner.Mail.List(t.Context(), "", 9)
		must(t, err)
		if len(plan.Calls()) < n {
			accepted(t, r)
			break
		}
		if (r.StatusCode == 202) != (len(all) == 1) || r.StatusCode != 202 && r.StatusCode != 503 {
			t.Errorf("call %d fails: got %d %s, and %d messages wait", n, r.StatusCode, r.body, len(all))
		}
	}
}

// TestAFirstPasswordIsSetByMail for an account that has none but a proven address, unless an administrator has left it without one.
func TestAFirstPasswordIsSetByMail(t *testing.T) {
	t.Attr("threat", "R14")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		box := newPostbox()
		s := start(t, options{mail: box, stores: open})
		u := s.with(s.user("ada"), passwordless)
		ask := func() mail.Message {
			t.Helper()
			before := len(box.all())
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
			return box.next(t, before)
		}
		m := ask()
		if about(m) != fmt.Sprintf("first_password to %s about %q", u.Email, u.ID) {
			t.Fatalf("the message is %s", about(m))
		}
		_, secret := s.link(m)
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		ok(t, s.client().login("ada", newPassword))
		s.sent()

		// An administrator takes the account back: its mailbox may be a stranger's, too.
		s.forgive()
		link, _, err := s.api.Accounts.DeclareCompromised(t.Context(), u.ID)
		must(t, err)
		s.secret.add(link)
		if m := ask(); m.Kind != "no_password" || strings.Contains(m.Text, "#") {
			t.Errorf("after the account was taken back: %s", about(m))
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(link, goodPassword)))
		s.sent()
		if m := ask(); m.Kind != "reset" {
			t.Errorf("with a password again: %s", about(m))
		}
	})
}

// TestALinkFromBeforeSetsNoFirstPassword: an administrator has taken the account back since it was mailed.
func TestALinkFromBeforeSetsNoFirstPassword(t *testing.T) {
	t.Attr("threat", "R14")
	box := newPostbox()
	s := start(t, options{mail: box})
	u := s.with(s.user("ada"), passwordless)
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
	_, secret := s.link(box.next(t, 0))
	link, _, err := s.api.Accounts.DeclareCompromised(t.Context(), u.ID)
	must(t, err)
	s.secret.add(link)
	if r := s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestAnAccountThatAnAdministratorMadeWithoutAPassword: accounts that an administrator makes without one set none by mail, and edits change
// nothing of that.
func TestAnAccountThatAnAdministratorMadeWithoutAPassword(t *testing.T) {
	t.Attr("threat", "R14")
	box := newPostbox()
	s := start(t, options{mail: box})
	root := s.as(s.superuser("root"))
	r := root.send("POST", adminPath+"/users", map[string]any{"username": "ada", "email": "ada@example.com"})
	ok(t, r)
	id := fmt.Sprint(r.field("id"))
	ok(t, root.send("PATCH", adminPath+"/users/"+id, map[string]any{"first_name": "Ada"}))
	u := s.with(s.load(id), proven)
	if !u.PasswordWithheld {
		t.Errorf("the account is %+v", u)
	}
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
	if m := box.next(t, 0); m.Kind != "no_password" {
		t.Errorf("the message is %s", about(m))
	}
	ok(t, root.send("POST", adminPath+"/users/"+id+"/password", map[string]string{"password": goodPassword}))
	if s.load(id).PasswordWithheld {
		t.Error("the administrator has set a password since")
	}
}
