package httpapi_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// interruptedFind is a store of accounts that calls found once, after it has found a user.
type interruptedFind struct {
	account.Store
	found atomic.Pointer[func()]
}

func (f *interruptedFind) Find(ctx context.Context, key string) (*account.User, error) {
	u, err := f.Store.Find(ctx, key)
	if err == nil {
		if found := f.found.Swap(nil); found != nil {
			(*found)()
		}
	}
	return u, err
}

// TestAForgottenPasswordDoesNotOvertakeAnAdministrator who acts after the account was looked up for the message: the administrator's link
// stays the only one, and what is mailed tells what the account is by now.
func TestAForgottenPasswordDoesNotOvertakeAnAdministrator(t *testing.T) {
	t.Attr("threat", "X10")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		store := &interruptedFind{}
		s := start(t, options{mail: newPostbox(), stores: func(t *testing.T) stores {
			all := open(t)
			store.Store = all.Accounts
			all.Accounts = store
			return all
		}})
		ask := func(u *account.User, act func()) {
			store.found.Store(&act)
			accepted(t, s.client().send("POST", "/api/auth/password/forgot", forgetting(u.Email)))
		}
		u := s.proven("ada")
		var link string
		ask(u, func() {
			secret, _, err := s.api.Accounts.DeclareCompromised(context.WithoutCancel(t.Context()), u.ID)
			if err != nil {
				t.Error(err)
			}
			link = secret
			s.secret.add(secret)
		})
		if m := s.box.to(t, u.Email); m.Kind != "no_password" {
			t.Errorf("sent %s", about(m))
		}
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(link, newPassword)))

		other := s.proven("bob")
		ask(other, func() {
			if err := s.api.Accounts.SetPassword(context.WithoutCancel(t.Context()), other.ID, newPassword); err != nil {
				t.Error(err)
			}
		})
		_, secret := s.link(s.box.to(t, other.Email))
		ok(t, s.client().send("POST", "/api/auth/password/reset", resetting(secret, goodPassword))) // of the account as it is by now
	})
}
