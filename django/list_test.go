package django_test

import (
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

func TestTheMembersOfAGroupAreListed(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		s := opened(t, django.Config{Database: database, Keys: keys}).Accounts()
		for _, group := range []string{"staff", "others"} {
			if err := s.SetGroup(t.Context(), account.Group{Name: group}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"ann", "bob", "carl", "dora"} {
			u := &account.User{Username: name, DateJoined: 1, Password: "!", Groups: []string{"others", "staff"}}
			if name == "bob" {
				u.Groups = nil
			}
			if err := s.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		picks := func(q account.Query, want ...string) {
			t.Helper()
			found, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, u := range found {
				names = append(names, u.Username)
			}
			if !slices.Equal(names, want) {
				t.Errorf("%+v finds %v, want %v", q, names, want)
			}
		}
		picks(account.Query{Group: "staff"}, "ann", "carl", "dora")
		picks(account.Query{Group: "staff", Search: "CARL", Limit: 1}, "carl")
		picks(account.Query{Group: "staff", Limit: 2}, "ann", "carl")
		carl, err := s.Find(t.Context(), "carl")
		if err != nil {
			t.Fatal(err)
		}
		picks(account.Query{Group: "staff", After: carl.ID}, "dora")
		for _, missing := range []string{"Staff", "staff ", "unknown"} {
			picks(account.Query{Group: missing})
		}
		if err := s.DeleteGroup(t.Context(), "staff"); err != nil {
			t.Fatal(err)
		}
		picks(account.Query{Group: "staff"})
		picks(account.Query{Group: "others"}, "ann", "carl", "dora")
	})
}
