package django_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// model is a user model of a project's own.
type model struct {
	name   string // AUTH_USER_MODEL
	config cloakroom.Django
	member string // how tables that join users call the user, as in person_id
	view   string // a permission that Django has made for it
}

var (
	// people have a UUID for a key, an address to sign in by, and a column that Cloakroom doesn't know.
	people = model{"people.Person", cloakroom.Django{UserTable: "people_person", UserKey: "uid", UserLogin: "email"}, "person", "people.view_person"}
	// members have a number for a key, and are Django's own but for the name, which is the address.
	members = model{"members.Member", cloakroom.Django{UserTable: "club_member", UserLogin: "email"}, "member", "members.view_member"}
)

// newModelPair starts both programs on a database with such users.
func newModelPair(t testing.TB, database string, m model) *pair {
	t.Helper()
	p := newPair(t, database, func(d *djangoserver.Config, c *cloakroom.Config) { d.UserModel, c.Django = m.name, m.config })
	p.member = m.member
	return p
}

func eachModel(t *testing.T, test func(t *testing.T, p *pair, m model)) {
	for _, m := range []model{people, members} {
		t.Run(m.name, func(t *testing.T) {
			each(t, func(t *testing.T, address func(t testing.TB) string) { test(t, newModelPair(t, address(t), m), m) })
		})
	}
}

// TestB7_EachSideSeesWhatTheOtherDoesWithCustomUsers is the matrix with them; of it what concerns users, unless there is time.
func TestB7_EachSideSeesWhatTheOtherDoesWithCustomUsers(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, p *pair, _ model) {
		p.only = []string{"sign in", "read", "sign out", "password change", "password change by an administrator", "disable",
			"permission change", "group change", "user deleted", "user made"}
		if os.Getenv("CLOAKROOM_LONG") != "" {
			p.only = nil
		}
		p.agreesInEachCell(t)
	})
}

func TestCustomUsersAreListedAndChanged(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, p *pair, m model) {
		var id string
		p.site.Run(t, "add", map[string]any{"name": "ann@example.com", "password": good, "first_name": "Ann"}, &id)
		b := p.person(t)
		b.signsIn("Django", "ann@example.com", good)
		p.edit(t, id, func(u *account.User) { u.Direct = []string{m.view} })
		b.may(m.view)
		made, err := p.server.Accounts.Create(t.Context(), account.New{Username: "bob@example.com", Password: good})
		if err != nil {
			t.Fatal(err)
		}
		if uuid := m.config.UserKey == "uid"; uuid != (len(made.ID) == 36) {
			t.Errorf("the ID is %s", made.ID)
		}
		all, err := p.server.Accounts.Store.List(t.Context(), account.Query{})
		if err != nil || len(all) != 2 || m.config.UserKey == "uid" && !slices.IsSortedFunc(all, func(a, b *account.User) int { return strings.Compare(a.ID, b.ID) }) {
			t.Errorf("%d users, %v", len(all), err)
		}
		after, err := p.server.Accounts.Store.List(t.Context(), account.Query{After: all[0].ID, Search: "EXAMPLE"})
		if err != nil || len(after) != 1 || after[0].ID != all[1].ID {
			t.Errorf("%d users after the first, %v", len(after), err)
		}
	})
}

// TestAnAddressToSignInByIsTheNameAndTheAddress: the one column is both, whichever is read or changed.
func TestAnAddressToSignInByIsTheNameAndTheAddress(t *testing.T) {
	t.Parallel()
	p := newModelPair(t, sqliteAddress(t), members)
	var id string
	p.site.Run(t, "add", map[string]any{"name": "ann@example.com", "password": good}, &id)
	is := func(what, want string) {
		t.Helper()
		u, err := p.server.Accounts.Store.Load(t.Context(), id)
		if err != nil || u.Username != want || u.Email != want {
			t.Errorf("%s: %q, %q, want %s; %v", what, u.Username, u.Email, want, err)
		}
		p.person(t).signsIn("Django", want, good)
	}
	is("made in Django", "ann@example.com")
	p.edit(t, id, func(u *account.User) { u.Email = "ann@example.org" })
	is("another address", "ann@example.org")
	p.edit(t, id, func(u *account.User) { u.Username = "anna@example.org" })
	is("another name", "anna@example.org")
	p.edit(t, id, func(u *account.User) { u.Email = "" })
	is("no address", "anna@example.org")
	for what, err := range map[string]error{
		"a name": func() error {
			_, err := p.server.Accounts.Edit(t.Context(), id, func(u *account.User) error { u.Username = "anna"; return nil })
			return err
		}(),
		"the name of a new user": func() error {
			_, err := p.server.Accounts.Create(t.Context(), account.New{Username: "bob", Password: good})
			return err
		}(),
	} {
		if wrong, ok := errors.AsType[*account.InvalidError](err); !ok || len(wrong.Fields["email"]) != 1 {
			t.Errorf("%s that is no address: %v", what, err)
		}
	}
	is("refused", "anna@example.org")
}
