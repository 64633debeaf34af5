package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

const invitationsPath = adminPath + "/invitations"

// inviter returns a user who is staff and may invite people, with these permissions besides, and their browser.
func (s *server) inviter(name string, permissions ...string) (*account.User, *client) {
	s.t.Helper()
	u := s.with(s.user(name), func(u *account.User) {
		u.IsStaff, u.UserPermissions = true, append([]string{"auth.add_user", "auth.view_user"}, permissions...)
	})
	return u, s.as(u)
}

// TestAnAdministratorInvites: the list has the invitation, a second link replaces the first, and a withdrawn one makes no account.
func TestAnAdministratorInvites(t *testing.T) {
	t.Attr("threat", "SU08")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: byInvitation(), stores: open})
		s.superuser("root")
		_, c := s.inviter("boss")
		r := c.send("POST", invitationsPath, map[string]any{"email": "Ada@Example.com", "language": "de"})
		ok(t, r)
		if r.field("email") != "Ada@example.com" || r.field("inviter") != "boss" || r.field("printed") != false || r.field("link") != nil {
			t.Errorf("got %s", r.body)
		}
		m := s.box.next(t, 0)
		_, first := s.link(m)
		if m.To != "Ada@example.com" || !strings.HasPrefix(m.Subject, "Deine Einladung") {
			t.Errorf("sent %s %q", about(m), m.Subject)
		}
		id := r.field("id").(string)
		if all := c.send("GET", invitationsPath, nil); !slices.Equal(all.list(t, "invitations", "email"), []string{"Ada@example.com"}) {
			t.Errorf("the list is %s", all.body)
		}
		ok(t, c.send("POST", invitationsPath+"/"+id+"/send", nil))
		_, second := s.link(s.box.next(t, 1))
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(first, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("the earlier link: got %d %s", r.StatusCode, r.body)
		}
		ok(t, c.send("DELETE", invitationsPath+"/"+id, nil))
		for _, act := range []struct{ method, path string }{{"DELETE", ""}, {"POST", "/send"}} {
			if r := c.send(act.method, invitationsPath+"/"+id+act.path, nil); !isProblem(r, 404, "not_found") {
				t.Errorf("%s: got %d %s", act.method, r.StatusCode, r.body)
			}
		}
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(second, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("a withdrawn invitation: got %d %s", r.StatusCode, r.body)
		}
		if all := c.send("GET", invitationsPath, nil); len(all.list(t, "invitations", "email")) != 0 {
			t.Errorf("the list is %s", all.body)
		}
		if r := c.send("POST", invitationsPath, map[string]any{"email": "BOSS@example.com"}); !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"email":[`) {
			t.Errorf("an address that has an account: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestAnInviterGivesNoMoreThanTheyHave, neither when they invite nor when the account is made.
func TestAnInviterGivesNoMoreThanTheyHave(t *testing.T) {
	t.Attr("threat", "SU10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: byInvitation(), stores: open})
		s.superuser("root")
		s.group("editors", "blog.add_post")
		s.group("owners", "blog.delete_post")
		s.group("plain")
		boss, c := s.inviter("boss", "blog.add_post", "auth.change_group")
		rights := boss.UserPermissions
		_, clerk := s.inviter("clerk")
		inviting := func(c *client, group string) *answer {
			return c.send("POST", invitationsPath, map[string]any{"email": "ada@example.com", "groups": []string{group}})
		}
		if r := inviting(c, "owners"); !isProblem(r, 403, "permission_denied") {
			t.Errorf("a group with a right that the inviter lacks: got %d %s", r.StatusCode, r.body)
		}
		if r := inviting(clerk, "plain"); !isProblem(r, 403, "permission_denied") {
			t.Errorf("a group of which the inviter is no member: got %d %s", r.StatusCode, r.body)
		}
		if r := inviting(c, "none"); !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"groups":[`) {
			t.Errorf("a group that doesn't exist: got %d %s", r.StatusCode, r.body)
		}
		ok(t, inviting(c, "editors"))
		_, secret := s.link(s.box.next(t, 0))
		void := func(what string) {
			t.Helper()
			for path, body := range map[string]any{"complete": completing(secret, "ada", goodPassword), "link": map[string]string{"secret": secret}} {
				if r := s.client().send("POST", "/api/auth/signup/"+path, body); !isProblem(r, 403, "link_invalid") {
					t.Errorf("%s, %s: got %d %s", what, path, r.StatusCode, r.body)
				}
			}
			if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
				t.Fatalf("%s: there is an account, %v", what, err)
			}
		}
		s.group("editors", "blog.add_post", "blog.delete_post") // more than the inviter has
		void("a group with another right")
		s.group("editors", "blog.add_post")
		s.with(boss, func(u *account.User) { u.UserPermissions = []string{"auth.add_user", "blog.add_post"} })
		void("an inviter who may not add members any more")
		s.with(boss, func(u *account.User) { u.UserPermissions = []string{"auth.change_group", "blog.add_post"} })
		void("an inviter who may not make users any more")
		s.with(boss, func(u *account.User) { u.UserPermissions, u.IsStaff = rights, false })
		void("an inviter who isn't staff any more")
		s.with(boss, func(u *account.User) { u.IsStaff, u.IsActive = true, false })
		void("an inviter who is disabled")
		// A new password of the inviter ends no invitation.
		s.with(boss, func(u *account.User) { u.IsActive, u.Epoch = true, "another" })
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
		u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
		must(t, err)
		if !slices.Equal(u.Groups, []string{"editors"}) || u.IsStaff || !u.HasProvenEmail() {
			t.Errorf("the account is %+v", u)
		}
	})
}

// TestInvitationsOfAnAccountThatIsTakenAwayEnd, and don't count again once it is back.
func TestInvitationsOfAnAccountThatIsTakenAwayEnd(t *testing.T) {
	t.Attr("threat", "SU10")
	for what, act := range map[string][]string{
		"disabled": {"POST /disable", "POST /enable"}, "compromised": {"POST /compromised"}, "a new password": {"POST /password"}, "deleted": {"DELETE "},
	} {
		t.Run(what, func(t *testing.T) {
			s := start(t, options{mail: byInvitation()})
			root := s.as(s.superuser("root"))
			boss, c := s.inviter("boss")
			kept, other := s.inviter("other")
			ok(t, other.send("POST", invitationsPath, map[string]any{"email": "bob@example.com"}))
			s.box.next(t, 0) // which of two is sent first isn't certain
			ok(t, c.send("POST", invitationsPath, map[string]any{"email": "ada@example.com"}))
			_, secret := s.link(s.box.to(t, "ada@example.com"))
			for _, one := range act {
				method, path, _ := strings.Cut(one, " ")
				var body any
				if path == "/password" {
					body = map[string]string{"password": newPassword}
				}
				r := root.send(method, adminPath+"/users/"+boss.ID+path, body)
				ok(t, r)
				if link, isLink := r.field("link").(string); isLink {
					s.secret.add(link[strings.IndexByte(link, '#')+1:])
				}
			}
			if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			left, err := s.stores.Mail.Invitations(t.Context(), "", 9)
			must(t, err)
			if len(left) != 1 || left[0].Inviter != kept.ID {
				t.Errorf("%d invitations are left", len(left))
			}
		})
	}
}

// TestAPrintedInvitationProvesNoAddress, and mails nothing. Its username can't look like an address.
func TestAPrintedInvitationProvesNoAddress(t *testing.T) {
	t.Attr("threat", "SU10")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	_, c := s.inviter("boss")
	r := c.send("POST", invitationsPath, map[string]any{"email": "ada@example.com", "printed": true})
	ok(t, r)
	address, secret, _ := strings.Cut(r.field("link").(string), "#")
	s.secret.add(secret)
	if address != s.public+"/auth/welcome" {
		t.Errorf("the link leads to %s", address)
	}
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada@example.com", goodPassword)); !isProblem(r, 400, "invalid") {
		t.Errorf("an address as username: got %d %s", r.StatusCode, r.body)
	}
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
	u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
	must(t, err)
	if u.HasProvenEmail() || u.EmailProven != "" {
		t.Errorf("the address is proven: %+v", u)
	}
	s.sent()
	for _, m := range s.box.all() {
		if m.Kind == "invitation" {
			t.Errorf("sent %s", about(m))
		}
	}
	if s.logged(`"authn_email_verified"`) {
		t.Error("the audit log says that the address is verified")
	}
}

// TestAnInvitationThatIsWithdrawnMeanwhileMakesNoAccount: it was withdrawn after the link was looked up.
func TestAnInvitationThatIsWithdrawnMeanwhileMakesNoAccount(t *testing.T) {
	t.Attr("threat", "SU09")
	onEachSignUpStore(t, byInvitation, func(t *testing.T, s *server) {
		secret := s.invite(letters.Invitation{Address: "ada@example.com"})
		s.api.Letters.Secrets = withdrawn{s.stores.Mail}
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("there is an account: %v", err)
		}
	})
}

// TestAnInvitationThatIsRenewedMeanwhileMakesNoAccount by its former link, and stays for the new one.
func TestAnInvitationThatIsRenewedMeanwhileMakesNoAccount(t *testing.T) {
	t.Attr("threat", "SU09")
	onEachSignUpStore(t, byInvitation, func(t *testing.T, s *server) {
		secret := s.invite(letters.Invitation{Address: "ada@example.com"})
		var id string
		s.api.Letters.Secrets = interruptedInvitations{Store: s.stores.Mail, found: func(i *mail.Invitation) {
			id = i.ID
			renewed := *i
			renewed.Hash = [32]byte{1}
			must(t, s.stores.Mail.RenewInvitation(t.Context(), i.Hash, &renewed))
		}}
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("there is an account: %v", err)
		}
		if _, err := s.stores.Mail.LoadInvitation(t.Context(), id); err != nil {
			t.Errorf("the new link: %v", err)
		}
	})
}

// TestACancelledRequestKeepsNoAccountOfAWithdrawnInvitation, and neither does one whose invitation can't be deleted.
func TestACancelledRequestKeepsNoAccountOfAWithdrawnInvitation(t *testing.T) {
	t.Attr("threat", "SU09")
	outage := errors.New("outage")
	for what, row := range map[string]struct{ fails, want error }{"withdrawn": {nil, letters.ErrLink}, "an outage": {outage, outage}} {
		t.Run(what, func(t *testing.T) {
			s := start(t, options{mail: byInvitation()})
			s.superuser("root")
			s.api.Accounts.Store = apart{s.stores.Accounts}
			secret := s.invite(letters.Invitation{Address: "ada@example.com"})
			ctx, cancel := context.WithCancel(t.Context())
			s.api.Letters.Secrets = interruptedInvitations{Store: s.stores.Mail, deletes: func(of mail.InvitationQuery) error {
				if _, err := s.stores.Accounts.Find(t.Context(), "ada"); err != nil {
					t.Errorf("there is no account: %v", err)
				}
				_, err := s.stores.Mail.DeleteInvitations(t.Context(), of)
				must(t, err)
				cancel()
				return row.fails
			}}
			if _, _, err := s.api.Letters.CompleteSignUp(ctx, secret, account.NewUser{Username: "ada", Password: goodPassword}, account.SignUpByLink{}); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("there is an account: %v", err)
			}
		})
	}
}

// TestTheAuditLogSaysWhoseInvitationMadeAnAccount: that of the administrator who has sent the link that was used.
func TestTheAuditLogSaysWhoseInvitationMadeAnAccount(t *testing.T) {
	t.Attr("threat", "SU08")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	_, first := s.inviter("boss")
	second, c := s.inviter("other")
	r := first.send("POST", invitationsPath, map[string]any{"email": "ada@example.com"})
	ok(t, r)
	s.box.next(t, 0)
	id := r.field("id").(string)
	ok(t, c.send("POST", invitationsPath+"/"+id+"/send", nil))
	_, secret := s.link(s.box.next(t, 1))
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
	if !s.logged(`"msg":"authn_token_created"`, `"kind":"invitation"`, `"invitation":"`+id+`"`) {
		t.Error("the audit log doesn't say which invitation was made")
	}
	if !s.logged(`"msg":"user_created"`, `"login":"ada"`, `"invitation":"`+id+`"`, `"inviter":"`+second.ID+`"`) {
		t.Error("the audit log doesn't say whose invitation made the account")
	}
}

// TestAnInvitationIsNotSentAgainToAnAccount.
func TestAnInvitationIsNotSentAgainToAnAccount(t *testing.T) {
	t.Attr("threat", "SU08")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	_, c := s.inviter("boss")
	r := c.send("POST", invitationsPath, map[string]any{"email": "ada@example.com", "printed": true})
	ok(t, r)
	s.secret.add(strings.SplitN(r.field("link").(string), "#", 2)[1])
	s.user("ada")
	r = c.send("POST", invitationsPath+"/"+r.field("id").(string)+"/send", nil)
	if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"email":[`) {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestALinkSaysForWhichAddressItIs, and not once it can't be used.
func TestALinkSaysForWhichAddressItIs(t *testing.T) {
	t.Attr("threat", "SU11")
	s := start(t, options{mail: openTo()})
	s.superuser("root")
	secrets := map[string]string{"ada@example.com": s.signUpLink("ada@example.com"), "bob@example.com": s.invite(letters.Invitation{Address: "bob@example.com"})}
	for address, secret := range secrets {
		for range 2 { // it changes nothing
			if r := s.client().send("POST", "/api/auth/signup/link", map[string]string{"secret": secret}); r.StatusCode != 200 || r.field("email") != address {
				t.Errorf("%s: got %d %s", address, r.StatusCode, r.body)
			}
		}
	}
	strangers := s.signUpLink("new@example.com")
	verification := s.verification(s.as(s.user("eve")), 3)
	for _, secret := range []string{"AAAAAAAAAAAAAAAAAAAAAAAAAA", verification} {
		if r := s.client().send("POST", "/api/auth/signup/link", map[string]string{"secret": secret}); !isProblem(r, 403, "link_invalid") {
			t.Errorf("another secret: got %d %s", r.StatusCode, r.body)
		}
	}
	s.user("ada")
	if r := s.client().send("POST", "/api/auth/signup/link", map[string]string{"secret": secrets["ada@example.com"]}); !isProblem(r, 403, "link_invalid") {
		t.Errorf("an address that has an account: got %d %s", r.StatusCode, r.body)
	}
	s.api.Letters.SignUps = letters.SignUps{Invite: true}
	if r := s.client().send("POST", "/api/auth/signup/link", map[string]string{"secret": strangers}); !isProblem(r, 403, "signup_closed") {
		t.Errorf("where strangers can't sign up any more: got %d %s", r.StatusCode, r.body)
	}
}

// TestAFailingStoreIsNoAnswerToAnInvitation: the answer is 503, and the act can be repeated.
func TestAFailingStoreIsNoAnswerToAnInvitation(t *testing.T) {
	for _, act := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil}, {"POST", "", map[string]any{"email": "new@example.com"}}, {"POST", "/{id}/send", nil}, {"DELETE", "/{id}", nil},
		{"POST", "link", nil}, {"POST", "complete", nil},
	} {
		for n := 1; ; n++ {
			inner := inMemory(t)
			box := byInvitation()
			box.idle = true
			s := start(t, options{mail: box, stores: func(*testing.T) stores { return inner }})
			c := s.as(s.superuser("root"))
			printed, link, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "ada@example.com", Printed: true})
			must(t, err)
			_, secret, _ := strings.Cut(link, "#")
			s.secret.add(secret)
			send := func() *answer {
				switch act.path {
				case "link":
					return s.client().send("POST", "/api/auth/signup/link", map[string]string{"secret": secret})
				case "complete":
					return s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword))
				}
				return c.send(act.method, invitationsPath+strings.Replace(act.path, "{id}", printed.ID, 1), act.body)
			}
			plan := &storetest.FaultPlan{Call: n}
			st := faulty(inner, plan)
			s.api.Letters.Secrets, s.api.Letters.Outbox, s.api.Accounts.Store = st.Mail, s.outbox(st.Mail), st.Accounts
			r := send()
			s.api.Letters.Secrets, s.api.Letters.Outbox, s.api.Accounts.Store = inner.Mail, s.outbox(inner.Mail), inner.Accounts
			if len(plan.Calls()) < n {
				ok(t, r)
				break
			}
			if r.StatusCode != http.StatusServiceUnavailable && r.StatusCode != 200 {
				t.Errorf("%s %s, call %d fails: got %d %s", act.method, act.path, n, r.StatusCode, r.body)
			}
			if r.StatusCode == http.StatusServiceUnavailable && act.path != "complete" {
				if again := send(); again.StatusCode != 200 && again.StatusCode != 404 {
					t.Errorf("%s %s, repeated after call %d: got %d %s", act.method, act.path, n, again.StatusCode, again.body)
				}
			}
		}
	}
}

// withdrawn is a store in which an invitation is withdrawn right after it was found.
type withdrawn struct{ mail.Store }

func (s withdrawn) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	i, err := s.Store.FindInvitation(ctx, hash)
	if err == nil {
		_, err = s.Store.DeleteInvitations(ctx, mail.InvitationQuery{ID: i.ID})
	}
	return i, err
}

// interruptedInvitations is a store that calls found after it has found an invitation, and deletes before it deletes some.
type interruptedInvitations struct {
	mail.Store
	found   func(*mail.Invitation)
	deletes func(mail.InvitationQuery) error
}

func (s interruptedInvitations) FindInvitation(ctx context.Context, hash [32]byte) (*mail.Invitation, error) {
	i, err := s.Store.FindInvitation(ctx, hash)
	if err == nil && s.found != nil {
		s.found(i)
	}
	return i, err
}

func (s interruptedInvitations) DeleteInvitations(ctx context.Context, of mail.InvitationQuery) (int, error) {
	if s.deletes != nil {
		if err := s.deletes(of); err != nil {
			return 0, err
		}
	}
	return s.Store.DeleteInvitations(ctx, of)
}
