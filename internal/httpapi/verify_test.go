package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// verification asks for the link that proves a user's address, and returns its secret.
func (s *server) verification(c *client, n int) string {
	s.t.Helper()
	accepted(s.t, c.send("POST", "/api/auth/email/verify/send", struct{}{}))
	m := s.box.next(s.t, n)
	address, secret := s.link(m)
	if m.Kind != "verify" || address != s.public+"/auth/verify" {
		s.t.Fatalf("the message is %s, with a link to %s", about(m), address)
	}
	return secret
}

func proving(secret string) map[string]string { return map[string]string{"secret": secret} }

func TestAnAddressIsProvenInASessionOfItsAccount(t *testing.T) {
	t.Attr("threat", "R07")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u := s.user("ada")
		c := s.as(u)
		secret := s.verification(c, 0)
		if s.load(u.ID).HasProvenEmail() {
			t.Fatal("it is proven before the link was used")
		}
		if r := s.client().send("POST", "/api/auth/email/verify", proving(secret)); r.StatusCode != 401 {
			t.Errorf("without a session: got %d %s", r.StatusCode, r.body)
		}
		r := c.send("POST", "/api/auth/email/verify", proving(secret))
		ok(t, r)
		if r.field("email") != u.Email || !s.load(u.ID).HasProvenEmail() {
			t.Errorf("got %s; the user is %+v", r.body, s.load(u.ID))
		}
		if r := c.send("POST", "/api/auth/email/verify", proving(secret)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("the link again: got %d %s", r.StatusCode, r.body)
		}
		// There is nothing left to prove, so nothing is sent.
		accepted(t, c.send("POST", "/api/auth/email/verify/send", struct{}{}))
		s.sent()
		if n := len(s.box.all()); n != 1 {
			t.Errorf("%d messages were sent, want 1", n)
		}
	})
}

// TestALinkOfAnotherAccountProvesNothing: who enters a stranger's address must not get it proven by the stranger's click, nor use a link
// that was sent to somewhere else.
func TestALinkOfAnotherAccountProvesNothing(t *testing.T) {
	t.Attr("threat", "R07")
	s := start(t, options{mail: newPostbox()})
	u, other := s.user("ada"), s.user("eve")
	secret := s.verification(s.as(u), 0)
	for name, text := range map[string]string{"another's": secret, "unknown": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "empty": ""} {
		r := s.as(other).send("POST", "/api/auth/email/verify", proving(text))
		if r.StatusCode != 403 && r.StatusCode != 400 {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
	if s.load(u.ID).HasProvenEmail() || s.load(other.ID).HasProvenEmail() {
		t.Error("an address is proven")
	}
	ok(t, s.as(u).send("POST", "/api/auth/email/verify", proving(secret))) // it was not used up
}

func TestAnEditVoidsTheProof(t *testing.T) {
	t.Attr("threat", "R07")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	c := s.as(u)
	ok(t, c.send("POST", "/api/auth/email/verify", proving(s.verification(c, 0))))
	root := s.as(s.superuser("root"))
	ok(t, root.send("PATCH", "/api/auth/admin/users/"+u.ID, map[string]string{"email": "ada@example.org"}))
	if s.load(u.ID).HasProvenEmail() {
		t.Error("the new address counts as proven")
	}
	ok(t, root.send("PATCH", "/api/auth/admin/users/"+u.ID, map[string]string{"email": "ada@example.com"}))
	if !s.load(u.ID).HasProvenEmail() {
		t.Error("the address that was proven doesn't count any more")
	}
}

// TestAProofIsVoidAfterAChange of the address or the password, and after a day.
func TestAProofIsVoidAfterAChange(t *testing.T) {
	t.Attr("threat", "R07")
	s := start(t, options{mail: newPostbox()})
	for n, change := range []func(u *account.User){
		func(u *account.User) { u.Email = "other@example.com" },
		func(u *account.User) { u.Epoch = "another" },
		func(u *account.User) { u.Email = "" },
	} {
		u := s.user(fmt.Sprint("user", n))
		secret := s.verification(s.as(u), n)
		u = s.with(u, change)
		if r := s.as(u).send("POST", "/api/auth/email/verify", proving(secret)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("change %d: got %d %s", n, r.StatusCode, r.body)
		}
		if s.load(u.ID).EmailProven != "" {
			t.Errorf("change %d: an address is proven", n)
		}
	}
	u := s.user("late")
	secret := s.verification(s.as(u), 3)
	_, err := s.stores.Mail.DeleteSecrets(t.Context(), time.Now().Add(23*time.Hour).Unix(), 100)
	must(t, err)
	ok(t, s.as(u).send("POST", "/api/auth/email/verify", proving(secret)))
	u = s.user("later")
	secret = s.verification(s.as(u), 4)
	if n, err := s.stores.Mail.DeleteSecrets(t.Context(), time.Now().Add(25*time.Hour).Unix(), 100); err != nil || n == 0 {
		t.Errorf("%d secrets expire within a day, %v", n, err)
	}
	if r := s.as(u).send("POST", "/api/auth/email/verify", proving(secret)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("after a day: got %d %s", r.StatusCode, r.body)
	}
}

// TestTheFirstResetByMailRemovesWhatWasThereBefore: the account may have been made by a stranger, under this address.
func TestTheFirstResetByMailRemovesWhatWasThereBefore(t *testing.T) {
	t.Attr("threat", "R09")
	s := start(t, options{mail: newPostbox()})
	u := s.user("victim")
	stranger := s.as(u)
	plant := func() string {
		must(t, s.stores.Factors.SetRecoveryCodes(t.Context(), u.ID, [][32]byte{{1}}))
		must(t, s.stores.Factors.Add(t.Context(), &factor.Factor{
			ID: fmt.Sprint("key", len(s.box.all())), User: u.ID, Kind: factor.Passkey, State: factor.Active, Epoch: s.load(u.ID).Epoch, Credential: []byte(fmt.Sprint("credential", len(s.box.all()))), RPID: "localhost",
		}))
		return s.issue(s.load(u.ID), token.Params{Kind: token.Personal, Name: "x"})
	}
	text := plant()
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
	m := s.box.next(t, 0)
	if m.Kind != "reset_first" || !strings.Contains(m.Text, "it also") {
		t.Errorf("the message is %s:\n%s", about(m), m.Text)
	}
	_, secret := s.link(m)
	ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
	if p, err := s.stores.Factors.Load(t.Context(), u.ID); err != nil || len(p.Factors) != 0 || p.RecoveryCodes != 0 {
		t.Errorf("the account still has %+v, %v", p, err)
	}
	if r := stranger.send("GET", "/api/auth/sessions", nil); r.StatusCode != 401 {
		t.Errorf("the stranger's session: got %d", r.StatusCode)
	}
	if r := s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+text); r.StatusCode != 401 {
		t.Errorf("the stranger's token: got %d", r.StatusCode)
	}
	if !s.load(u.ID).HasProvenEmail() {
		t.Error("the address isn't proven")
	}
	// From then on, a reset leaves the owner's factors alone.
	s.box.next(t, 1) // the notice
	plant()
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
	m = s.box.next(t, 2)
	if m.Kind != "reset" {
		t.Errorf("the second message is %s", about(m))
	}
	_, secret = s.link(m)
	ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, goodPassword)))
	if p, err := s.stores.Factors.Load(t.Context(), u.ID); err != nil || len(p.Factors) != 1 || p.RecoveryCodes != 1 {
		t.Errorf("the owner has %+v, %v", p, err)
	}
}

// TestTheOwnerGetsWhatWasPreparedUnderTheirAddress: whichever way a stranger got the address into an account, nothing of the stranger's opens
// it once its owner has set a password by mail. What providers say of an address is in TestPeopleWithoutAnAccount, and sign-ups and usernames
// are in TestNoAccountWaitsForItsOwner.
func TestTheOwnerGetsWhatWasPreparedUnderTheirAddress(t *testing.T) {
	t.Attr("threat", "R09")
	const address = "victim@example.com"
	for way, prepare := range map[string]func(s *server) string{
		"the administration's form": func(s *server) string {
			r := s.as(s.superuser("root")).send("POST", "/api/auth/admin/users", map[string]any{"username": "stranger", "email": address, "password": goodPassword})
			if r.StatusCode != 200 {
				s.t.Fatalf("got %d %s", r.StatusCode, r.body)
			}
			return fmt.Sprint(r.field("id"))
		},
		"an import": func(s *server) string {
			u := *s.user("template")
			must(s.t, s.stores.Accounts.Delete(s.t.Context(), u.ID))
			u.ID, u.Username, u.Email = "", "stranger", address
			results, err := s.stores.Accounts.(store.Importer).Import(s.t.Context(), []store.ImportedUser{{Source: "elsewhere", ID: "1", User: u}}, false, nil)
			if err != nil || results[0].User == nil {
				s.t.Fatalf("got %+v, %v", results, err)
			}
			return results[0].User.ID
		},
		"a form of another program": func(s *server) string { // of Django, which knows of no proof
			u := s.user("stranger")
			s.with(u, func(u *account.User) { u.EmailProven = u.Email })
			s.with(u, func(u *account.User) { u.Email = address })
			return u.ID
		},
	} {
		s := start(t, options{mail: newPostbox(), stores: inSQLite})
		u := s.load(prepare(s))
		if u.HasProvenEmail() {
			t.Errorf("%s: the address counts as proven", way)
		}
		stranger, text := s.as(u), s.issue(u, token.Params{Kind: token.Personal, Name: "x"})
		ok(t, s.client().login("stranger", goodPassword))
		accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(address)))
		_, secret := s.link(s.box.ofKind(t, "reset_first", 0))
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
		for what, r := range map[string]*answer{
			"session":  stranger.send("GET", "/api/auth/sessions", nil),
			"token":    s.program().send("GET", "/api/me", nil, "Authorization: Bearer "+text),
			"password": s.client().login("stranger", goodPassword),
		} {
			if r.StatusCode != 401 {
				t.Errorf("%s: the stranger's %s: got %d %s", way, what, r.StatusCode, r.body)
			}
		}
		ok(t, s.client().login(address, newPassword))
	}
}

// TestALinkOfAnAdministratorProvesNoAddress: it may have been given to its owner in any way.
func TestALinkOfAnAdministratorProvesNoAddress(t *testing.T) {
	t.Attr("threat", "R07")
	s := start(t, options{mail: newPostbox()})
	u := s.user("ada")
	ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(s.resetSecret(u), newPassword)))
	if s.load(u.ID).EmailProven != "" {
		t.Error("the address is proven")
	}
}

// TestAMailedSecretIsStoredNowhere, and the address of its row opens with it alone.
func TestAMailedSecretIsStoredNowhere(t *testing.T) {
	t.Attr("threat", "MA03")
	kept := &keptSecrets{Store: inMemory(t).Mail}
	s := start(t, options{mail: newPostbox(), stores: func(t *testing.T) stores {
		st := inMemory(t)
		st.Mail = kept
		return st
	}})
	secret := s.verification(s.as(s.user("ada")), 0)
	if len(kept.all) != 1 {
		t.Fatalf("%d secrets were stored", len(kept.all))
	}
	for _, text := range []string{secret, "ada@"} {
		if row := fmt.Sprintf("%+v %s", kept.all[0], kept.all[0].Box); strings.Contains(row, text) {
			t.Errorf("the row shows %q", text)
		}
	}
}

// TestAFailingStoreProvesNothing: 503, and the link can be used again.
func TestAFailingStoreProvesNothing(t *testing.T) {
	for n := 1; ; n++ {
		inner := inMemory(t)
		s := start(t, options{mail: newPostbox(), stores: func(*testing.T) stores { return inner }})
		u := s.user("ada")
		c := s.as(u)
		secret := s.verification(c, 0)
		s.sent()
		plan := &storetest.FaultPlan{Call: n}
		st := faulty(inner, plan)
		s.api.Letters.Secrets, s.api.Letters.Accounts.Store = st.Mail, st.Accounts
		r := c.send("POST", "/api/auth/email/verify", proving(secret))
		s.api.Letters.Secrets, s.api.Letters.Accounts.Store = inner.Mail, inner.Accounts
		if len(plan.Calls()) < n {
			ok(t, r)
			break
		}
		if r.StatusCode != 503 {
			t.Errorf("call %d fails: got %d %s", n, r.StatusCode, r.body)
		}
		ok(t, c.send("POST", "/api/auth/email/verify", proving(secret)))
	}
}
