package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// TestARevertDoesNotOvertakeAnAdministrator who takes the account in hand after the link was looked up, and before the account is written.
func TestARevertDoesNotOvertakeAnAdministrator(t *testing.T) {
	t.Attr("threat", "R12")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for name, act := range map[string]func(s *server, id string) error{
			"declares it compromised": func(s *server, id string) error {
				secret, _, err := s.api.Accounts.DeclareCompromised(context.WithoutCancel(t.Context()), id)
				s.secret.add(secret)
				return err
			},
			"sets a password": func(s *server, id string) error {
				return s.api.Accounts.SetPassword(context.WithoutCancel(t.Context()), id, newPassword)
			},
			"sets the address": func(s *server, id string) error {
				_, err := s.api.Accounts.Edit(context.WithoutCancel(t.Context()), id, func(u *account.User) error { u.Email = "right@example.com"; return nil })
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				s := start(t, options{mail: newPostbox(), stores: open})
				u, _, attackers, _ := s.moved("ada")
				var after *account.User
				var once atomic.Bool
				store := &interruptedSecrets{Store: s.stores.Mail}
				store.found = func(kind string) {
					if kind != "revert" || store.lookups.Add(1) < 2 || once.Swap(true) { // the second look is right before the account is written
						return
					}
					must(t, act(s, u.ID))
					after = s.load(u.ID)
				}
				s.api.Letters.Secrets = store
				if r := s.client().send("POST", "/api/auth/email/revert", reverting(attackers, "ada")); !isProblem(r, 403, "link_invalid") {
					t.Errorf("got %d %s", r.StatusCode, r.body)
				}
				if after == nil {
					t.Fatal("the administrator has not acted")
				}
				if now := s.load(u.ID); now.Email != after.Email || now.Epoch != after.Epoch || now.Password != after.Password {
					t.Errorf("the account is %+v, want what the administrator made of it: %+v", now, after)
				}
			})
		}
	})
}

// TestALinkOfARevertEndsBeforeAnAdministratorActs: if the process ends right after the account is written, the link is void all the same.
func TestALinkOfARevertEndsBeforeAnAdministratorActs(t *testing.T) {
	t.Attr("threat", "R12")
	for name, act := range map[string]func(s *server, id string) error{
		"declares it compromised": func(s *server, id string) error {
			_, _, err := s.api.Accounts.DeclareCompromised(t.Context(), id)
			return err
		},
		"sets a password": func(s *server, id string) error { return s.api.Accounts.SetPassword(t.Context(), id, newPassword) },
		"sets the address": func(s *server, id string) error {
			_, err := s.api.Accounts.Edit(t.Context(), id, func(u *account.User) error { u.Email = "right@example.com"; return nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{mail: newPostbox()})
			u, _, attackers, _ := s.moved("ada")
			whole, calls, ended := s.api.Accounts.EndMailed, 0, errors.New("the process has ended")
			s.api.Accounts.EndMailed = func(ctx context.Context, id string) error {
				if calls++; calls > 1 {
					return ended
				}
				return whole(ctx, id)
			}
			before := s.load(u.ID)
			if err := act(s, u.ID); !errors.Is(err, ended) {
				t.Fatalf("got %v", err)
			}
			if now := s.load(u.ID); now.Epoch == before.Epoch && now.Email == before.Email {
				t.Fatal("the account was not written")
			}
			if r := s.client().send("POST", "/api/auth/email/revert", reverting(attackers, "ada")); !isProblem(r, 403, "link_invalid") {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
		})
	}
}

// TestARefusedEditEndsNoLink of a change of the address, and no invitation that the user has made.
func TestARefusedEditEndsNoLink(t *testing.T) {
	t.Attr("threat", "R12")
	behindACacheToo(t, func(t *testing.T, open func(*testing.T) stores) {
		box := byInvitation()
		s := start(t, options{mail: box, stores: open})
		u, owners, _, _ := s.moved("ada")
		s.superuser("root")
		s.group("editors", "blog.add_post")
		clerk := s.as(s.with(s.user("clerk"), func(u *account.User) {
			u.IsStaff, u.UserPermissions = true, []string{"auth.change_user", "auth.view_user"}
		}))
		_, _, err := s.api.Letters.Invite(t.Context(), letters.Invitation{Address: "new@example.com"})
		must(t, err)
		invited, err := s.stores.Mail.Invitations(t.Context(), "", 9)
		must(t, err)
		renewed := *invited[0]
		renewed.Inviter = u.ID
		must(t, s.stores.Mail.RenewInvitation(t.Context(), renewed.Hash, &renewed))
		path := adminPath + "/users/" + u.ID
		for what, body := range map[string]map[string]any{
			"an address that is taken":                  {"email": "root@example.com"},
			"a username that is taken":                  {"email": "right@example.com", "username": "root"},
			"a group that doesn't exist":                {"email": "right@example.com", "groups": []string{"none"}},
			"a group that the administrator can't give": {"email": "right@example.com", "groups": []string{"editors"}},
		} {
			if r := clerk.send("PATCH", path, body); r.StatusCode != 400 && r.StatusCode != 403 {
				t.Errorf("%s: got %d %s", what, r.StatusCode, r.body)
			}
		}
		if left, err := s.stores.Mail.Invitations(t.Context(), "", 9); err != nil || len(left) != 1 {
			t.Errorf("%d invitations are left, %v", len(left), err)
		}
		r := s.client().send("POST", "/api/auth/email/revert", reverting(owners, "ada"))
		ok(t, r)
		s.secret.add(r.field("secret").(string))
	})
}

// TestAFormerAddressIsToldWhatAnAdministratorHasDone, once it is done, and not where the administrator was.
func TestAFormerAddressIsToldWhatAnAdministratorHasDone(t *testing.T) {
	t.Attr("threat", "R16")
	behindACacheToo(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{mail: newPostbox(), stores: open})
		root := s.as(s.superuser("root"))
		u := s.user("ada")
		path := adminPath + "/users/" + u.ID
		if r := root.send("PATCH", path, map[string]string{"email": "root@example.com"}); !isProblem(r, 400, "invalid") {
			t.Errorf("an address that is taken: got %d %s", r.StatusCode, r.body)
		}
		ok(t, root.send("PATCH", path, map[string]string{"first_name": "Ada"}))
		ok(t, root.send("PATCH", path, map[string]string{"email": "new@example.org"}))
		m := s.box.next(t, 0)
		if m.Kind != "email_moved" || m.To != u.Email || strings.Contains(m.Text, "#") || strings.Contains(m.Text, "from 127.0.0.1") || strings.Contains(m.Text, "new@") {
			t.Errorf("sent %s:\n%s", about(m), m.Text)
		}
		// The message of the refused change waits, in case it has happened after all, and says nothing once it is due.
		waiting, err := s.stores.Mail.List(t.Context(), "", 9)
		must(t, err)
		for _, q := range waiting {
			must(t, s.stores.Mail.Postpone(t.Context(), q.ID, 0))
		}
		s.sent()
		if n := len(s.box.all()); n != 1 {
			t.Errorf("%d messages were sent, want 1", n)
		}
	})
}

// interruptedSecrets is a store that calls found after it has found a secret.
type interruptedSecrets struct {
	mail.Store
	lookups atomic.Int32
	found   func(kind string)
}

func (s *interruptedSecrets) FindSecret(ctx context.Context, hash [32]byte) (*mail.LinkSecret, error) {
	found, err := s.Store.FindSecret(ctx, hash)
	if err == nil {
		s.found(found.Kind)
	}
	return found, err
}
