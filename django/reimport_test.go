package django_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/token"
)

// moved is a Django whose users have been imported once.
type moved struct {
	t      *testing.T
	site   *djangoserver.Site
	source string // the address of Django's database
	from   *django.DB
	server *cloakroom.Server
}

// newMoved creates a Django with these users and imports them.
func newMoved(t *testing.T, names ...string) *moved {
	t.Helper()
	m := &moved{t: t, source: sqliteAddress(t), server: target(t, "")}
	m.site = djangoserver.New(t, djangoserver.Config{Database: m.source, Keys: keys})
	m.site.Start(t)
	for _, name := range names {
		m.site.Run(t, "add", map[string]any{"name": name, "password": good, "email": name + "@example.com"}, nil)
	}
	m.from = opened(t, django.Config{Database: m.source, UsersOnly: true})
	return m
}

// imports runs an import, whose report must have this many problems.
func (m *moved) imports(problems int) *django.ImportReport {
	m.t.Helper()
	r := imported(m.t, m.server, m.from)
	if len(r.Problems) != problems {
		m.t.Errorf("%+v", r)
	}
	return r
}

func (m *moved) user(name string) *account.User {
	m.t.Helper()
	u, err := m.server.Accounts.Lookup(m.t.Context(), name)
	if err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	return u
}

func (m *moved) edit(name string, change func(u *account.User)) {
	m.t.Helper()
	_, err := m.server.Accounts.Edit(m.t.Context(), m.user(name).ID, func(u *account.User) error { change(u); return nil })
	if err != nil {
		m.t.Fatal(err)
	}
}

// execute changes Django's database directly.
func (m *moved) execute(statement string) {
	m.t.Helper()
	p := &pair{config: cloakroom.Config{DB: "django+" + m.source}}
	p.execute(m.t, statement)
}

// For example, a sign-in at Django doesn't enable a user who was disabled here.
func TestAnImportLeavesAloneWhatChangedHere(t *testing.T) {
	t.Parallel()
	m := newMoved(t, "ann", "bob")
	m.execute(`UPDATE auth_user SET is_staff = 1, is_superuser = 1`)
	m.imports(0)
	m.edit("ann", func(u *account.User) {
		u.IsActive, u.IsStaff, u.IsSuperuser, u.Email, u.LastName = false, false, false, "ann@example.org", "Here"
	})
	m.execute(`UPDATE auth_user SET last_login = '2026-11-26 10:00:00', first_name = 'Ann', last_name = ''`)
	if r := m.imports(0); r.Changed != 2 {
		t.Errorf("%+v", r)
	}
	ann := m.user("ann")
	if ann.IsActive || ann.IsStaff || ann.IsSuperuser || ann.Email != "ann@example.org" || ann.LastName != "Here" {
		t.Errorf("ann is as she was at Django: %+v", ann)
	}
	if ann.FirstName != "Ann" || ann.LastLogin == 0 {
		t.Errorf("ann isn't as she is at Django: %+v", ann)
	}
	m.execute(`UPDATE auth_user SET email = 'ann@example.net', is_active = 0 WHERE username = 'ann'`)
	m.imports(0)
	m.execute(`UPDATE auth_user SET is_active = 1 WHERE username = 'ann'`)
	if r := m.imports(0); r.Changed != 1 || !m.user("ann").IsActive || m.user("ann").Email != "ann@example.net" {
		t.Errorf("%+v, %+v", r, m.user("ann"))
	}
}

// The user's other fields are copied meanwhile, and the name as soon as it is free.
func TestANameThatIsTakenIsTriedAgain(t *testing.T) {
	t.Parallel()
	m := newMoved(t, "ann", "bob")
	if _, err := m.server.Accounts.Create(t.Context(), account.NewUser{Username: "anna", Email: "bob@example.com", Password: good}); err != nil {
		t.Fatal(err)
	}
	if r := m.imports(1); r.Problems[0].User != "bob" {
		t.Errorf("%+v", r)
	}
	ann := m.user("ann")
	m.execute(`UPDATE auth_user SET username = 'Anna', is_active = 0 WHERE username = 'ann'`)
	r := m.imports(2)
	if r.Changed != 1 || r.Unchanged != 1 || !strings.Contains(fmt.Sprint(r.Problems), "{Anna is still called ann here") {
		t.Errorf("%+v", r)
	}
	if m.user("ann").IsActive {
		t.Error("who is disabled at Django is not disabled here, for a name's sake")
	}
	m.edit("anna", func(u *account.User) { u.Username, u.Email = "hannah", "" })
	if r := m.imports(0); r.Changed != 2 || m.user("Anna").ID != ann.ID || m.user("bob").Email != "bob@example.com" {
		t.Errorf("%+v", r)
	}
	if r := m.imports(0); r.Unchanged != 2 {
		t.Errorf("%+v", r)
	}
}

// It also ends the tokens that have ended in Django, but none that was created here.
func TestAnImportReportsUsersWhoAreNoLongerInDjango(t *testing.T) {
	t.Parallel()
	m := newMoved(t, "ann", "bob", "cy", "dan")
	tokens := map[string]string{}
	for _, name := range []string{"ann", "bob", "cy"} {
		var text string
		m.site.Run(t, "token", map[string]any{"name": name}, &text)
		tokens[name] = text
	}
	knox := strings.Repeat("9f4b", 16)
	knoxTable(t, m.source, "ann", knox)
	m.from = opened(t, django.Config{Database: m.source, UsersOnly: true})
	soon := time.Now().Add(time.Minute).UTC()
	m.execute(`UPDATE knox_authtoken SET expiry = '` + soon.Format(time.DateTime) + `' WHERE digest = '` + knoxDigest(knox) + `'`)
	m.imports(0)
	dan := m.user("dan")
	own, _, err := m.server.Tokens.Create(t.Context(), token.Params{User: dan.ID, Epoch: dan.Epoch, Kind: token.DRF})
	if err != nil {
		t.Fatal(err)
	}
	m.site.Run(t, "delete", map[string]any{"name": "bob"}, nil)
	m.site.Run(t, "drop_token", map[string]any{"name": "cy"}, nil)
	m.execute(`UPDATE knox_authtoken SET expiry = NULL WHERE digest = '` + knoxDigest(knox) + `'`)
	dry, err := imports(t, m.server, m.from, 0, true)
	if err != nil || dry.Gone != 1 || dry.Ended != 2 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	r := m.imports(1)
	if r.Gone != 1 || r.Ended != 2 || r.Problems[0].User != "bob" || !strings.Contains(r.Problems[0].About, "is no longer in Django") {
		t.Errorf("%+v", r)
	}
	for text, want := range map[string]bool{tokens["ann"]: true, knox: true, own: true, tokens["bob"]: false, tokens["cy"]: false} {
		found, err := m.server.Tokens.Check(t.Context(), text, token.DRF, token.Knox)
		if (err == nil) != want {
			t.Errorf("%s: %v, want it to be good: %t", text, err, want)
		}
		if text == knox && (found == nil || !found.ExpiresAt.IsZero()) {
			t.Errorf("a token that has no end at Django any more ends here: %+v", found)
		}
	}
	m.edit("bob", func(u *account.User) { u.IsActive = false })
	m.imports(0)
}

// Django still has the tokens. One whose user has a new password at Django goes on, as it does there.
func TestAnImportBringsBackNoTokenThatHasEndedHere(t *testing.T) {
	t.Attr("threat", "X13")
	t.Parallel()
	m := newMoved(t, "ann", "bob", "cy", "dan")
	tokens := map[string]string{}
	for _, name := range []string{"ann", "bob", "cy", "dan"} {
		var text string
		m.site.Run(t, "token", map[string]any{"name": name}, &text)
		tokens[name] = text
	}
	lives := func(name string) bool {
		t.Helper()
		found, err := m.server.Tokens.Check(t.Context(), tokens[name], token.DRF)
		if err == nil {
			return m.user(name).Epoch == found.Epoch
		}
		if !errors.Is(err, token.ErrInvalid) {
			t.Fatal(err)
		}
		return false
	}
	m.imports(0)
	ann := m.user("ann")
	found, err := m.server.Tokens.List(t.Context(), ann.ID)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := m.server.Tokens.Revoke(t.Context(), ann.ID, found[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := m.server.Accounts.RevokeAll(t.Context(), m.user("bob").ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cy", "dan"} {
		m.site.Run(t, "set_password", map[string]any{"name": name, "password": better}, nil)
	}
	if err := m.server.Accounts.SetPassword(t.Context(), m.user("cy").ID, "one more horse battery staple"); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		m.imports(0)
		for _, name := range []string{"ann", "bob", "cy"} {
			if lives(name) {
				t.Errorf("after %d imports the token of %s is back", round+1, name)
			}
		}
		if !lives("dan") {
			t.Errorf("after %d imports the token of dan has ended, though only the password is new", round+1)
		}
	}
}

// User IDs are the same small numbers in every Django.
func TestAnImportFromAnotherDjangoMixesUpNoUsers(t *testing.T) {
	t.Parallel()
	m := newMoved(t, "ann", "bob", "cy")
	var text string
	m.site.Run(t, "token", map[string]any{"name": "ann"}, &text)
	m.imports(0)
	other := newMoved(t, "mallory", "mike")
	other.execute(`UPDATE auth_user SET date_joined = '2020-01-02 03:04:05', is_superuser = 1`)
	m.from = other.from
	r := m.imports(4)
	if r.Changed+r.Created+r.Ended != 0 || r.Gone != 1 || !strings.Contains(fmt.Sprint(r.Problems), "mallory not copied: in the last import, the ID 1 belonged to another user") {
		t.Errorf("%+v", r)
	}
	if ann := m.user("ann"); ann.ID != "1" || ann.IsSuperuser {
		t.Errorf("%+v", ann)
	}
	if _, err := m.server.Tokens.Check(t.Context(), text, token.DRF); err != nil {
		t.Errorf("ann's token: %v", err)
	}
}

// Once the import is done, no node honours from memory what it has taken away.
func TestAnImportIsSeenByEveryNodeAtOnce(t *testing.T) {
	t.Parallel()
	m := newMoved(t, "ann")
	address := pgserver.Test(t)
	data := t.TempDir()
	m.server = targetIn(t, address, data)
	m.imports(0)
	node := targetIn(t, address, data)
	web := httptest.NewServer(node.Handler(http.NotFoundHandler()))
	defer web.Close()
	for round := range 2 {
		password := fmt.Sprint(good, round)
		m.site.Run(t, "set_password", map[string]any{"name": "ann", "password": password}, nil)
		m.imports(0)
		ann := m.user("ann")
		text, _, err := node.Tokens.Create(t.Context(), token.Params{User: ann.ID, Epoch: ann.Epoch, Kind: token.Personal, Name: "node"})
		if err != nil {
			t.Fatal(err)
		}
		me := func() int {
			r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/api/me", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "localhost:8000"
			r.Header.Set("Authorization", "Bearer "+text)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			return answer.StatusCode
		}
		for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			if status := me(); status != http.StatusOK {
				t.Fatalf("before: %d", status)
			}
		}
		m.site.Run(t, "set_active", map[string]any{"name": "ann", "active": false}, nil)
		m.imports(0)
		if status := me(); status != http.StatusUnauthorized {
			t.Errorf("round %d, after the import: %d", round, status)
		}
		m.site.Run(t, "set_active", map[string]any{"name": "ann", "active": true}, nil)
	}
}
