package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/store"
)

func TestCreateReportsAllErrorsTogether(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		s.enrol(ann())
		u, err := s.Create(t.Context(), account.NewUser{
			Username: "ann", Email: "ann@example.org", FirstName: "\x00", LastName: strings.Repeat("é", 151), Password: "annxq",
		})
		wantCodes(t, err, "email unique", "first_name invalid", "last_name max_length",
			"password password_too_short", "password password_too_similar", "password password_too_similar", "username unique")
		if u != nil {
			t.Errorf("created %+v", u)
		}
		_, err = s.Create(t.Context(), account.NewUser{Email: "ann@"})
		wantCodes(t, err, "email invalid", "password password_too_common", "password password_too_short", "username blank")
		if users, err := s.Store.List(t.Context(), account.Query{}); len(users) != 1 || err != nil {
			t.Errorf("users %v, error %v", users, err)
		}
	})
}

func TestANameTakenMeanwhileIsRefused(t *testing.T) {
	s := newService(t, inMemory())
	b := &between{afterFind: func() { s.enrol(&account.User{Username: "dan", IsActive: true, Epoch: "d"}) }}
	u, err := s.with(b).Create(t.Context(), account.NewUser{Username: "Dan", Password: good})
	wantCodes(t, err, "username unique")
	if u != nil {
		t.Errorf("created %+v", u)
	}
}

func TestACreatedUserCanSignIn(t *testing.T) {
	each(t, func(t *testing.T, stores store.Set) {
		s := newService(t, stores)
		u, err := s.Create(t.Context(), account.NewUser{
			Username: "Ｄan", Email: " Dan@EXAMPLE.org", FirstName: " Dan", LastName: "Brown ", Password: good, IsStaff: true,
		})
		must(t, err)
		if u.Username != "Dan" || u.Email != "Dan@example.org" || u.FirstName != "Dan" || u.LastName != "Brown" ||
			!u.IsActive || !u.IsStaff || u.IsSuperuser || u.DateJoined == 0 || u.LastLogin != 0 || len(u.Epoch) < 20 {
			t.Errorf("created %+v", u)
		}
		if signed := s.signsIn("dan", good); signed.ID != u.ID {
			t.Errorf("signed in as %+v", signed)
		}
		second, err := s.Create(t.Context(), account.NewUser{Username: "dan2", Password: good})
		must(t, err)
		if second.Epoch == u.Epoch || second.Password == u.Password {
			t.Error("two users share an epoch or a hash")
		}
	})
}

func TestEveryProblemIsInTheError(t *testing.T) {
	err := &account.InvalidError{Fields: map[string][]password.Problem{
		"username": {{Code: "a", Message: "First."}, {Code: "b", Message: "Second."}}, "email": {{Code: "c", Message: "Third."}},
	}}
	if got := fmt.Sprint(err); got != "email: Third. username: First. username: Second." {
		t.Errorf("%s", got)
	}
}
