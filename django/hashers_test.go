package django_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
)

// A new hash has at least the work of the newest hashes and of --django-hasher, whatever the user's old hash had.
func TestANewPasswordIsNoWeakerThanDjangosOwn(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		old := pbkdf2(good, 1000)
		argon := func(memory, tag int) string {
			return fmt.Sprintf("argon2$argon2id$v=19$m=%d,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ$%s", memory, strings.Repeat("A", (tag*8+5)/6))
		}
		bcrypt := func(rounds string) string { return "bcrypt_sha256$$2b$" + rounds + "$" + strings.Repeat(".", 53) }
		like := func(hasher, old string) string {
			c := django.Config{Database: strings.TrimPrefix(p.config.DB, "django+"), Keys: keys, Hasher: hasher}
			encoded, err := opened(t, c).HashTemplate(t.Context(), &account.User{Password: old})
			if err != nil {
				t.Fatal(err)
			}
			return encoded
		}
		demand := func(what, hasher, old, begins string) {
			t.Helper()
			if got := like(hasher, old); !strings.HasPrefix(got, begins) {
				t.Errorf("%s: like %s, want %s", what, got, begins)
			}
		}
		demand("the first user of an empty table", "", "", "pbkdf2_sha256$1500000$")
		demand("the first user, with a hasher", "pbkdf2_sha256$20000", "", "pbkdf2_sha256$20000$")
		demand("the first user, with a hasher of the standard", "pbkdf2_sha256", "", "pbkdf2_sha256$1500000$")
		first, _ := p.user(t)
		second, _ := p.user(t)
		has := func(name, encoded string) {
			p.site.Run(t, "set_hash", map[string]any{"name": name, "encoded": encoded}, nil)
		}
		has(first, old)
		demand("an old hash, and a newer one", "", old, "pbkdf2_sha256$20000$")
		demand("an old hash, and a hasher", "pbkdf2_sha256$30000", old, "pbkdf2_sha256$30000$")
		demand("a hasher that newer hashes exceed", "pbkdf2_sha256$10000", old, "pbkdf2_sha256$20000$")
		demand("an old hash that exceeds the others", "", pbkdf2(good, 21_000), "pbkdf2_sha256$21000$")
		demand("another algorithm", "", bcrypt("04"), bcrypt("04")[:20])
		demand("another algorithm, and a hasher", "pbkdf2_sha256$20000", bcrypt("04"), "pbkdf2_sha256$20000$")
		has(second, bcrypt("06"))
		demand("bcrypt", "", bcrypt("04"), "bcrypt_sha256$$2b$06$")
		has(second, argon(2048, 16))
		demand("argon2", "", argon(1024, 16), "argon2$argon2id$v=19$m=2048,")
		has(second, argon(1024, 32)) // as argon2-cffi makes them from 21.2 on
		if got := like("", argon(1024, 16)); got != argon(1024, 32) {
			t.Errorf("argon2 with a longer tag: like %s", got)
		}
		if got := like("argon2$m=1024,t=2,p=8", ""); got != argon(1024, 32) {
			t.Errorf("a hasher, and Django's tag: like %s", got)
		}
		has(second, scryptHash(t, good, 1<<11))
		demand("scrypt", "", scryptHash(t, good, 1<<10), "scrypt$2048$")
		// One user joined long ago and has signed in since the upgrade.
		var crowd []string
		for range 20 {
			crowd = append(crowd, old)
		}
		p.site.Run(t, "crowd", map[string]any{"passwords": crowd}, nil)
		has(first, pbkdf2(good, 40_000))
		p.execute(t, `UPDATE auth_user SET last_login = '2026-01-02 03:04:05+00', date_joined = '2020-01-02 03:04:05+00' WHERE username = '`+first+`'`)
		demand("someone who has signed in since", "", old, "pbkdf2_sha256$40000$")
	})
}

// Django does not rehash the password at its next sign-in.
func TestAPasswordChangedBesideAnUpgradedDjangoEndsNoSession(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		p.stop()
		p.config.Django.Hasher = "pbkdf2_sha256$20000" // what the site asks for since it was upgraded
		p.start()
		name, _ := p.outdated(t)
		b := p.person(t)
		b.signsIn("Cloakroom", name, good)
		body := map[string]any{"current_password": good, "new_password": better}
		if status := b.ours.Do(t, "POST", "/api/auth/password/change", body, nil); status != http.StatusOK {
			t.Fatal(status)
		}
		before := p.encoded(t, name)
		p.person(t).signsIn("Django", name, better)
		if now := p.encoded(t, name); now != before {
			t.Errorf("Django has made %s of %s", now, before)
		}
		b.is(name)
	})
}
