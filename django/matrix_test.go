package django_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// cells are the actions that either program may do, and that the other must see with its very next request.
var cells = []struct {
	what                  string
	inDjango, inCloakroom func(t *testing.T, p *pair)
}{
	{"sign in", signInAt("Django"), signInAt("Cloakroom")},
	{"read", readAt("Cloakroom", "Django"), readAt("Django", "Cloakroom")},
	{"sign out", signOutInDjango, signOutInCloakroom},
	{"password change", passwordInDjango, passwordInCloakroom},
	{"password change by an administrator", adminPasswordInDjango, adminPasswordInCloakroom},
	{"disable", disableInDjango, disableInCloakroom},
	{"permission change", permissionInDjango, permissionInCloakroom},
	{"group change", groupInDjango, groupInCloakroom},
	{"non-ASCII session values", valuesInDjango(strange), valuesInCloakroom(strange)},
	{"values over the compression threshold", valuesInDjango(long), valuesInCloakroom(long)},
	{"_session_expiry as a number", expiryInDjango, expiryInCloakroom},
	{"_session_expiry as a date", dateInDjango, dateInCloakroom},
	{"hash upgrade by Django", upgradeInDjango, upgradeInCloakroom},
	{"user deleted", deleteInDjango, deleteInCloakroom},
	{"user made", makeInDjango, makeInCloakroom},
}

// TestEachSideSeesWhatTheOtherDoes is the matrix.
func TestEachSideSeesWhatTheOtherDoes(t *testing.T) {
	t.Attr("threat", "B7")
	each(t, func(t *testing.T, address func(t testing.TB) string) { newPair(t, address(t), nil).agreesInEachCell(t) })
}

func (p *pair) agreesInEachCell(t *testing.T) {
	before := p.bystanders(t)
	for _, c := range cells {
		if p.only != nil && !slices.Contains(p.only, c.what) {
			continue
		}
		if p.feed && c.what == "read" {
			continue // one's own uses are written down a few seconds later, in a batch
		}
		t.Run(c.what+", done in Django", func(t *testing.T) { c.inDjango(t, p) })
		t.Run(c.what+", done in Cloakroom", func(t *testing.T) { c.inCloakroom(t, p) })
	}
	t.Run("nothing else has changed", func(t *testing.T) { p.unchanged(t, before) })
}

func signInAt(side string) func(t *testing.T, p *pair) {
	return func(t *testing.T, p *pair) {
		name, _ := p.user(t)
		b := p.person(t)
		b.isAnonymous()
		b.signsIn(side, name, good)
		b.is(name)
		if status := p.person(t).signIn(side, name, better); status == http.StatusOK {
			t.Error("a wrong password passes")
		}
	}
}

// readAt reads often, at one program, what the other has written. Django leaves the row as it is; Cloakroom writes the use,
// but at most once a minute.
func readAt(made, read string) func(t *testing.T, p *pair) {
	return func(t *testing.T, p *pair) {
		name, _ := p.user(t)
		b := p.person(t)
		b.signsIn(made, name, good)
		b.is(name)
		row := p.row(t, b.key())
		for range 5 {
			b.is(name)
		}
		if now := p.row(t, b.key()); now != row {
			t.Errorf("the row was\n%s\nand is\n%s", row, now)
		}
		_ = read
	}
}

func signOutInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	b.is(name)
	b.django.Do(t, "POST", "/logout", map[string]any{}, nil)
	b.isAnonymous()
}

func signOutInCloakroom(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.is(name)
	key := b.key()
	if status := b.ours.Do(t, "POST", "/api/auth/logout", map[string]any{}, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	b.isAnonymous()
	if row := p.row(t, key); row != "" {
		t.Errorf("the row is still there: %s", row)
	}
}

func passwordInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b, other := p.person(t), p.person(t)
	b.signsIn("Cloakroom", name, good)
	other.signsIn("Cloakroom", name, good)
	b.django.Do(t, "POST", "/password", map[string]any{"password": better}, nil)
	b.is(name)
	other.isAnonymous()
	other.signsIn("Cloakroom", name, better)
	if status := p.person(t).signIn("Cloakroom", name, good); status == http.StatusOK {
		t.Error("the old password passes")
	}
}

func passwordInCloakroom(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b, other := p.person(t), p.person(t)
	b.signsIn("Django", name, good)
	other.signsIn("Django", name, good)
	before := p.encoded(t, name)
	status := b.ours.Do(t, "POST", "/api/auth/password/change", map[string]any{"current_password": good, "new_password": better}, nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	b.is(name)
	other.isAnonymous()
	if now := p.encoded(t, name); parameters(now) != parameters(before) || now == before {
		t.Errorf("the hash was %s and is %s", before, now)
	}
	other.signsIn("Django", name, better)
	b.is(name) // Django found nothing to hash anew
	if status := p.person(t).signIn("Django", name, good); status == http.StatusOK {
		t.Error("the old password passes")
	}
}

func (p *pair) encoded(t testing.TB, name string) (encoded string) {
	t.Helper()
	p.site.Run(t, "encoded", map[string]any{"name": name}, &encoded)
	return encoded
}

// parameters returns the algorithm of a hash and its cost.
func parameters(encoded string) string {
	parts := strings.Split(encoded, "$")
	return parts[0] + "$" + parts[1]
}

func adminPasswordInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	p.site.Run(t, "set_password", map[string]any{"name": name, "password": better}, nil)
	b.isAnonymous()
	b.signsIn("Cloakroom", name, better)
	b.is(name)
}

func adminPasswordInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	if err := p.server.Accounts.SetPassword(t.Context(), id, better); err != nil {
		t.Fatal(err)
	}
	b.isAnonymous()
	b.signsIn("Django", name, better)
	b.is(name)
}

func disableInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	p.site.Run(t, "set_active", map[string]any{"name": name, "active": false}, nil)
	b.isAnonymous()
	if status := p.person(t).signIn("Cloakroom", name, good); status == http.StatusOK {
		t.Error("a disabled user signs in")
	}
	p.site.Run(t, "set_active", map[string]any{"name": name, "active": true}, nil)
	b.is(name) // as Django has it: the session was not ended
}

func disableInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	personal := p.personal(t, id)
	if err := p.server.Accounts.SetActive(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	b.isAnonymous()
	if status := p.person(t).signIn("Django", name, good); status == http.StatusOK {
		t.Error("a disabled user signs in")
	}
	if err := p.server.Accounts.SetActive(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	b.isAnonymous() // as Cloakroom has it: what was ended stays ended
	if who := p.withHeader(t, p.url, "/api/me", "Bearer "+personal); who != "" {
		t.Errorf("a personal token from before opens %q", who)
	}
	b.signsIn("Django", name, good)
	b.is(name)
}

// may checks that both programs give the user exactly these permissions.
func (b *person) may(permissions ...string) {
	b.t.Helper()
	b.p.agree(b.t, func() string {
		var ours, django seen
		b.ours.Do(b.t, "GET", "/api/me", nil, &ours)
		b.django.Do(b.t, "GET", "/me", nil, &django)
		if !slices.Equal(ours.Permissions, permissions) || !slices.Equal(django.Permissions, permissions) {
			return fmt.Sprintf("permissions %q at Cloakroom, %q at Django, want %q", ours.Permissions, django.Permissions, permissions)
		}
		return ""
	})
}

func permissionInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	b.may()
	p.site.Run(t, "grant", map[string]any{"name": name, "label": "auth.change_group"}, nil)
	p.site.Run(t, "grant", map[string]any{"name": name, "label": "auth.add_group"}, nil)
	b.may("auth.add_group", "auth.change_group")
	p.site.Run(t, "withdraw", map[string]any{"name": name, "label": "auth.change_group"}, nil)
	b.may("auth.add_group")
}

func permissionInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	p.edit(t, id, func(u *account.User) { u.UserPermissions = []string{"auth.change_group", "auth.add_group"} })
	b.may("auth.add_group", "auth.change_group")
	p.edit(t, id, func(u *account.User) { u.UserPermissions = []string{"auth.add_group"} })
	b.may("auth.add_group")
	_, err := p.server.Accounts.Edit(t.Context(), id, func(u *account.User) error {
		u.UserPermissions = []string{"auth.no_such"}
		return nil
	})
	if err == nil {
		t.Error("a permission that Django doesn't have is given")
	}
	b.may("auth.add_group")
}

func (p *pair) edit(t testing.TB, id string, change func(u *account.User)) {
	t.Helper()
	_, err := p.server.Accounts.Edit(t.Context(), id, func(u *account.User) error {
		change(u)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func groupInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	p.site.Run(t, "group", map[string]any{"name": "editors", "labels": []string{"auth.view_permission"}}, nil)
	p.site.Run(t, "join", map[string]any{"name": name, "group": "editors"}, nil)
	b.may("auth.view_permission")
	p.site.Run(t, "group", map[string]any{"name": "editors", "labels": []string{"auth.view_group", "auth.view_permission"}}, nil)
	b.may("auth.view_group", "auth.view_permission")
	p.site.Run(t, "leave", map[string]any{"name": name, "group": "editors"}, nil)
	b.may()
}

func groupInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	store := p.server.Accounts.Store
	if err := store.SetGroup(t.Context(), account.Group{Name: "writers", Permissions: []string{"auth.view_permission"}}); err != nil {
		t.Fatal(err)
	}
	p.edit(t, id, func(u *account.User) { u.Groups = []string{"writers"} })
	b.may("auth.view_permission")
	if err := store.SetGroup(t.Context(), account.Group{Name: "writers", Permissions: []string{"auth.view_permission", "auth.view_group"}}); err != nil {
		t.Fatal(err)
	}
	b.may("auth.view_group", "auth.view_permission")
	if err := store.DeleteGroup(t.Context(), "writers"); err != nil {
		t.Fatal(err)
	}
	b.may()
}

var (
	strange = map[string]any{"name": "Zoë €😀 <&> \u2028", "ключ": []any{"ß", nil, true}, "big": json.Number("9007199254740993")}
	long    = map[string]any{"text": strings.Repeat("many words, ", 1000), "list": []any{"a", "b"}}
)

// same checks that the values are those that were set. Other values may be there too.
func same(t testing.TB, got map[string]json.RawMessage, want map[string]any) {
	t.Helper()
	for key, value := range want {
		expected, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if !equalJSON(t, got[key], expected) {
			t.Errorf("%q is %s, want %s", key, got[key], expected)
		}
	}
}

func equalJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	for text, into := range map[*any][]byte{&x: a, &y: b} {
		d := json.NewDecoder(strings.NewReader(string(into)))
		d.UseNumber()
		if err := d.Decode(text); err != nil {
			t.Fatalf("%s: %v", into, err)
		}
	}
	return reflect.DeepEqual(x, y)
}

func valuesInDjango(values map[string]any) func(t *testing.T, p *pair) {
	return func(t *testing.T, p *pair) {
		name, _ := p.user(t)
		b := p.person(t)
		b.signsIn("Cloakroom", name, good)
		b.django.Do(t, "POST", "/session", map[string]any{"set": values}, nil)
		var got map[string]json.RawMessage
		p.agree(t, func() string {
			if status := b.ours.Do(t, "GET", "/values", nil, &got); status != http.StatusOK || len(got) < len(values) {
				return fmt.Sprint(status, got)
			}
			return ""
		})
		same(t, got, values)
		b.is(name)
	}
}

func valuesInCloakroom(values map[string]any) func(t *testing.T, p *pair) {
	return func(t *testing.T, p *pair) {
		name, _ := p.user(t)
		b := p.person(t)
		b.signsIn("Django", name, good)
		b.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"theirs": "stays"}}, nil)
		if status := b.ours.Do(t, "POST", "/values", values, nil); status != http.StatusOK {
			t.Fatal(status)
		}
		var got map[string]json.RawMessage
		b.django.Do(t, "GET", "/session", nil, &got)
		same(t, got, values)
		same(t, got, map[string]any{"theirs": "stays", "_auth_user_backend": "django.contrib.auth.backends.ModelBackend"})
		b.is(name)
	}
}

func expiryInDjango(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.django.Do(t, "POST", "/session", map[string]any{"expiry": 300}, nil)
	b.is(name)
	all, err := p.server.Sessions.List(t.Context(), id)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if left := time.Until(all[0].ExpiresAt); left > 301*time.Second || left < 250*time.Second {
		t.Errorf("Cloakroom ends the session in %v", left)
	}
	p.site.Run(t, "expire", map[string]any{"key": b.key(), "seconds": -1}, nil)
	b.isAnonymous()
}

// expiryInCloakroom checks that a session that ends with the browser does so at Django too, and that a limit that Django has
// set stays.
func expiryInCloakroom(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	status := b.ours.Do(t, "POST", "/api/auth/login", map[string]any{"username": name, "password": good, "remember": false}, nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	var got map[string]json.RawMessage
	b.django.Do(t, "GET", "/session", nil, &got)
	same(t, got, map[string]any{"_session_expiry": 0})
	b.is(name)
	other := p.person(t)
	other.signsIn("Django", name, good)
	other.django.Do(t, "POST", "/session", map[string]any{"expiry": 300}, nil)
	other.ours.Do(t, "POST", "/values", map[string]any{"a": 1}, nil)
	other.django.Do(t, "GET", "/session", nil, &got)
	same(t, got, map[string]any{"_session_expiry": 300, "a": 1})
}

const isoDate = "2006-01-02T15:04:05.000000+00:00" // as Python writes it

// signedInBy returns a session with an expiry date in its data, as Django 4.1 and later write it. For an earlier Django, the
// row is written directly.
func (p *pair) signedInBy(t testing.TB, name, id string, end time.Time) *person {
	t.Helper()
	b := p.person(t)
	b.signsIn("Django", name, good)
	if p.newer {
		b.django.Do(t, "POST", "/session", map[string]any{"expiry_date": end.UTC().Format(isoDate)}, nil)
		return b
	}
	var data map[string]any
	b.django.Do(t, "GET", "/session", nil, &data)
	data["_session_expiry"] = end.UTC().Format(isoDate)
	key := strings.Repeat("k", 32-len(id)) + id
	p.site.Run(t, "put_session", map[string]any{"key": key, "data": data, "expire": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05+00:00")}, nil)
	other := p.person(t)
	other.setKey(key)
	return other
}

func dateInDjango(t *testing.T, p *pair) {
	name, id := p.user(t)
	p.signedInBy(t, name, id, time.Now().Add(time.Minute)).is(name)
	name, id = p.user(t)
	b := p.signedInBy(t, name, id, time.Now().Add(-time.Second))
	p.agree(t, func() string {
		if status := b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusUnauthorized {
			return fmt.Sprintf("a session whose date has passed: %d", status)
		}
		return ""
	})
}

func dateInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	end := time.Now().Add(time.Minute)
	b := p.signedInBy(t, name, id, end)
	if status := b.ours.Do(t, "POST", "/values", map[string]any{"a": 1}, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	var got map[string]json.RawMessage
	p.site.Run(t, "read_session", map[string]any{"key": b.key()}, &got)
	same(t, got, map[string]any{"_session_expiry": end.UTC().Format(isoDate), "a": 1})
	b.is(name)
}

// upgradeInDjango checks that the sessions that Django ends by rehashing a password end here too.
func upgradeInDjango(t *testing.T, p *pair) {
	name, _ := p.outdated(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	b.is(name)
	before := p.encoded(t, name)
	other := p.person(t)
	other.signsIn("Django", name, good)
	if p.encoded(t, name) == before {
		t.Fatal("Django has not hashed anew")
	}
	b.isAnonymous()
	other.is(name)
	b.signsIn("Cloakroom", name, good)
	other.is(name)
}

// upgradeInCloakroom checks that Cloakroom rehashes no password.
func upgradeInCloakroom(t *testing.T, p *pair) {
	name, id := p.outdated(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	before := p.encoded(t, name)
	other := p.person(t)
	other.signsIn("Cloakroom", name, good)
	if now := p.encoded(t, name); now != before {
		t.Errorf("the hash was %s and is %s", before, now)
	}
	b.is(name)
	other.is(name)
	newest, _ := p.user(t)
	if err := p.server.Accounts.SetPassword(t.Context(), id, better); err != nil {
		t.Fatal(err)
	}
	if now := p.encoded(t, name); parameters(now) != parameters(p.encoded(t, newest)) {
		t.Errorf("the hash was %s and is %s", before, now)
	}
}

// outdated creates a user whose hash has fewer iterations than Django prefers.
func (p *pair) outdated(t testing.TB) (name, id string) {
	t.Helper()
	name, id = p.user(t)
	p.site.Run(t, "set_hash", map[string]any{"name": name, "encoded": pbkdf2(good, 1000)}, nil)
	return name, id
}

func deleteInDjango(t *testing.T, p *pair) {
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	p.site.Run(t, "delete", map[string]any{"name": name}, nil)
	b.isAnonymous()
}

func deleteInCloakroom(t *testing.T, p *pair) {
	name, id := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	p.site.Run(t, "grant", map[string]any{"name": name, "label": "auth.change_group"}, nil)
	p.site.Run(t, "token", map[string]any{"name": name}, nil)
	if err := p.server.Accounts.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	b.isAnonymous()
}

func makeInDjango(t *testing.T, p *pair) {
	name, id := p.user(t)
	u, err := p.server.Accounts.Lookup(t.Context(), name)
	if err != nil || u.ID != id || !u.IsActive || u.IsStaff || u.LastLogin != 0 || time.Now().Unix()-u.DateJoined > 60 {
		t.Fatalf("%+v, %v", u, err)
	}
}

func makeInCloakroom(t *testing.T, p *pair) {
	newest, _ := p.user(t)
	address := "made@Example.com"
	if p.named("") != "" {
		address = "made" + newest
	}
	made, err := p.server.Accounts.Create(t.Context(), account.NewUser{
		Username: "made" + newest, Email: address, FirstName: "Zoë", Password: good, IsStaff: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := p.person(t)
	b.signsIn("Django", made.Username, good)
	b.is(made.Username)
	var fields struct {
		Active, Staff bool
		Email         string
		FirstName     string `json:"first_name"`
	}
	p.site.Run(t, "fields", map[string]any{"name": made.Username}, &fields)
	if !fields.Active || !fields.Staff || fields.Email != strings.ToLower(address) || made.Email != fields.Email || fields.FirstName != "Zoë" {
		t.Errorf("%+v", fields)
	}
	if now, want := p.encoded(t, made.Username), p.encoded(t, newest); parameters(now) != parameters(want) {
		t.Errorf("the hash is %s, that of the newest user %s", now, want)
	}
	_, err = p.server.Accounts.Create(t.Context(), account.NewUser{Username: strings.ToUpper(newest), Password: good})
	if err == nil {
		t.Error("a name that differs in case alone is given")
	}
}
