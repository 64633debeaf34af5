package account_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

// outcomes are what has become of users, in a form to compare.
func outcomes(all []account.Disabled) (got []string) {
	for _, d := range all {
		word := "disabled"
		switch {
		case d.Err != nil:
			word = d.Err.Error()
		case d.Already:
			word = "already"
		}
		if (d.User != nil) != (d.Err == nil) || d.User != nil && (d.User.ID != d.ID || d.User.IsActive) {
			word += ", with a wrong user"
		}
		got = append(got, d.ID+" "+word)
	}
	return got
}

// TestOfManyUsersEachIsDisabledOrNot: the rights of the administrator are compared with those of each user.
func TestOfManyUsersEachIsDisabledOrNot(t *testing.T) {
	t.Attr("threat", "W15")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		var told []string
		s.OnChange = func(id string) { told = append(told, id) }
		enrol := func(name string, change func(*account.User)) *account.User {
			u := &account.User{Username: name, IsActive: true, Epoch: "first"}
			change(u)
			return s.enrol(u)
		}
		plain := func(*account.User) {}
		admin := enrol("admin", func(u *account.User) { u.IsStaff, u.UserPermissions = true, []string{"auth.change_user"} })
		one, two := enrol("one", plain), enrol("two", plain)
		off := enrol("off", func(u *account.User) { u.IsActive = false })
		boss := enrol("boss", func(u *account.User) { u.IsSuperuser = true })
		able := enrol("able", func(u *account.User) { u.UserPermissions = []string{"blog.delete_post"} })
		by := account.Actor{ID: admin.ID, Epoch: admin.Epoch, Permission: "auth.change_user"}
		ids := []string{one.ID, boss.ID, "77", able.ID, one.ID, admin.ID, off.ID, "x", two.ID, two.ID}
		for _, again := range []bool{false, true} {
			word := map[bool]string{false: "disabled", true: "already"}[again]
			told = nil
			all, err := s.By(by).DisableAll(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			denied := account.DeniedErrors
			want := []string{
				one.ID + " " + word, boss.ID + " " + denied.Outranked.Error(), "77 " + account.ErrNotFound.Error(), able.ID + " " + denied.Outranked.Error(),
				admin.ID + " " + denied.OwnAccount.Error(), off.ID + " already", "x " + account.ErrNotFound.Error(), two.ID + " " + word,
			}
			if got := outcomes(all); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if !slices.Equal(told, []string{one.ID, off.ID, two.ID}) {
				t.Errorf("OnChange was called for %q", told)
			}
		}
		for _, u := range []*account.User{boss, able, admin} {
			if now := s.load(u.ID); !now.IsActive || now.Epoch != "first" {
				t.Errorf("%s is %+v", u.Username, now)
			}
		}
		if a, b := s.load(one.ID), s.load(two.ID); a.IsActive || b.IsActive || a.Epoch == "first" || a.Epoch == b.Epoch {
			t.Errorf("they are %+v and %+v", a, b)
		}
		if now := s.load(off.ID); now.Epoch != "first" {
			t.Errorf("the one who was disabled is at %q", now.Epoch)
		}
	})
}

// TestADemotedActorDisablesNoOne of many, and neither does one who asks for too many.
func TestADemotedActorDisablesNoOne(t *testing.T) {
	t.Attr("threat", "W15")
	each(t, func(t *testing.T, stores store.Set) {
		const most = 1000
		s := newService(t, stores)
		actor := s.enrol(&account.User{Username: "admin", IsActive: true, Epoch: "first", IsStaff: true, IsSuperuser: true})
		u := s.enrol(ann())
		ids := []string{u.ID}
		for n := range most {
			ids = append(ids, fmt.Sprint(1000+n))
		}
		by := s.By(account.Actor{ID: actor.ID, Epoch: actor.Epoch, Permission: "auth.change_user"})
		if _, err := by.DisableAll(t.Context(), ids); err == nil {
			t.Error("too many are disabled in one step")
		}
		must(t, s.edit(actor.ID, func(u *account.User) { u.IsStaff, u.IsSuperuser = false, false })())
		if _, err := by.DisableAll(t.Context(), ids[:1]); !errors.Is(err, account.DeniedErrors.Permission) {
			t.Errorf("demoted: %v", err)
		}
		must(t, s.RevokeAll(t.Context(), actor.ID))
		if _, err := by.DisableAll(t.Context(), ids[:1]); !errors.Is(err, account.ErrEpochChanged) {
			t.Errorf("signed out: %v", err)
		}
		if now := s.load(u.ID); !now.IsActive {
			t.Error("the user is disabled")
		}
		all, err := s.DisableAll(t.Context(), append(ids[:most:most], ids[0])) // the one that comes twice counts once
		if err != nil || len(all) != most || s.load(u.ID).IsActive {
			t.Errorf("%d, %v", len(all), err)
		}
		if all, err := s.DisableAll(t.Context(), nil); len(all) > 0 || err != nil {
			t.Errorf("of none: %v, %v", all, err)
		}
	})
}
