package account_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

func TestASuperuserIsStaff(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		flags := func(u *account.User, superuser, staff bool) {
			t.Helper()
			if now := s.load(u.ID); now.IsSuperuser != superuser || now.IsStaff != staff {
				t.Errorf("superuser %v, staff %v", now.IsSuperuser, now.IsStaff)
			}
		}
		made, err := s.Create(t.Context(), account.NewUser{Username: "root", Password: good, IsSuperuser: true})
		must(t, err)
		flags(made, true, true)

		u := s.enrol(ann())
		must(t, s.edit(u.ID, func(u *account.User) { u.IsSuperuser = true })())
		flags(u, true, true)
		wantCodes(t, s.edit(u.ID, func(u *account.User) { u.IsStaff = false })(), "is_staff superuser")
		flags(u, true, true)
		must(t, s.edit(u.ID, func(u *account.User) { u.IsSuperuser = false })())
		flags(u, false, true)
		must(t, s.edit(u.ID, func(u *account.User) { u.IsSuperuser = true })())
		must(t, s.edit(u.ID, func(u *account.User) { u.IsSuperuser, u.IsStaff = false, false })())
		flags(u, false, false)

		// Django can make a superuser who isn't staff. Another edit leaves that as it is.
		theirs := s.enrol(&account.User{Username: "theirs", IsActive: true, Epoch: "e", IsSuperuser: true})
		must(t, s.edit(theirs.ID, func(u *account.User) { u.FirstName = "Thea" })())
		flags(theirs, true, false)
		must(t, s.edit(theirs.ID, func(u *account.User) { u.IsStaff = true })())
		flags(theirs, true, true)
	})
}
