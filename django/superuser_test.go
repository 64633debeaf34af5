package django_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

func TestASuperuserMadeBesideDjangoIsStaff(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		_, id := p.user(t)
		made, err := p.server.Accounts.Create(t.Context(), account.NewUser{Username: "root", Password: good, IsSuperuser: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.server.Accounts.Edit(t.Context(), id, func(u *account.User) error {
			u.IsSuperuser = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{made.ID, id} {
			if u, err := p.server.Accounts.Store.Load(t.Context(), id); err != nil || !u.IsSuperuser || !u.IsStaff {
				t.Errorf("%+v, %v", u, err)
			}
		}
	})
}
