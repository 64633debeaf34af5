package account_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

func (s service) edit(id string, change func(*account.User)) func() error {
	return func() error {
		_, err := s.Edit(s.t.Context(), id, func(u *account.User) error {
			change(u)
			return nil
		})
		return err
	}
}

func TestEditKeepsHashEpochAndID(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		before := s.enrol(ann())
		other := s.enrol(&account.User{Username: "bob", IsActive: true, Epoch: "b"})
		u, err := s.Edit(t.Context(), before.ID, func(u *account.User) error {
			u.ID, u.Password, u.Epoch = other.ID, "", "another epoch"
			u.LastName = "  Smith "
			u.UserPermissions = []string{"blog.change_post", "blog.add_post", "blog.add_post"}
			return nil
		})
		must(t, err)
		if u.ID != before.ID || u.Password != before.Password || u.Epoch != before.Epoch {
			t.Errorf("edited to %+v", u)
		}
		if u.LastName != "Smith" || !slices.Equal(u.UserPermissions, []string{"blog.add_post", "blog.change_post"}) {
			t.Errorf("stored the name %q and the permissions %q", u.LastName, u.UserPermissions)
		}
		if now := s.load(other.ID); now.Username != "bob" || now.LastName != "" {
			t.Errorf("the other user is now %+v", now)
		}
	})
}

func TestAnEditThatFailsChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := ann()
		u.UserPermissions = []string{"blog.add_post"}
		before := s.enrol(u)
		for _, refusal := range []error{errors.New("no"), account.ErrNotFound} {
			after, err := s.Edit(t.Context(), before.ID, func(u *account.User) error {
				u.Username, u.UserPermissions[0] = "anne", "blog.delete_post"
				return refusal
			})
			if after != nil || err != refusal {
				t.Errorf("user %v, error %v", after, err)
			}
		}
		if now := s.load(before.ID); now.Username != "ann" || !slices.Equal(now.UserPermissions, before.UserPermissions) {
			t.Errorf("changed to %+v", now)
		}
		if after, err := s.Edit(t.Context(), "4711", func(*account.User) error { return nil }); after != nil || !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Edit of a user who doesn't exist returned %v, error %v", after, err)
		}
	})
}

func TestEditReportsAllErrorsTogether(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		must(t, s.Store.SetGroup(t.Context(), account.Group{Name: "writers"}))
		u := ann()
		u.UserPermissions = []string{"blog.add_post"}
		id := s.enrol(u).ID
		_, err := s.Edit(t.Context(), id, func(u *account.User) error {
			u.Username, u.Email, u.FirstName, u.LastName = "no blanks", "nowhere", strings.Repeat("n", 151), "line\nbreak"
			u.UserPermissions[0], u.Groups = "everything", []string{"writers"}
			return nil
		})
		wantCodes(t, err, "email invalid", "first_name max_length", "last_name invalid", "permissions invalid", "username invalid")
		err = s.edit(id, func(u *account.User) { u.Groups = []string{"writers", "readers", "editors"} })()
		wantCodes(t, err, "groups does_not_exist")
		must(t, s.edit(id, func(u *account.User) { u.Groups = []string{"writers", "writers"} })())
		if now := s.load(id); !slices.Equal(now.Groups, []string{"writers"}) {
			t.Errorf("in the groups %q", now.Groups)
		}
		err = s.edit("4711", func(u *account.User) { u.Groups = []string{"writers"} })()
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Edit of a user who doesn't exist returned %v", err)
		}
	})
}

// TestUsersOfOtherRulesCanBeEdited edits a user whose names today's rules refuse, such as one from an import or an earlier
// version.
func TestUsersOfOtherRulesCanBeEdited(t *testing.T) {
	s := newService(t, inMemory())
	before := s.enrol(&account.User{
		Username: "ﬁne user", Email: "not an address", FirstName: " A\tB ", UserPermissions: []string{"everything"}, IsActive: true, Epoch: "e",
	})
	must(t, s.SetActive(t.Context(), before.ID, false))
	must(t, s.SetActive(t.Context(), before.ID, true))
	must(t, s.edit(before.ID, func(u *account.User) { u.IsStaff, u.LastName = true, "Smith" })())
	after := s.load(before.ID)
	if after.Username != before.Username || after.Email != before.Email || after.FirstName != before.FirstName ||
		!slices.Equal(after.UserPermissions, before.UserPermissions) || after.LastName != "Smith" || !after.IsStaff {
		t.Errorf("%+v became %+v", before, after)
	}
	wantCodes(t, s.edit(before.ID, func(u *account.User) { u.Username += "!" })(), "username invalid")
}

func TestANameInUseCannotBeTakenInAnyForm(t *testing.T) {
	t.Attr("threat", "F9")
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.enrol(ann())
		eve := s.enrol(&account.User{Username: "eve", Email: "eve@example.org", IsActive: true, Epoch: "e"})
		for _, name := range []string{"ann", "ANN", "ａｎｎ", "ann@example.org", "Ann@EXAMPLE.org"} {
			wantCodes(t, s.edit(eve.ID, func(u *account.User) { u.Username = name })(), "username unique")
			_, err := s.Create(t.Context(), account.NewUser{Username: name, Password: good})
			wantCodes(t, err, "username unique")
		}
		for _, address := range []string{"ann@example.org", " Ann@Example.ORG"} {
			wantCodes(t, s.edit(eve.ID, func(u *account.User) { u.Email = address })(), "email unique")
			_, err := s.Create(t.Context(), account.NewUser{Username: "mallory", Email: address, Password: good})
			wantCodes(t, err, "email unique")
		}
		if now := s.load(eve.ID); now.Username != "eve" || now.Email != "eve@example.org" {
			t.Errorf("eve is now %+v", now)
		}
		s.signsIn("ann@example.org", good)
	})
}

func TestADeletedUsersNamesAndSessionsAreGone(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u := ann()
		u.IsSuperuser = true
		former := s.enrol(u)
		must(t, s.Delete(t.Context(), former.ID))
		if err := s.Delete(t.Context(), former.ID); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		s.refused("ann", good)
		again, err := s.Create(t.Context(), account.NewUser{Username: "ann", Email: "ann@example.org", Password: good})
		must(t, err)
		if again.Epoch == former.Epoch {
			t.Error("a new user has the epoch of one who was deleted")
		}
	})
}

func TestLookup(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		first := s.enrol(ann())
		second := s.enrol(&account.User{Username: first.ID, IsActive: true, Epoch: "2"})
		for name, want := range map[string]*account.User{
			"ANN": first, "ann@example.org": first, first.ID: second, second.ID: second,
			"": nil, "unknown": nil, "0": nil, "-1": nil, "0" + second.ID: nil, "4711": nil, strings.Repeat("9", 2000): nil,
		} {
			u, err := s.Lookup(t.Context(), name)
			switch {
			case want == nil && (u != nil || !errors.Is(err, account.ErrNotFound)):
				t.Errorf("%.20q is %+v, error %v", name, u, err)
			case want != nil && (err != nil || u.ID != want.ID):
				t.Errorf("%q is %+v, error %v, want %s", name, u, err, want.Username)
			}
		}
	})
}
