package httpapi_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// proven is user, with an address that is proven.
func (s *server) proven(name string) *account.User {
	s.t.Helper()
	return s.with(s.user(name), func(u *account.User) { u.EmailProven = u.Email })
}

// changeLink asks for a change of the address, and returns the secret of the link in the n-th message.
func (s *server) changeLink(c *client, email string, n int) string {
	s.t.Helper()
	accepted(s.t, c.send("POST", "/api/auth/email/change", signingUp(email)))
	m := s.box.next(s.t, n)
	address, secret := s.link(m)
	if m.Kind != "change" || m.To != email || address != s.public+"/auth/verify" {
		s.t.Fatalf("the message is %s, with a link to %s", about(m), address)
	}
	return secret
}

func reverting(secret, username string) map[string]string {
	return map[string]string{"secret": secret, "username": username}
}

// TestAnAddressChangesOnceTheNewOneIsProven: until then the former one stays; then everything else ends, and the former one is told.
func TestAnAddressChangesOnceTheNewOneIsProven(t *testing.T) {
	t.Attr("threat", "R10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.proven("ada")
		c, other := s.as(u), s.as(u)
		program := s.issue(u, token.Params{Kind: token.Personal, Name: "x"})
		secret := s.changeLink(c, "ada@example.org", 0)
		if got := s.load(u.ID); got.Email != u.Email || !got.HasProvenEmail() {
			t.Fatalf("before the link was used, the user is %+v", got)
		}
		for name, c := range map[string]*client{"no session": s.client(), "another's": s.as(s.user("eve"))} {
			if r := c.send("POST", "/api/auth/email/verify", proving(secret)); r.StatusCode != 401 && r.StatusCode != 403 {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
		before := c.ticket()
		r := c.send("POST", "/api/auth/email/verify", proving(secret))
		ok(t, r)
		if got := s.load(u.ID); r.field("email") != "ada@example.org" || got.Email != "ada@example.org" || !got.HasProvenEmail() || got.Epoch == u.Epoch {
			t.Errorf("got %s; the user is %+v", r.body, got)
		}
		if c.ticket() == before {
			t.Error("the session has its former ticket")
		}
		ok(t, c.send("GET", "/api/auth/sessions", nil))
		if r := other.send("GET", "/api/auth/sessions", nil); r.StatusCode != 401 {
			t.Errorf("another session: got %d", r.StatusCode)
		}
		if r := s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+program); r.StatusCode != 401 {
			t.Errorf("a token: got %d", r.StatusCode)
		}
		if m := s.box.next(t, 1); about(m) != fmt.Sprintf("email_changed to ada@example.com about %q", u.ID) {
			t.Errorf("the notice is %s", about(m))
		} else if address, _ := s.link(m); address != s.public+"/auth/revert" {
			t.Errorf("it leads to %s", address)
		}
		if r := c.send("POST", "/api/auth/email/verify", proving(secret)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("the link again: got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().login("ada@example.org", goodPassword))
		if r := s.client().login("ada@example.com", goodPassword); r.StatusCode != 401 {
			t.Errorf("by the former address: got %d", r.StatusCode)
		}
		if !s.logged(`"msg":"authn_email_change"`) {
			t.Error("it isn't in the audit log")
		}
	})
}

// TestAChangeOfTheAddressNeedsAFullyFreshSession, when it is asked for and when the link is used.
func TestAChangeOfTheAddressNeedsAFullyFreshSession(t *testing.T) {
	t.Attr("threat", "R10")
	s := start(t, options{mail: newPostbox()})
	u := s.proven("ada")
	c := s.as(u)
	secret := s.changeLink(c, "ada@example.org", 0)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt -= 601 })
	for path, body := range map[string]any{"/api/auth/email/change": signingUp("eve@example.org"), "/api/auth/email/verify": proving(secret)} {
		if r := c.send("POST", path, body); r.StatusCode != 403 || r.field("code") == "link_invalid" {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
	if got := s.load(u.ID); got.Email != u.Email {
		t.Errorf("the address is %s", got.Email)
	}
	ok(t, c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}))
	ok(t, c.send("POST", "/api/auth/email/verify", proving(secret)))
}

// TestTheLatestChangeOfAnAddressCounts: the link of an earlier one is void, and so is any after a change of the password.
func TestTheLatestChangeOfAnAddressCounts(t *testing.T) {
	t.Attr("threat", "R10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.proven("ada")
		c := s.as(u)
		first := s.changeLink(c, "ada@example.org", 0)
		second := s.changeLink(c, "ada@example.net", 1)
		if r := c.send("POST", "/api/auth/email/verify", proving(first)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("the first link: got %d %s", r.StatusCode, r.body)
		}
		ok(t, c.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword)))
		if r := c.send("POST", "/api/auth/email/verify", proving(second)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("after a change of the password: got %d %s", r.StatusCode, r.body)
		}
		if got := s.load(u.ID); got.Email != u.Email {
			t.Errorf("the address is %s", got.Email)
		}
	})
}

// TestAWantedAddressTellsNothingAboutAccounts: answers, calls of the store and rows are the same, and an address of another account changes
// hands neither at once nor later.
func TestAWantedAddressTellsNothingAboutAccounts(t *testing.T) {
	t.Attr("threat", "R11")
	box := newPostbox()
	box.idle = true
	open, plan := counting(t)
	s := start(t, options{mail: box, stores: open})
	addresses := forgotten(s)
	accepted(t, s.as(s.user("first")).send("POST", "/api/auth/email/change", signingUp("first@example.org"))) // makes the data key
	var first, calls string
	for n, address := range slices.Sorted(maps.Keys(addresses)) {
		c := s.as(s.user(fmt.Sprint("asker", n)))
		var r *answer
		all := since(plan, func() { r = c.send("POST", "/api/auth/email/change", signingUp(address)) })
		made := fmt.Sprint(slices.DeleteFunc(all, func(call string) bool { return call == "sealed.Sealed" }))
		r.Header.Del("Date")
		r.Header.Del("X-Request-Id")
		seen := fmt.Sprint(r.StatusCode, r.Header, string(r.body))
		if first == "" {
			first, calls = seen, made
		}
		if seen != first || made != calls {
			t.Errorf("%s: got\n%s after %s, want\n%s after %s", address, seen, made, first, calls)
		}
	}
	if !strings.Contains(calls, "throttle.Update mail.Put]") {
		t.Errorf("the calls are %s", calls)
	}

	s = start(t, options{mail: newPostbox()})
	owner, eve := s.proven("owner"), s.proven("eve")
	accepted(t, s.as(eve).send("POST", "/api/auth/email/change", signingUp("OWNER@example.com")))
	if m := s.box.next(t, 0); m.Kind != "change_taken" || strings.Contains(m.Text, "#") || strings.Contains(m.Text, "eve") {
		t.Errorf("the owner gets %s:\n%s", about(m), m.Text)
	}
	late := s.changeLink(s.as(eve), "late@example.com", 1)
	s.user("late") // has it by now
	if r := s.as(eve).send("POST", "/api/auth/email/verify", proving(late)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	if s.load(owner.ID).Email != owner.Email || s.load(eve.ID).Email != eve.Email {
		t.Error("an address has changed")
	}
}

// TestTheOwnerOfAFormerAddressTakesTheAccountBack, whole: the attacker's password, sessions, tokens, factors and links are gone, and so is
// the way in through the attacker's address. The owner's own factors stay.
func TestTheOwnerOfAFormerAddressTakesTheAccountBack(t *testing.T) {
	t.Attr("threat", "R12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.proven("ada")
		key := func(id string, created int64) {
			t.Helper()
			must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{
				ID: id, User: u.ID, Kind: factor.Passkey, State: factor.Active, Epoch: s.load(u.ID).Epoch, Credential: []byte(id), RPID: "localhost", Created: created,
			}))
		}
		key("the owner's", 1)
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "the owner's", User: u.ID, Issuer: "https://op.example", Subject: "1", Added: 1}))
		attacker := s.as(u)
		ok(t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, "eve@example.org", 0))))
		_, revert := s.link(s.box.next(t, 1))
		// The attacker settles in, and moves on to a second address.
		key("the attacker's", time.Now().Unix())
		must(t, s.stores.Links.Add(t.Context(), &federation.Link{ID: "the attacker's", User: u.ID, Issuer: "https://op.example", Subject: "2", Added: time.Now().Unix()}))
		must(t, s.stores.Factors.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
		ok(t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, "eve@example.net", 2))))
		_, attackers := s.link(s.box.next(t, 3))
		waiting := s.changeLink(attacker, "eve@example.com", 4)
		program := s.issue(s.load(u.ID), token.Params{Kind: token.Personal, Name: "x"})

		for _, name := range []string{"", "eve", "ada@example.com", "1"} {
			if r := s.client().send("POST", "/api/auth/email/revert", reverting(revert, name)); !isProblem(r, 400, "invalid") {
				t.Errorf("as %q: got %d %s", name, r.StatusCode, r.body)
			}
		}
		if got := s.load(u.ID); got.Email != "eve@example.net" {
			t.Fatalf("a wrong name has changed the address to %s", got.Email)
		}
		r := s.client().send("POST", "/api/auth/email/revert", reverting(revert, " ADA "))
		ok(t, r)
		reset := fmt.Sprint(r.field("secret"))
		s.secret.add(reset)
		if got := s.load(u.ID); got.Email != "ada@example.com" || !got.HasProvenEmail() || got.HasPassword() {
			t.Errorf("the user is %+v", got)
		}
		if r := attacker.send("GET", "/api/auth/sessions", nil); r.StatusCode != 401 {
			t.Errorf("the attacker's session: got %d", r.StatusCode)
		}
		if r := s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+program); r.StatusCode != 401 {
			t.Errorf("the attacker's token: got %d", r.StatusCode)
		}
		p, err := s.stores.Factors.Load(t.Context(), u.ID)
		must(t, err)
		if len(p.Factors) != 1 || p.Factors[0].ID != "the owner's" || p.RecoveryCodes != 0 {
			t.Errorf("the account has %+v", p)
		}
		if links, err := s.stores.Links.List(t.Context(), u.ID); err != nil || len(links) != 1 || links[0].ID != "the owner's" {
			t.Errorf("the account has the links %+v, %v", links, err)
		}
		for name, secret := range map[string]string{"the attacker's": attackers, "the owner's again": revert} {
			if r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada")); !isProblem(r, 403, "link_invalid") {
				t.Errorf("%s link: got %d %s", name, r.StatusCode, r.body)
			}
		}
		if r := s.as(s.load(u.ID)).send("POST", "/api/auth/email/verify", proving(waiting)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("a change that waited: got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(reset, newPassword)))
		if !s.logged(`"msg":"authn_email_revert"`) {
			t.Error("it isn't in the audit log")
		}
	})
}

// TestAnUnprovenFormerAddressTakesNothingBack: it may be a stranger's, written with a mistake.
func TestAnUnprovenFormerAddressTakesNothingBack(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	c := s.as(u)
	ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.org", 0))))
	if m := s.box.next(t, 1); m.Kind != "email_changed_unproven" || m.To != u.Email || strings.Contains(m.Text, "#") {
		t.Errorf("the former address gets %s:\n%s", about(m), m.Text)
	}
	// Neither an account without an address, nor another spelling of the same one, has a former address to tell.
	for n, from := range []string{"", "Bob@example.com"} {
		u := s.with(s.user(fmt.Sprint("bob", n)), func(u *account.User) { u.Email = from })
		c := s.as(u)
		to := "bob@example.com"
		if n == 0 {
			to = "new@example.com"
		}
		ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, to, 2+n))))
	}
	s.sent()
	if n := len(s.box.all()); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
}

// TestALinkOfARevertLastsThreeDays from the change, whenever it was sent, and ends with the account.
func TestALinkOfARevertLastsThreeDays(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	u := s.proven("ada")
	c := s.as(u)
	ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.org", 0))))
	_, secret := s.link(s.box.next(t, 1))
	if n, err := s.stores.Mail.DeleteSecrets(t.Context(), time.Now().Add(71*time.Hour).Unix(), 100); err != nil || n != 0 {
		t.Errorf("%d secrets expire within 71 hours, %v", n, err)
	}
	s.with(s.load(u.ID), func(u *account.User) { u.IsActive = false })
	if r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada")); !isProblem(r, 403, "link_invalid") {
		t.Errorf("of a disabled account: got %d %s", r.StatusCode, r.body)
	}
	s.with(s.load(u.ID), func(u *account.User) { u.IsActive = true })
	s.user("taker")
	s.with(s.user("taken"), func(u *account.User) { u.Email = "ada@example.com" })
	if r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada")); !isProblem(r, 403, "link_invalid") {
		t.Errorf("to an address of another: got %d %s", r.StatusCode, r.body)
	}
	if n, err := s.stores.Mail.DeleteSecrets(t.Context(), time.Now().Add(73*time.Hour).Unix(), 100); err != nil || n != 1 {
		t.Errorf("%d secrets expire within 73 hours, %v", n, err)
	}
}

// TestTooManyChangesOfAnAddress: a user can't flood a mailbox, nor use up what the mail server takes.
func TestTooManyChangesOfAnAddress(t *testing.T) {
	t.Attr("threat", "R05")
	box := newPostbox()
	box.idle = true
	s := start(t, options{mail: box})
	c := s.as(s.user("ada"))
	for n := range 3 {
		accepted(t, c.send("POST", "/api/auth/email/change", signingUp(fmt.Sprintf("a%d@example.org", n))))
	}
	if r := c.send("POST", "/api/auth/email/change", signingUp("b@example.org")); !isProblem(r, 429, "throttled") {
		t.Errorf("the fourth: got %d %s", r.StatusCode, r.body)
	}
	for n := range 3 {
		accepted(t, s.as(s.user(fmt.Sprint("eve", n))).send("POST", "/api/auth/email/change", signingUp("victim@example.org")))
	}
	if r := s.as(s.user("eve")).send("POST", "/api/auth/email/change", signingUp("VICTIM@example.org")); !isProblem(r, 429, "throttled") {
		t.Errorf("the fourth to one mailbox: got %d %s", r.StatusCode, r.body)
	}
}

// TestAFailingStoreLosesNoChangeOfTheAddress: 503 or a change that is done, and a revert can be repeated.
func TestAFailingStoreLosesNoChangeOfTheAddress(t *testing.T) {
	for n := 1; ; n++ {
		inner := inMemory(t)
		s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
		u := s.proven("ada")
		c := s.as(u)
		secret := s.changeLink(c, "ada@example.org", 0)
		s.sent()
		plan := &storetest.FaultPlan{Call: n}
		st := faulty(inner, plan)
		s.api.Letters.Secrets, s.api.Accounts.Store = st.Mail, st.Accounts
		r := c.send("POST", "/api/auth/email/verify", proving(secret))
		s.api.Letters.Secrets, s.api.Accounts.Store = inner.Mail, inner.Accounts
		done := s.load(u.ID).Email == "ada@example.org"
		if (r.StatusCode == 200) != done || r.StatusCode != 200 && r.StatusCode != 503 {
			t.Errorf("call %d fails: got %d %s, and the address is %s", n, r.StatusCode, r.body, s.load(u.ID).Email)
		}
		if len(plan.Calls()) < n {
			break
		}
	}
	for n := 1; ; n++ {
		inner := inMemory(t)
		s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
		c := s.as(s.proven("ada"))
		ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.org", 0))))
		_, secret := s.link(s.box.next(t, 1))
		s.sent()
		plan := &storetest.FaultPlan{Call: n}
		st := faulty(inner, plan)
		s.api.Letters.Secrets, s.api.Accounts.Store, s.api.Steps.Factors, s.api.Links = st.Mail, st.Accounts, st.Factors, st.Links
		r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada"))
		s.api.Letters.Secrets, s.api.Accounts.Store, s.api.Steps.Factors, s.api.Links = inner.Mail, inner.Accounts, inner.Factors, inner.Links
		if text, isText := r.field("secret").(string); isText {
			s.secret.add(text)
		}
		if len(plan.Calls()) < n {
			ok(t, r)
			break
		}
		if r.StatusCode != 503 {
			t.Errorf("call %d fails: got %d %s", n, r.StatusCode, r.body)
		}
		again := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada"))
		if again.StatusCode == 200 {
			s.secret.add(fmt.Sprint(again.field("secret")))
			continue
		}
		// Its very last step was done.
		if _, err := inner.Accounts.Find(t.Context(), "ada@example.com"); err != nil || !isProblem(again, 403, "link_invalid") {
			t.Errorf("call %d failed: then got %d %s, %v", n, again.StatusCode, again.body, errors.Join(err))
		}
	}
}

// moved returns a user of whose account an attacker has changed the address twice. The former addresses, the owner's and the attacker's
// first one, have a link each to take the account back, and a link for a third address waits.
func (s *server) moved(name string) (u *account.User, owners, attackers, waiting string) {
	s.t.Helper()
	u = s.proven(name)
	attacker := s.as(u)
	seen := len(s.box.all())
	ok(s.t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, name+"@one.example", seen))))
	_, owners = s.link(s.box.next(s.t, seen+1))
	ok(s.t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, name+"@two.example", seen+2))))
	_, attackers = s.link(s.box.next(s.t, seen+3))
	return s.load(u.ID), owners, attackers, s.changeLink(attacker, name+"@three.example", seen+4)
}

// administrate asks a route of the administration about a user.
func administrate(method, route string, body any) func(root *client, u *account.User) *answer {
	return func(root *client, u *account.User) *answer {
		return root.send(method, adminPath+"/users/"+u.ID+route, body)
	}
}

// TestNoFormerAddressTakesBackWhatAnAdministratorHas: an attacker who has changed the address twice has a link to the first of the new
// ones. It is void once an administrator has taken the account in hand, and so is a link for a third address.
func TestNoFormerAddressTakesBackWhatAnAdministratorHas(t *testing.T) {
	t.Attr("threat", "R12")
	measures := map[string]func(root *client, u *account.User) *answer{
		"declares it compromised": administrate("POST", "/compromised", nil),
		"sets a password":         administrate("POST", "/password", map[string]string{"password": newPassword}),
		"sets the address":        administrate("PATCH", "", map[string]string{"email": "ada@example.com"}),
	}
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, measure := range measures {
			s := start(t, options{mail: newPostbox(), stores: open})
			root := s.as(s.superuser("root"))
			u, owners, attackers, waiting := s.moved("ada")
			// What is neither about the address nor the password leaves the owner's link as it is.
			ok(t, root.send("PATCH", adminPath+"/users/"+u.ID, map[string]string{"first_name": "Ada"}))
			if n := len(s.changeSecrets(owners, attackers, waiting)); n != 3 {
				t.Fatalf("%d secrets before, want 3", n)
			}
			r := measure(root, u)
			if r.StatusCode/100 != 2 {
				t.Fatalf("%s: got %d %s", name, r.StatusCode, r.body)
			}
			if link, isText := r.field("link").(string); isText {
				s.secret.add(link[strings.Index(link, "#")+1:])
			}
			after := s.load(u.ID).Email
			for whose, secret := range map[string]string{"the owner's": owners, "the attacker's": attackers} {
				if r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, "ada")); !isProblem(r, 403, "link_invalid") {
					t.Errorf("an administrator %s: %s link: got %d %s", name, whose, r.StatusCode, r.body)
				}
			}
			if r := s.as(s.load(u.ID)).send("POST", "/api/auth/email/verify", proving(waiting)); !isProblem(r, 403, "link_invalid") {
				t.Errorf("an administrator %s: a change that waited: got %d %s", name, r.StatusCode, r.body)
			}
			if got := s.load(u.ID); got.Email != after {
				t.Errorf("an administrator %s: the address is %s", name, got.Email)
			}
		}
	})
}

// changeSecrets returns those of some secrets of links that are stored.
func (s *server) changeSecrets(secrets ...string) (stored []string) {
	s.t.Helper()
	for _, secret := range secrets {
		if _, err := s.stores.Mail.FindSecret(s.t.Context(), sha256.Sum256([]byte(secret))); err == nil {
			stored = append(stored, secret)
		}
	}
	return stored
}

// TestAMessageThatWaitsBringsNoLinkAfterTheAccountWasTakenBack, by the owner or by an administrator: the attacker's first address is told
// of the change, and can't revert it.
func TestAMessageThatWaitsBringsNoLinkAfterTheAccountWasTakenBack(t *testing.T) {
	t.Attr("threat", "R12")
	for by, takeBack := range map[string]func(s *server, root *client, u *account.User, owners string) *answer{
		"the owner": func(s *server, _ *client, _ *account.User, owners string) *answer {
			return s.client().send("POST", "/api/auth/email/revert", reverting(owners, "ada"))
		},
		"an administrator": func(_ *server, root *client, u *account.User, _ string) *answer {
			return root.send("POST", adminPath+"/users/"+u.ID+"/compromised", nil)
		},
	} {
		s := start(t, options{mail: newPostbox()})
		root := s.as(s.superuser("root"))
		u := s.proven("ada")
		attacker := s.as(u)
		ok(t, attacker.send("POST", "/api/auth/email/verify", proving(s.changeLink(attacker, "eve@example.org", 0))))
		_, owners := s.link(s.box.next(t, 1))
		secret := s.changeLink(attacker, "eve@example.net", 2)
		s.sent()
		blocked := make(chan struct{})
		s.box.mu.Lock()
		s.box.blocked = blocked
		s.box.mu.Unlock()
		other := s.user("other")
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", signingUp(other.Email))) // the mail server is busy with it
		ok(t, attacker.send("POST", "/api/auth/email/verify", proving(secret)))
		r := takeBack(s, root, u, owners)
		ok(t, r)
		for _, field := range []string{"secret", "link"} {
			if text, isText := r.field(field).(string); isText {
				s.secret.add(text[strings.Index(text, "#")+1:])
			}
		}
		s.box.mu.Lock()
		s.box.blocked = nil
		s.box.mu.Unlock()
		close(blocked)
		_, _ = s.link(s.box.to(t, other.Email))
		if m := s.box.to(t, "eve@example.org"); m.Kind != "change" {
			t.Fatalf("the first message to the attacker is %s", about(m))
		}
		s.sent()
		told := 0
		for _, m := range s.box.all() {
			if m.To == "eve@example.org" && m.Kind != "change" {
				told++
				if m.Kind != "email_changed_unproven" || strings.Contains(m.Text, "#") {
					t.Errorf("taken back by %s: the attacker gets %s:\n%s", by, about(m), m.Text)
				}
			}
		}
		if told != 1 {
			t.Errorf("taken back by %s: the address was told %d times, want once", by, told)
		}
	}
}

// TestNoCrashLosesTheOwnersWayBack: whichever call to a store is the last one, or fails, before or after it is done, the former address
// is told if the address has changed, and only then, and the link that it gets takes the account back.
func TestNoCrashLosesTheOwnersWayBack(t *testing.T) {
	t.Attr("threat", "R12")
	for _, how := range []struct{ after, rest bool }{{}, {after: true}, {rest: true}, {after: true, rest: true}} {
		for n := 1; ; n++ {
			inner := inMemory(t)
			s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
			u := s.proven("ada")
			c := s.as(u)
			secret := s.changeLink(c, "ada@example.org", 0)
			s.sent()
			plan := &storetest.FaultPlan{Call: n, After: how.after, Rest: how.rest}
			st := faulty(inner, plan)
			whole := s.api.Letters.Outbox
			s.api.Letters.Secrets, s.api.Letters.Outbox, s.api.Accounts.Store = st.Mail, s.outbox(st.Mail), st.Accounts
			r := c.send("POST", "/api/auth/email/verify", proving(secret))
			s.api.Letters.Secrets, s.api.Letters.Outbox, s.api.Accounts.Store = inner.Mail, whole, inner.Accounts
			done := s.load(u.ID).Email == "ada@example.org"
			if r.StatusCode == 200 && !done || r.StatusCode != 200 && r.StatusCode != 503 {
				t.Errorf("call %d, %+v: got %d %s, and the address is %s", n, how, r.StatusCode, r.body, s.load(u.ID).Email)
			}
			// A minute passes.
			waiting, err := inner.Mail.List(t.Context(), "", 100)
			must(t, err)
			for _, q := range waiting {
				must(t, inner.Mail.Postpone(t.Context(), q.ID, time.Now().Unix()))
			}
			other := s.user("other")
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", signingUp(other.Email))) // wakes the outbox
			_, _ = s.link(s.box.to(t, other.Email))
			s.sent()
			told := 0
			for _, m := range s.box.all() {
				if m.Kind != "email_changed" {
					continue
				}
				told++
				_, back := s.link(m)
				r := s.client().send("POST", "/api/auth/email/revert", reverting(back, "ada"))
				ok(t, r)
				s.secret.add(fmt.Sprint(r.field("secret")))
			}
			if (told == 1) != done || told > 1 {
				t.Errorf("call %d, %+v: the address has changed: %v, and the former one was told %d times", n, how, done, told)
			}
			if len(plan.Calls()) < n {
				break
			}
		}
	}
}

// TestAWishForAnAddressEndsWithTheFormerOne: once an administrator has set another address, a wish that waits gets no link.
func TestAWishForAnAddressEndsWithTheFormerOne(t *testing.T) {
	t.Attr("threat", "R10")
	s := start(t, options{mail: newPostbox()})
	u, other := s.proven("ada"), s.user("other")
	blocked := make(chan struct{})
	s.box.mu.Lock()
	s.box.blocked = blocked
	s.box.mu.Unlock()
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", signingUp(other.Email))) // the mail server is busy with it
	accepted(t, s.as(u).send("POST", "/api/auth/email/change", signingUp("ada@example.org")))
	ok(t, s.as(s.superuser("root")).send("PATCH", adminPath+"/users/"+u.ID, map[string]string{"email": "ada@example.net"}))
	s.box.mu.Lock()
	s.box.blocked = nil
	s.box.mu.Unlock()
	close(blocked)
	_, _ = s.link(s.box.to(t, other.Email))
	s.sent()
	for _, m := range s.box.all() {
		if m.To == "ada@example.org" {
			t.Errorf("there is a %s", about(m))
		}
	}
}

// TestANameThatIsTheAddressFollowsIt: the former address signs in no one, and is free for the person who has it then. Its owner takes the
// account back by the name in the message, whatever the name has become since.
func TestANameThatIsTheAddressFollowsIt(t *testing.T) {
	t.Attr("threat", "SU03")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.with(s.proven("ada"), func(u *account.User) { u.Username = "Ada@Example.com" })
		c := s.as(u)
		if r := c.send("POST", "/api/auth/email/change", signingUp("o'brien@example.org")); !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), "can't be a username") {
			t.Errorf("an address that can't be a username: got %d %s", r.StatusCode, r.body)
		}
		ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.org", 0))))
		m := s.box.next(t, 1)
		_, back := s.link(m)
		if got := s.load(u.ID); got.Username != "ada@example.org" || got.Email != "ada@example.org" {
			t.Errorf("the user is %+v", got)
		}
		if !strings.Contains(m.Text, "Your account ada@example.org") {
			t.Errorf("the message is\n%s", m.Text)
		}
		if r := s.client().login("ada@example.com", goodPassword); r.StatusCode != 401 {
			t.Errorf("by the former address: got %d", r.StatusCode)
		}
		if _, err := s.stores.Accounts.Find(t.Context(), "ada@example.com"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("the former address is taken: %v", err)
		}
		ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.net", 2))))
		s.box.next(t, 3)
		for _, name := range []string{"eve", "ada@example.com"} {
			if r := s.client().send("POST", "/api/auth/email/revert", reverting(back, name)); !isProblem(r, 400, "invalid") {
				t.Errorf("as %q: got %d %s", name, r.StatusCode, r.body)
			}
		}
		r := s.client().send("POST", "/api/auth/email/revert", reverting(back, "ada@example.org"))
		ok(t, r)
		s.secret.add(fmt.Sprint(r.field("secret")))
		if got := s.load(u.ID); got.Username != "ada@example.com" || got.Email != "ada@example.com" {
			t.Errorf("after it was taken back, the user is %+v", got)
		}
	})
}
