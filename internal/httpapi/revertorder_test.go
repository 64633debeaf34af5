package httpapi_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// reverts takes an account back by a link, and returns the secret for a new password.
func (s *server) reverts(secret, username string) string {
	s.t.Helper()
	r := s.client().send("POST", "/api/auth/email/revert", reverting(secret, username))
	ok(s.t, r)
	reset := fmt.Sprint(r.field("secret"))
	s.secret.add(reset)
	return reset
}

// TestTheAttackersLinkLeavesThatOfTheOwner, who takes the account back after the attacker has done so.
func TestTheAttackersLinkLeavesThatOfTheOwner(t *testing.T) {
	t.Attr("threat", "R12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u, owners, attackers, _ := s.moved("ada")
		theirs := s.reverts(attackers, "ada")
		if got := s.load(u.ID); got.Email != "ada@one.example" {
			t.Fatalf("the address is %s", got.Email)
		}
		reset := s.reverts(owners, "ada")
		if got := s.load(u.ID); got.Email != "ada@example.com" || !got.HasProvenEmail() {
			t.Errorf("the user is %+v", got)
		}
		if r := s.client().send("POST", "/api/auth/password/reset", resetting(theirs, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
			t.Errorf("the attacker's secret: got %d %s", r.StatusCode, r.body)
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(reset, newPassword)))
		if r := s.client().send("POST", "/api/auth/email/revert", reverting(owners, "ada")); !isProblem(r, 403, "link_invalid") {
			t.Errorf("the owner's link again: got %d %s", r.StatusCode, r.body)
		}
	})
}

// TestTheOwnersLinkEndsTheAttackersBeforeTheAccountIsGivenBack: the attacker's is void while what was added is removed, and stays void if
// that fails. The event is recorded all the same.
func TestTheOwnersLinkEndsTheAttackersBeforeTheAccountIsGivenBack(t *testing.T) {
	t.Attr("threat", "R12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		u, owners, attackers, _ := s.moved("ada")
		if r := s.client().send("POST", "/api/auth/email/revert", reverting(owners, "eve")); !isProblem(r, 400, "invalid") {
			t.Errorf("a wrong name: got %d %s", r.StatusCode, r.body)
		}
		if n := len(s.changeSecrets(attackers)); n != 1 {
			t.Error("a wrong name with the owner's link has ended another")
		}
		failed := errors.New("the store has failed")
		_, err := s.api.Letters.Revert(t.Context(), owners, "ada", netip.MustParseAddr("192.0.2.1"), func(*account.User, int64) (bool, error) {
			if r := s.client().send("POST", "/api/auth/email/revert", reverting(attackers, "ada")); !isProblem(r, 403, "link_invalid") {
				t.Errorf("the attacker's link meanwhile: got %d %s", r.StatusCode, r.body)
			}
			return false, failed
		})
		if !errors.Is(err, failed) {
			t.Fatalf("got %v", err)
		}
		if got := s.load(u.ID); got.Email != "ada@example.com" {
			t.Errorf("the address is %s", got.Email)
		}
		if !s.logged(`"msg":"authn_email_revert"`) {
			t.Error("the revert isn't in the audit log")
		}
		s.reverts(owners, "ada")
	})
}

// TestTheLinksOfChangesAreInOrder, by the times at which they expire, also within one second.
func TestTheLinksOfChangesAreInOrder(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	u := s.proven("ada")
	late := time.Now().Add(100 * time.Hour).Unix()
	must(t, s.stores.Mail.PutSecret(t.Context(), &mail.LinkSecret{Hash: [32]byte{1}, Kind: "revert", User: u.ID, Box: []byte("x"), Expires: late}))
	c := s.as(u)
	ok(t, c.send("POST", "/api/auth/email/verify", proving(s.changeLink(c, "ada@example.org", 0))))
	all, err := s.stores.Mail.SecretsOf(t.Context(), u.ID, "revert")
	must(t, err)
	if len(all) != 2 || max(all[0].Expires, all[1].Expires) != late+1 || min(all[0].Expires, all[1].Expires) != late {
		t.Errorf("the links are %+v", all)
	}
}

// TestWrongNamesWithOneLinkLeaveTheOther: the tries of the attacker's link aren't those of the owner's.
func TestWrongNamesWithOneLinkLeaveTheOther(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox(), trusted: []string{"127.0.0.1"}})
	_, owners, attackers, _ := s.moved("ada")
	throttled := false
	for n := range 30 {
		r := s.client().send("POST", "/api/auth/email/revert", reverting(attackers, "wrong"), fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", n+1))
		if throttled = isProblem(r, 429, "throttled"); throttled {
			break
		}
	}
	if !throttled {
		t.Fatal("wrong names aren't counted")
	}
	s.reverts(owners, "ada")
}

// TestTheSecretOfARevertEndsWithItsAddress, which an administrator may change meanwhile.
func TestTheSecretOfARevertEndsWithItsAddress(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	u, _, attackers, _ := s.moved("ada")
	reset := s.reverts(attackers, "ada")
	ok(t, s.as(s.superuser("root")).send("PATCH", adminPath+"/users/"+u.ID, map[string]string{"email": "ada@example.com"}))
	if r := s.client().send("POST", "/api/auth/password/reset", resetting(reset, newPassword)); !isProblem(r, 403, "reset_link_invalid") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

// TestALostAnswerToARevertLocksNoOwnerOut: a first password is set by mail to the address that the account has again.
func TestALostAnswerToARevertLocksNoOwnerOut(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	_, owners, _, _ := s.moved("ada")
	_ = s.reverts(owners, "ada")
	accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting("ada@example.com")))
	_, secret := s.link(s.box.ofKind(t, "first_password", 0))
	ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, newPassword)))
}

// TestARevertIsAChangeByTheOwner, so that a node that learns of it from the account alone tells pages so.
func TestARevertIsAChangeByTheOwner(t *testing.T) {
	t.Attr("threat", "R12")
	s := start(t, options{mail: newPostbox()})
	u, owners, _, _ := s.moved("ada")
	_ = s.reverts(owners, "ada")
	if got := s.load(u.ID); got.Epoch == u.Epoch || !got.ChangedByOwner() {
		t.Errorf("the user is %+v", got)
	}
}
