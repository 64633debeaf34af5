package password_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/password"
)

const (
	salt16 = "c2FsdHNhbHRzYWx0c2FsdA"
	tag32  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	key32  = tag32 + "="
)

func TestHashesAreReadStrictly(t *testing.T) {
	argon := "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + tag32
	django := "pbkdf2_sha256$1000$salt$" + key32
	scrypt := "scrypt$16384$salt$8$5$" + strings.Repeat("AAAA", 21) + "AA=="
	const bcrypt = "bcrypt$$2b$12$abcdefghijklmnopqrstuub/FUwqLfgPnORQpxKUTVVsl3OiUaO0K"
	const digest = "md5$salt$a688caa5421707d129ded6976b25d97a"
	for _, encoded := range []string{
		argon, django, scrypt, bcrypt, digest, "argon2" + argon, "argon2" + strings.Replace(argon, "argon2id", "argon2i", 1),
		strings.Replace(scrypt, "16384$salt$8$5", "262144$salt$8$16", 1),
		strings.Replace(bcrypt, "$12$", "$16$", 1), strings.Replace(bcrypt, "2b", "2y", 1),
		strings.Replace(argon, "m=19456,t=2,p=1", "m=1048576,t=10,p=16", 1),
		strings.Replace(argon, "m=19456,t=2,p=1", "m=8,t=1,p=1", 1),
		strings.Replace(django, "1000", "10000000", 1),
		strings.Replace(django, "1000", "1", 1),
	} {
		if form, ok := password.Parse(encoded); !ok || form.Text != encoded {
			t.Errorf("%s is refused, or changed to %s", encoded, form.Text)
		}
	}
	for _, c := range []struct{ of, old, new string }{
		{argon, "m=19456", "m=1048577"}, {argon, "m=19456", "m=7"}, {argon, "m=19456", "m=0"}, {argon, "m=19456", "m=-1"},
		{argon, "m=19456", "m=019456"}, {argon, "m=19456", "m=+19456"}, {argon, "m=19456", "m=4294967296"}, {argon, "m=19456", "m="},
		{argon, "t=2", "t=11"}, {argon, "t=2", "t=0"}, {argon, "p=1", "p=17"}, {argon, "p=1", "p=0"},
		{argon, "m=19456,t=2,p=1", "m=127,t=2,p=16"}, {argon, "m=19456,t=2,p=1", "t=2,m=19456,p=1"},
		{argon, "p=1", "p=1,data=AAAA"}, {argon, ",p=1", ""}, {argon, "v=19", "v=16"}, {argon, "v=19$", ""},
		{argon, "argon2id", "argon2i"}, {argon, "argon2id", "Argon2id"}, {argon, "$argon2id", "argon2$argon2d"},
		{argon, "$argon2id", "argon2$Argon2id"}, {argon, "$argon2id", "argon2argon2id"}, {argon, "$argon2id", "argon2$$argon2id"},
		{argon, salt16, "c2FsdHNhbA"}, {argon, salt16, strings.Repeat("QUFB", 22)}, {argon, salt16, salt16 + "=="},
		{argon, salt16, salt16[:10] + "\n" + salt16[10:]}, {argon, salt16, salt16[:21] + "B"}, {argon, salt16, "_-" + salt16[2:]},
		{argon, tag32, "AAECAwQFBgcICQoLDA0O"}, {argon, tag32, strings.Repeat("QUFB", 22)}, {argon, tag32, tag32[:42] + "9"},
		{argon, tag32, tag32 + "$"}, {argon, tag32, tag32 + " "}, {argon, tag32, tag32 + "\n"},
		{django, "1000", "10000001"}, {django, "1000", "0"}, {django, "1000", "-1"}, {django, "1000", "01000"}, {django, "1000", ""},
		{django, "1000", "1e3"}, {django, "salt", ""}, {django, "salt", strings.Repeat("s", 129)}, {django, "salt", "sa$lt"},
		{django, key32, tag32}, {django, key32, "AAEC"}, {django, key32, tag32[:42] + "9="}, {django, key32, key32 + "\r\n"},
		{django, "sha256", "sha1"}, {django, "pbkdf2", " pbkdf2"},
		{scrypt, "16384", "16383"}, {scrypt, "16384", "1"}, {scrypt, "16384", "2097152"}, {scrypt, "16384$salt$8", "1048576$salt$32"},
		{scrypt, "$8$", "$33$"}, {scrypt, "$8$", "$0$"}, {scrypt, "$5$", "$17$"}, {scrypt, "$5$", "$05$"}, {scrypt, "salt", ""},
		{scrypt, "AAAA", "AAA"}, {scrypt, "==", ""}, {scrypt, "scrypt", "Scrypt"},
		{bcrypt, "$12$", "$17$"}, {bcrypt, "$12$", "$03$"}, {bcrypt, "$12$", "$+5$"}, {bcrypt, "$12$", "$5$"}, {bcrypt, "2b", "2x"},
		{bcrypt, "abcdef", "abcd!f"}, {bcrypt, "abcdef", "abcde"}, {bcrypt, "$$", "$"}, {bcrypt, "b/F", "b$F"},
		{digest, "a688", "A688"}, {digest, "a688", "a68"}, {digest, "md5", "sha1"}, {digest, "$salt", ""}, {digest, "salt", "sa$lt"},
		{digest, "salt", strings.Repeat("s", 129)}, {digest, "md5$salt$a", "A"}, {digest, "md5$salt$", " "},
	} {
		encoded := strings.Replace(c.of, c.old, c.new, 1)
		if form, ok := password.Parse(encoded); ok {
			t.Errorf("%q is read as %+v", encoded, form)
		}
	}
}

// FuzzHashParse checks that an accepted hash has only one text, and stays within the documented maximum parameters.
func FuzzHashParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + tag32)
	f.Add("pbkdf2_sha256$1000$salt$" + key32)
	for _, s := range unusable {
		f.Add(s)
	}
	for _, c := range djangoHashes {
		f.Add(c.encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		form, ok := password.Parse(encoded)
		if !ok {
			return
		}
		if form.Text != encoded {
			t.Errorf("%q has another text: %q", encoded, form.Text)
		}
		if form.Memory > 1<<20 || form.Passes > 10 || form.Lanes > 16 || form.Iterations > 256<<16 {
			t.Errorf("%q costs too much: %+v", encoded, form)
		}
		if form.Memory < 8*form.Lanes || form.Salt > 128 || form.Tag < 16 || form.Tag > 64 {
			t.Errorf("%q is malformed: %+v", encoded, form)
		}
		if form.Memory*max(form.Passes, 1) <= 4096 && form.Iterations <= 10_000 {
			verify(t, encoded, good) // must not panic
		}
	})
}
