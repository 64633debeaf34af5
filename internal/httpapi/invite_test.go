package httpapi_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
)

// byInvitation returns a postbox whose server lets invited people sign up.
func byInvitation(...string) *postbox {
	box := newPostbox()
	box.signUps = letters.SignUps{Invite: true}
	return box
}

// invite invites an address, and returns the secret of the link in the message.
func (s *server) invite(i letters.Invitation) string {
	s.t.Helper()
	n := s.box.count("invitation")
	_, _, err := s.api.Letters.Invite(s.t.Context(), i)
	must(s.t, err)
	m := s.box.ofKind(s.t, "invitation", n)
	address, secret := s.link(m)
	if m.Kind != "invitation" || m.To != i.Address || address != s.public+"/auth/welcome" {
		s.t.Fatalf("the message is %s, with a link to %s", about(m), address)
	}
	return secret
}

// TestAnInvitedPersonMakesAnAccount with the groups and the proven address of the invitation, where strangers can't, and is signed in.
func TestAnInvitedPersonMakesAnAccount(t *testing.T) {
	t.Attr("threat", "SU08")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: byInvitation(), stores: open})
		s.superuser("root")
		must(t, s.stores.Accounts.SetGroup(t.Context(), account.Group{Name: "editors", Permissions: []string{"blog.add_post"}}))
		must(t, s.stores.Accounts.SetGroup(t.Context(), account.Group{Name: "others"}))
		if r := s.client().send("GET", "/api/auth/methods", nil); r.field("signup") != "invite" {
			t.Errorf("methods say %s", r.body)
		}
		if r := s.client().send("POST", "/api/auth/signup", signingUp("eve@example.com")); !isProblem(r, 403, "signup_closed") {
			t.Errorf("a stranger: got %d %s", r.StatusCode, r.body)
		}
		secret := s.invite(letters.Invitation{Address: "ada@example.com", Groups: []string{"editors"}})
		if _, err := s.stores.Accounts.Find(t.Context(), "ada@example.com"); !errors.Is(err, account.ErrNotFound) {
			t.Fatalf("there is an account before its address is proven: %v", err)
		}
		// A mistake costs no link.
		r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "root", "short"))
		if !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), `"username":[`) || !strings.Contains(string(r.body), `"password":[`) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		c := s.client()
		ok(t, c.send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)))
		u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
		must(t, err)
		if u.Username != "ada" || !u.HasProvenEmail() || !u.IsActive || u.IsStaff || u.IsSuperuser || !slices.Equal(u.Groups, []string{"editors"}) ||
			!slices.Equal(u.Permissions, []string{"blog.add_post"}) {
			t.Errorf("the account is %+v", u)
		}
		ok(t, c.send("GET", "/api/auth/sessions", nil)) // signed in
		ok(t, s.client().login("ada", goodPassword))
		if !s.logged(`"msg":"user_created"`, `"login":"ada"`, `"change":"+group:editors"`) || !s.logged(`"kind":"invitation"`, `"groups":"editors"`) {
			t.Error("the invitation or the account isn't in the audit log")
		}
	})
}

// TestAnInvitationCountsOnce, also for several requests at a time, and after the account has another address.
func TestAnInvitationCountsOnce(t *testing.T) {
	t.Attr("threat", "SU09")
	onEachSignUpStore(t, byInvitation, func(t *testing.T, s *server) {
		secret := s.invite(letters.Invitation{Address: "ada@example.com"})
		var all sync.WaitGroup
		var made atomic.Int32
		for n := range 4 {
			all.Go(func() {
				r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, fmt.Sprint("ada", n), goodPassword))
				switch {
				case r.StatusCode == 200:
					made.Add(1)
				case !isProblem(r, 403, "link_invalid"):
					t.Errorf("request %d: got %d %s", n, r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			t.Errorf("%d accounts were made", made.Load())
		}
		u, err := s.stores.Accounts.Find(t.Context(), "ada@example.com")
		must(t, err)
		s.with(u, func(u *account.User) { u.Email = "moved@example.com" })
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "again", goodPassword)); !isProblem(r, 403, "link_invalid") {
			t.Errorf("a used link: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestTheLatestInvitationCounts, and none after it is withdrawn, or after an account was made by another link.
func TestTheLatestInvitationCounts(t *testing.T) {
	t.Attr("threat", "SU09")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: byInvitation(), stores: open})
		s.superuser("root")
		invalid := func(what, secret string) {
			t.Helper()
			if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "eve", goodPassword)); !isProblem(r, 403, "link_invalid") {
				t.Errorf("%s: got %d %s", what, r.StatusCode, r.body)
			}
		}
		other := s.invite(letters.Invitation{Address: "bob@example.com"})
		first := s.invite(letters.Invitation{Address: "ada@example.com"})
		second := s.invite(letters.Invitation{Address: "ADA@example.com"})
		invalid("an earlier invitation", first)
		must(t, s.api.Letters.Withdraw(t.Context(), "ada@EXAMPLE.com"))
		invalid("a withdrawn invitation", second)

		// Bob signs up while it is open, and has another address by now.
		s.api.Letters.SignUps.Open = true
		ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(s.signUpLink("bob@example.com"), "bob", goodPassword)))
		u, err := s.stores.Accounts.Find(t.Context(), "bob@example.com")
		must(t, err)
		s.with(u, func(u *account.User) { u.Email = "moved@example.com" })
		invalid("an invitation of an address that had an account", other)
	})
}

// TestAnInvitationThatWasReplacedIsNotSent, nor one of an address that has an account by then.
func TestAnInvitationThatWasReplacedIsNotSent(t *testing.T) {
	t.Attr("threat", "SU09")
	box := byInvitation()
	box.idle = true
	s := start(t, options{mail: box})
	s.superuser("root")
	for _, address := range []string{"ada@example.com", "ada@example.com", "bob@example.com", "eve@example.com"} {
		_, _, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: address, Language: "de"})
		must(t, err)
	}
	s.user("bob")
	must(t, s.api.Letters.Withdraw(t.Context(), "eve@example.com"))
	inBackground(t, s.api.Letters.Run)
	s.sent()
	all := box.all()
	if len(all) != 1 || all[0].To != "ada@example.com" || !strings.HasPrefix(all[0].Subject, "Deine Einladung zu ") {
		t.Errorf("%d messages were sent: %+v", len(all), all)
	}
}

// TestAnInvitationLastsSevenDays.
func TestAnInvitationLastsSevenDays(t *testing.T) {
	t.Attr("threat", "SU09")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	secret := s.invite(letters.Invitation{Address: "ada@example.com"})
	lastsFor(t, 7*24*time.Hour, s.stores.Mail.DeleteExpiredInvitations)
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestAnInvitationGivesNoOtherGroups: if one doesn't exist any more, the link makes no account.
func TestAnInvitationGivesNoOtherGroups(t *testing.T) {
	t.Attr("threat", "SU08")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	must(t, s.stores.Accounts.SetGroup(t.Context(), account.Group{Name: "editors"}))
	_, _, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "ada@example.com", Groups: []string{"editors", "authors"}})
	if wrong, ok := errors.AsType[*account.InvalidError](err); !ok || len(wrong.Fields["groups"]) == 0 {
		t.Errorf("a group that doesn't exist: %v", err)
	}
	secret := s.invite(letters.Invitation{Address: "ada@example.com", Groups: []string{"editors"}})
	must(t, s.stores.Accounts.DeleteGroup(t.Context(), "editors"))
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	if _, err := s.stores.Accounts.Find(t.Context(), "ada"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("there is an account: %v", err)
	}
}

// TestAnInvitedAddressGetsNoSecondAccount, whether there was one before or an administrator has made one since.
func TestAnInvitedAddressGetsNoSecondAccount(t *testing.T) {
	t.Attr("threat", "SU08")
	s := start(t, options{mail: byInvitation()})
	s.superuser("root")
	s.user("bob")
	if _, _, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "BOB@example.com"}); !errors.Is(err, account.AddressErrors.Taken) {
		t.Errorf("an address that has an account: %v", err)
	}
	secret := s.invite(letters.Invitation{Address: "ada@example.com"})
	s.user("ada")
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada2", goodPassword)); !isProblem(r, 403, "link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestWhereInvitationsCount: where people can sign up by invitation or all can, with any address; not where it is closed. A link that a
// stranger asked for doesn't outlive the end of open sign-up.
func TestWhereInvitationsCount(t *testing.T) {
	t.Attr("threat", "SU08")
	s := start(t, options{mail: openTo("example.org")})
	s.superuser("root")
	invited := s.invite(letters.Invitation{Address: "ada@example.com"})
	strangers := s.signUpLink("eve@example.org")
	s.api.Letters.SignUps.Open = false
	for _, secret := range []string{invited, strangers} {
		if r := s.client().send("POST", "/api/auth/signup/complete", completing(secret, "ada", goodPassword)); !isProblem(r, 403, "signup_closed") {
			t.Errorf("where it is closed: got %d %s", r.StatusCode, r.body)
		}
	}
	s.api.Letters.SignUps.Invite = true
	if r := s.client().send("POST", "/api/auth/signup/complete", completing(strangers, "eve", goodPassword)); !isProblem(r, 403, "signup_closed") {
		t.Errorf("a stranger's link: got %d %s", r.StatusCode, r.body)
	}
	for path, body := range map[string]any{"/api/auth/email/verify": proving(invited), "/api/auth/password/reset": resetting(invited, goodPassword)} {
		if r := s.as(s.user(path[len("/api/auth/"):][:5])).send("POST", path, body); r.StatusCode != 403 {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
	s.api.Letters.SignUps = letters.SignUps{Open: true, Domains: []string{"example.org"}}
	ok(t, s.client().send("POST", "/api/auth/signup/complete", completing(invited, "ada", goodPassword)))
}
