package django_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// model is a custom user model of a project.
type model struct {
	name   string // AUTH_USER_MODEL
	config cloakroom.Django
	member string // how tables that join users call the user, as in person_id
	view   string // a permission that Django has made for it
}

var (
	// people have a UUID as their key, sign in by their address, and have a column that Cloakroom doesn't know.
	people = model{"people.Person", cloakroom.Django{UserTable: "people_person", UserKey: "uid", UserLogin: "email"}, "person", "people.view_person"}
	// members have a number as their key, and Django's own columns except for the username, whose place the address takes.
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

// This is the part of the matrix that concerns users; in a long run, all of it.
func TestEachSideSeesWhatTheOtherDoesWithCustomUsers(t *testing.T) {
	t.Attr("threat", "B7")
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
		p.edit(t, id, func(u *account.User) { u.UserPermissions = []string{m.view} })
		b.may(m.view)
		made, err := p.server.Accounts.Create(t.Context(), account.NewUser{Username: "bob@example.com", Password: good})
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

// One column is both the username and the address, whichever of them is read or changed.
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
			_, err := p.server.Accounts.Create(t.Context(), account.NewUser{Username: "bob", Password: good})
			return err
		}(),
	} {
		if wrong, ok := errors.AsType[*account.InvalidError](err); !ok || len(wrong.Fields["email"]) != 1 {
			t.Errorf("%s that is no address: %v", what, err)
		}
	}
	is("refused", "anna@example.org")
}

// A single row that can't be read would make listing and importing fail for all users.
func TestRowsThatOtherProgramsHaveWrittenAreRead(t *testing.T) {
	t.Parallel()
	database := sqliteAddress(t)
	p := newPair(t, database, nil)
	p.execute(t, `CREATE TABLE crew (id integer PRIMARY KEY, username text, password text, email text, is_active bool, is_staff bool,
		date_joined datetime, last_login datetime)`)
	for _, values := range []string{
		`1, 'ann', '!', NULL, 1, NULL, '2026-01-02T03:04:05', NULL`, `2, 'bob', NULL, 'b@example.com', NULL, 1, '2026-01-02 03:04:05.678Z', NULL`,
		`3, 'cy', '!', '', 1, 1, '2026-01-02T04:04:05+01:00', '2026-01-02'`, `-4, 'dan', '!', '', 1, 1, '2026-01-02 03:04:05.678901', NULL`,
	} {
		p.execute(t, `INSERT INTO crew VALUES (`+values+`)`)
	}
	from := opened(t, django.Config{Database: database, UsersOnly: true, UserTable: "crew"})
	all, err := from.Accounts().List(t.Context(), account.Query{})
	if err != nil || len(all) != 4 {
		t.Fatalf("%d users, %v", len(all), err)
	}
	for _, u := range all {
		if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Unix(); u.DateJoined != want || u.IsActive != (u.Username != "bob") || u.IsStaff != (u.Username != "ann") {
			t.Errorf("%+v", u)
		}
	}
	if r := imported(t, target(t, ""), from); r.Created != 4 {
		t.Errorf("%+v", r)
	}
	p.execute(t, `UPDATE crew SET date_joined = 'long ago' WHERE id = 3`)
	if _, err := from.Accounts().List(t.Context(), account.Query{}); err == nil || !strings.Contains(err.Error(), `date_joined of user 3: "long ago" is not a time`) {
		t.Errorf("%v", err)
	}
}
