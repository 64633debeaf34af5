package account_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestB7_WhateverEndsSessionsMovesTheEpochAndNothingElseDoes(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		present := good
		seen := []string{s.load(id).Epoch}
		for _, step := range []struct {
			name  string
			moves bool
			do    func() error
		}{
			{"sign-in", false, func() error { _, err := s.signIn("ann", good); return err }},
			{"ChangePassword", true, func() error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", present), better)
				present = better
				return err
			}},
			{"ChangePassword to the same", true, func() error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", present), better)
				return err
			}},
			{"SetPassword", true, func() error { return s.SetPassword(t.Context(), id, good) }},
			{"EndEverything", true, func() error { return s.EndEverything(t.Context(), id) }},
			{"enable the enabled", false, func() error { return s.SetActive(t.Context(), id, true) }},
			{"disable", true, func() error { return s.SetActive(t.Context(), id, false) }},
			{"disable the disabled", false, func() error { return s.SetActive(t.Context(), id, false) }},
			{"enable", true, func() error { return s.SetActive(t.Context(), id, true) }},
			{"edit to disabled", true, s.edit(id, func(u *account.User) { u.IsActive = false })},
			{"edit to enabled", true, s.edit(id, func(u *account.User) { u.IsActive = true })},
			{"edit names and flags", false, s.edit(id, func(u *account.User) { u.Username, u.Email, u.IsStaff = "anne", "", true })},
			{"edit nothing", false, s.edit(id, func(*account.User) {})},
		} {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			now := s.load(id).Epoch
			if moved := now != seen[len(seen)-1]; moved != step.moves || moved && slices.Contains(seen, now) {
				t.Errorf("%s: epoch %q after %q", step.name, now, seen)
			}
			seen = append(seen, now)
		}
	})
}

func (s service) edit(id string, change func(*account.User)) func() error {
	return func() error {
		_, err := s.Edit(s.t.Context(), id, func(u *account.User) error {
			change(u)
			return nil
		})
		return err
	}
}

func TestANewPasswordTakesTheOldOnesPlace(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		id := s.enrol(ann()).ID
		u, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
		must(t, err)
		if stored := s.load(id); u.ID != id || u.Epoch != stored.Epoch || u.Password != stored.Password {
			t.Errorf("changed to %+v, stored is %+v", u, stored)
		}
		s.refused("ann", good)
		s.signsIn("ann", better)
		must(t, s.SetPassword(t.Context(), id, good))
		s.refused("ann", better)
		s.signsIn("ann", good)
	})
}

func TestOfTwoChangesOfOnePasswordOneCounts(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		for what, first := range map[string]func(s service, id string) error{
			"changed": func(s service, id string) error {
				_, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
				return err
			},
			"set":        func(s service, id string) error { return s.SetPassword(t.Context(), id, better) },
			"signed-out": func(s service, id string) error { return s.EndEverything(t.Context(), id) },
			"disabled":   func(s service, id string) error { return s.SetActive(t.Context(), id, false) },
			"deleted":    func(s service, id string) error { return s.Delete(t.Context(), id) },
		} {
			s := newService(t, stores)
			u := ann()
			u.Username, u.Email = "ann-"+what, ""
			id := s.enrol(u).ID
			b := &between{beforeChange: func() { must(t, first(s, id)) }}
			changed, err := s.with(b).ChangePassword(t.Context(), id, attempt("", good), "a third horse battery staple")
			if changed != nil || err != account.ErrMoved {
				t.Errorf("%s meanwhile: user %v, error %v", what, changed, err)
			}
			if what == "changed" || what == "set" {
				s.signsIn(u.Username, better)
			}
		}
	})
}

func TestAnEditMeanwhileStandsInNoPasswordChangesWay(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	meanwhile := s.edit(id, func(u *account.User) { u.FirstName = "Ann" })
	u, err := s.with(&between{beforeChange: func() { must(t, meanwhile()) }}).
		ChangePassword(t.Context(), id, attempt("", good), better)
	if err != nil || u.FirstName != "Ann" {
		t.Errorf("changed to %+v, error %v", u, err)
	}
}

func TestP06_AChangeNeedsThePresentPasswordAndIsThrottled(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		before := s.enrol(ann())
		for range 10 {
			u, err := s.ChangePassword(t.Context(), before.ID, attempt("", wrong), better)
			if u != nil || err != account.ErrInvalidCredentials {
				t.Fatalf("user %v, error %v", u, err)
			}
		}
		if _, err := s.ChangePassword(t.Context(), before.ID, attempt("", good), better); !throttled(err) {
			t.Errorf("after ten failures: %v", err)
		}
		if _, err := s.signIn("ann", good); !throttled(err) {
			t.Errorf("signing in after ten failures to change: %v", err)
		}
		if after := s.load(before.ID); after.Password != before.Password || after.Epoch != before.Epoch {
			t.Errorf("changed to %+v", after)
		}
	})
}

func TestABadNewPasswordChangesNothing(t *testing.T) {
	s := newService(t, inMemory())
	u := ann()
	u.Username = "anastasia"
	before := s.enrol(u)
	_, err := s.ChangePassword(t.Context(), before.ID, attempt("", good), "anastasia")
	wantCodes(t, err, "new_password password_too_common", "new_password password_too_short", "new_password password_too_similar")
	err = s.SetPassword(t.Context(), before.ID, "12341234")
	wantCodes(t, err, "password password_entirely_numeric", "password password_too_common", "password password_too_short")
	if after := s.load(before.ID); after.Password != before.Password || after.Epoch != before.Epoch {
		t.Errorf("changed to %+v", after)
	}
}

func TestF11_NothingOfAPasswordIsCutOff(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	long := "Of all the words of tongue and pen, the saddest are these: it might have been, it might"
	long = long[:72] + "a"
	must(t, s.SetPassword(t.Context(), id, long))
	s.refused("ann", long[:72])
	s.refused("ann", long[:72]+"b")
	s.refused("ann", long+" ")
	s.signsIn("ann", long)
}

func TestEditKeepsHashEpochAndID(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		before := s.enrol(ann())
		other := s.enrol(&account.User{Username: "bob", IsActive: true, Epoch: "b"})
		u, err := s.Edit(t.Context(), before.ID, func(u *account.User) error {
			u.ID, u.Password, u.Epoch = other.ID, "", "another epoch"
			u.LastName = "  Smith "
			u.Direct = []string{"blog.change_post", "blog.add_post", "blog.add_post"}
			return nil
		})
		must(t, err)
		if u.ID != before.ID || u.Password != before.Password || u.Epoch != before.Epoch {
			t.Errorf("edited to %+v", u)
		}
		if u.LastName != "Smith" || !slices.Equal(u.Direct, []string{"blog.add_post", "blog.change_post"}) {
			t.Errorf("stored the name %q and the permissions %q", u.LastName, u.Direct)
		}
		if now := s.load(other.ID); now.Username != "bob" || now.LastName != "" {
			t.Errorf("the other user is now %+v", now)
		}
	})
}

func TestAnEditThatFailsChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		u := ann()
		u.Direct = []string{"blog.add_post"}
		before := s.enrol(u)
		for _, refusal := range []error{errors.New("no"), account.ErrNotFound} {
			after, err := s.Edit(t.Context(), before.ID, func(u *account.User) error {
				u.Username, u.Direct[0] = "anne", "blog.delete_post"
				return refusal
			})
			if after != nil || err != refusal {
				t.Errorf("user %v, error %v", after, err)
			}
		}
		if now := s.load(before.ID); now.Username != "ann" || !slices.Equal(now.Direct, before.Direct) {
			t.Errorf("changed to %+v", now)
		}
		if after, err := s.Edit(t.Context(), "4711", func(*account.User) error { return nil }); after != nil || !errors.Is(err, account.ErrNotFound) {
			t.Errorf("edited nobody: %v, error %v", after, err)
		}
	})
}

func TestEditSaysAllThatIsWrongTogether(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		must(t, s.Store.SetGroup(t.Context(), account.Group{Name: "writers"}))
		u := ann()
		u.Direct = []string{"blog.add_post"}
		id := s.enrol(u).ID
		_, err := s.Edit(t.Context(), id, func(u *account.User) error {
			u.Username, u.Email, u.FirstName, u.LastName = "no blanks", "nowhere", strings.Repeat("n", 151), "line\nbreak"
			u.Direct[0], u.Groups = "everything", []string{"writers"}
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
			t.Errorf("edited nobody: %v", err)
		}
	})
}

// TestUsersOfOtherRulesCanBeEdited has a user as an import might bring it, or an earlier version of the rules.
func TestUsersOfOtherRulesCanBeEdited(t *testing.T) {
	s := newService(t, inMemory())
	before := s.enrol(&account.User{
		Username: "ﬁne user", Email: "not an address", FirstName: " A\tB ", Direct: []string{"everything"}, IsActive: true, Epoch: "e",
	})
	must(t, s.SetActive(t.Context(), before.ID, false))
	must(t, s.SetActive(t.Context(), before.ID, true))
	must(t, s.edit(before.ID, func(u *account.User) { u.IsStaff, u.LastName = true, "Smith" })())
	after := s.load(before.ID)
	if after.Username != before.Username || after.Email != before.Email || after.FirstName != before.FirstName ||
		!slices.Equal(after.Direct, before.Direct) || after.LastName != "Smith" || !after.IsStaff {
		t.Errorf("%+v became %+v", before, after)
	}
	wantCodes(t, s.edit(before.ID, func(u *account.User) { u.Username += "!" })(), "username invalid")
}

func TestF9_NobodyTakesAnothersNameInAnyForm(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrol(ann())
		eve := s.enrol(&account.User{Username: "eve", Email: "eve@example.org", IsActive: true, Epoch: "e"})
		for _, name := range []string{"ann", "ANN", "ａｎｎ", "ann@example.org", "Ann@EXAMPLE.org"} {
			wantCodes(t, s.edit(eve.ID, func(u *account.User) { u.Username = name })(), "username unique")
			_, err := s.Create(t.Context(), account.New{Username: name, Password: good})
			wantCodes(t, err, "username unique")
		}
		for _, address := range []string{"ann@example.org", " Ann@Example.ORG"} {
			wantCodes(t, s.edit(eve.ID, func(u *account.User) { u.Email = address })(), "email unique")
			_, err := s.Create(t.Context(), account.New{Username: "mallory", Email: address, Password: good})
			wantCodes(t, err, "email unique")
		}
		if now := s.load(eve.ID); now.Username != "eve" || now.Email != "eve@example.org" {
			t.Errorf("eve is now %+v", now)
		}
		s.signsIn("ann@example.org", good)
	})
}

func TestCreateSaysAllThatIsWrongTogether(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		s.enrol(ann())
		u, err := s.Create(t.Context(), account.New{
			Username: "ann", Email: "ann@example.org", FirstName: "\x00", LastName: strings.Repeat("é", 151), Password: "annxq",
		})
		wantCodes(t, err, "email unique", "first_name invalid", "last_name max_length",
			"password password_too_short", "password password_too_similar", "password password_too_similar", "username unique")
		if u != nil {
			t.Errorf("created %+v", u)
		}
		_, err = s.Create(t.Context(), account.New{Email: "ann@"})
		wantCodes(t, err, "email invalid", "password password_too_common", "password password_too_short", "username blank")
		if users, err := s.Store.List(t.Context(), account.Query{}); len(users) != 1 || err != nil {
			t.Errorf("users %v, error %v", users, err)
		}
	})
}

func TestANameTakenMeanwhileIsTaken(t *testing.T) {
	s := newService(t, inMemory())
	b := &between{afterFind: func() { s.enrol(&account.User{Username: "dan", IsActive: true, Epoch: "d"}) }}
	u, err := s.with(b).Create(t.Context(), account.New{Username: "Dan", Password: good})
	wantCodes(t, err, "username unique")
	if u != nil {
		t.Errorf("created %+v", u)
	}
}

func TestACreatedUserCanSignIn(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		u, err := s.Create(t.Context(), account.New{
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
		second, err := s.Create(t.Context(), account.New{Username: "dan2", Password: good})
		must(t, err)
		if second.Epoch == u.Epoch || second.Password == u.Password {
			t.Error("two users share an epoch or a hash")
		}
	})
}

func TestADeletedUsersNamesAndSessionsAreGone(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		u := ann()
		u.IsSuperuser = true
		former := s.enrol(u)
		must(t, s.Delete(t.Context(), former.ID))
		if err := s.Delete(t.Context(), former.ID); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		s.refused("ann", good)
		again, err := s.Create(t.Context(), account.New{Username: "ann", Email: "ann@example.org", Password: good})
		must(t, err)
		if again.Epoch == former.Epoch {
			t.Error("a new user has the epoch of one who was deleted")
		}
	})
}

func TestLookup(t *testing.T) {
	each(t, func(t *testing.T, stores storetest.Stores) {
		s := newService(t, stores)
		first := s.enrol(ann())
		second := s.enrol(&account.User{Username: first.ID, IsActive: true, Epoch: "2"})
		for name, want := range map[string]*account.User{
			"ANN": first, "ann@example.org": first, first.ID: second, second.ID: second,
			"": nil, "nobody": nil, "0": nil, "-1": nil, "0" + second.ID: nil, "4711": nil, strings.Repeat("9", 2000): nil,
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

// TestAnOutageIsNoVerdict lets each call of each method to the stores fail, one at a time.
func TestAnOutageIsNoVerdict(t *testing.T) {
	type deed func(s service, id string) (*account.User, error)
	without := func(do func(s service, id string) error) deed {
		return func(s service, id string) (*account.User, error) { return nil, do(s, id) }
	}
	for name, do := range map[string]deed{
		"sign-in":       func(s service, _ string) (*account.User, error) { return s.signIn("ann", good) },
		"wrong":         func(s service, _ string) (*account.User, error) { return s.signIn("ann", wrong) },
		"unknown":       func(s service, _ string) (*account.User, error) { return s.signIn("nobody", good) },
		"weak hash":     func(s service, _ string) (*account.User, error) { return s.signIn("old", djangoPassword) },
		"Lookup":        func(s service, id string) (*account.User, error) { return s.Lookup(t.Context(), id) },
		"SetPassword":   without(func(s service, id string) error { return s.SetPassword(t.Context(), id, better) }),
		"disable":       without(func(s service, id string) error { return s.SetActive(t.Context(), id, false) }),
		"EndEverything": without(func(s service, id string) error { return s.EndEverything(t.Context(), id) }),
		"Delete":        without(func(s service, id string) error { return s.Delete(t.Context(), id) }),
		"SetupSecret":   without(func(s service, _ string) error { _, err := s.SetupSecret(t.Context()); return err }),
		"NeedsSetup":    without(func(s service, _ string) error { _, err := s.NeedsSetup(t.Context()); return err }),
		"Confirm": func(s service, id string) (*account.User, error) {
			return s.Confirm(t.Context(), id, attempt("", good))
		},
		"ChangePassword": func(s service, id string) (*account.User, error) {
			return s.ChangePassword(t.Context(), id, attempt("", good), better)
		},
		"Edit": func(s service, id string) (*account.User, error) {
			return s.Edit(t.Context(), id, func(u *account.User) error { u.Groups = []string{"nobody's"}; return nil })
		},
		"Create": func(s service, _ string) (*account.User, error) {
			return s.Create(t.Context(), account.New{Username: "dan", Email: "dan@example.org", Password: good})
		},
		"CreateFirst": func(s service, _ string) (*account.User, error) {
			return s.CreateFirst(t.Context(), "secret", account.New{Username: "dan", Password: good})
		},
	} {
		for n := 1; ; n++ {
			stores, plan := inMemory(), &storetest.Plan{Call: n}
			safe, s := newService(t, stores), newService(t, storetest.Faulty(stores, plan))
			safe.enrolTheHopeless()
			u, err := safe.Lookup(t.Context(), "ann")
			must(t, err)
			got, err := do(s, u.ID)
			if len(plan.Calls()) < n {
				break
			}
			if got != nil || !errors.Is(err, storetest.ErrFault) || errors.Is(err, account.ErrInvalidCredentials) || errors.Is(err, account.ErrNotFound) {
				t.Errorf("%s, call %d of %q failed: user %v, error %v", name, n, plan.Calls(), got, err)
			}
			if now := safe.load(u.ID); now.Password != u.Password || now.Epoch != u.Epoch {
				t.Errorf("%s, call %d of %q failed, and changed %+v", name, n, plan.Calls(), now)
			}
		}
	}
}

func TestWithoutRoomNothingIsChanged(t *testing.T) {
	s := newService(t, inMemory())
	id := s.enrol(ann()).ID
	s.Hasher = noRoom()
	for name, do := range map[string]func() error{
		"Create": func() error {
			_, err := s.Create(t.Context(), account.New{Username: "dan", Password: good})
			return err
		},
		"ChangePassword": func() error {
			_, err := s.ChangePassword(t.Context(), id, attempt("", good), better)
			return err
		},
		"SetPassword": func() error { return s.SetPassword(t.Context(), id, better) },
	} {
		if err := do(); !busy(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if u := s.load(id); u.Password != goodHash() || u.Epoch != "the first epoch" {
		t.Errorf("changed to %+v", u)
	}
	if _, err := s.Lookup(t.Context(), "dan"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("created: %v", err)
	}
}

func TestEveryProblemIsInTheError(t *testing.T) {
	err := &account.InvalidError{Fields: map[string][]password.Problem{
		"username": {{Code: "a", Message: "First."}, {Code: "b", Message: "Second."}}, "email": {{Code: "c", Message: "Third."}},
	}}
	if got := fmt.Sprint(err); got != "email: Third. username: First. username: Second." {
		t.Errorf("%s", got)
	}
}
