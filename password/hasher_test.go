package password_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/password"
)

const good = "correct horse battery staple"

func hash(t testing.TB, plain string) string {
	t.Helper()
	encoded, err := new(password.Hasher).Hash(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func verify(t testing.TB, encoded, plain string) password.Result {
	t.Helper()
	result, err := new(password.Hasher).Verify(t.Context(), encoded, plain)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

var (
	yes     = password.Result{Match: true}
	yesWeak = password.Result{Match: true, Outdated: true}
	no      = password.Result{}
)

// The vectors were made by Django, by the reference implementation of Argon2 and by golang.org/x/crypto.
func TestHashesOfOthersAreVerified(t *testing.T) {
	t.Attr("threat", "P08")
	for _, c := range []struct {
		encoded, plain string
		want           password.Result
	}{
		{"pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$Y1l4AxQampzbfIDkhafiWgGzDjyK4Ozi7cm2zmEySLc=", "wonderland-42", yesWeak},
		{"pbkdf2_sha256$1500000$seasalt$P4UiMPVduVWIL/oS1GzH+IofsccjJNM5hUTikBvi5to=", "lètmein", yesWeak},
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", yesWeak},
		{"$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ$AxrIKstf0s0GBoKoeIHi8A", "wonderland-42", yesWeak},
	} {
		if got := verify(t, c.encoded, c.plain); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.encoded, got, c.want)
		}
		if got := verify(t, c.encoded, c.plain+"x"); got != no {
			t.Errorf("%s: a wrong password: %+v", c.encoded, got)
		}
	}
}

func TestNewHashesArePHCStringsWithFreshSalts(t *testing.T) {
	t.Attr("threat", "P08")
	one, two := hash(t, good), hash(t, good)
	const prefix = "$argon2id$v=19$m=19456,t=2,p=1$"
	if !strings.HasPrefix(one, prefix) || len(one) != len(prefix)+22+1+43 {
		t.Errorf("%s isn't 19 MiB, two passes, a salt of 16 and a tag of 32 bytes", one)
	}
	if one == two {
		t.Error("two hashes of one password are the same")
	}
	if got := verify(t, one, good); got != yes {
		t.Errorf("the password: %+v", got)
	}
	if got := verify(t, one, "Correct horse battery staple"); got != no {
		t.Errorf("another password: %+v", got)
	}
}

func TestWeakHashesAreReportedAndStrongOnesAreNot(t *testing.T) {
	t.Attr("threat", "P08")
	for _, c := range []struct {
		params string
		salt   int
		tag    int
		want   password.Result
	}{
		{"m=19456,t=2,p=1", 16, 32, yes},
		{"m=47104,t=1,p=1", 16, 32, yes},
		{"m=19456,t=3,p=2", 16, 32, yes},
		{"m=19455,t=2,p=1", 16, 32, yesWeak},
		{"m=19456,t=1,p=1", 16, 32, yesWeak},
		{"m=19456,t=2,p=1", 15, 32, yesWeak},
		{"m=19456,t=2,p=1", 16, 31, yesWeak},
		{"m=8,t=1,p=1", 16, 32, yesWeak},
	} {
		if got := verify(t, reference(t, c.params, c.salt, c.tag, good), good); got != c.want {
			t.Errorf("%s, salt %d, tag %d: %+v, want %+v", c.params, c.salt, c.tag, got, c.want)
		}
	}
}

func TestPasswordsAreNeitherCutNorChanged(t *testing.T) {
	t.Attr("threat", "P02")
	t.Attr("threat", "F11")
	long := strings.Repeat("abcdefgh", 128) // 1,024 bytes
	for _, c := range []struct{ plain, other string }{
		{strings.Repeat("a", 72) + "b", strings.Repeat("a", 72) + "c"},
		{long, long[:1023] + "x"},
		{"  spaces  count  ", "spaces  count"},
		{"CaseCounts-CaseCounts", "casecounts-casecounts"},
		{"before\x00after-and-more", "before"},
	} {
		encoded := hash(t, c.plain)
		if got := verify(t, encoded, c.plain); got != yes {
			t.Errorf("%.20q: %+v", c.plain, got)
		}
		if got := verify(t, encoded, c.other); got != no {
			t.Errorf("%.20q passes for %.20q", c.other, c.plain)
		}
	}
}

func TestTwoWaysToTypeACharacterAreOnePassword(t *testing.T) {
	t.Attr("threat", "P02")
	const composed, decomposed = "caf\u00e9-caf\u00e9-caf\u00e9", "cafe\u0301-cafe\u0301-cafe\u0301"
	for _, stored := range []string{hash(t, composed), hash(t, decomposed)} {
		for _, typed := range []string{composed, decomposed} {
			if got := verify(t, stored, typed); got != yes {
				t.Errorf("%q: %+v", typed, got)
			}
		}
	}
	// Compatibility forms are other characters: only NFC, not NFKC.
	if got := verify(t, hash(t, "ﬁfteen characters"), "fifteen characters"); got != no {
		t.Errorf("a ligature passes for its letters: %+v", got)
	}
}

// Other programs hash what the browser sent.
func TestHashesOfOthersMatchTheBytesAsTheyCameAndComposed(t *testing.T) {
	t.Attr("threat", "P02")
	const composed, decomposed = "l\u00e8tmein", "le\u0300tmein"
	for name, made := range map[string]func(plain string) string{
		"Django": func(plain string) string { return django(t, 10, plain) },
		"argon2": func(plain string) string { return reference(t, "m=64,t=1,p=1", 16, 32, plain) },
	} {
		for _, c := range []struct {
			stored, typed string
			want          password.Result
		}{
			{composed, composed, yesWeak},
			{composed, decomposed, yesWeak},
			{decomposed, decomposed, yesWeak},
			{decomposed, composed, no},
		} {
			if got := verify(t, made(c.stored), c.typed); got != c.want {
				t.Errorf("%s, hash of %+q with %+q: %+v, want %+v", name, c.stored, c.typed, got, c.want)
			}
		}
	}
}

// Neither a megabyte to hash nor one to verify takes longer than a short password: TestRefusalsCostTheSameWork counts the
// work.
func TestAMegabyteIsNeitherAcceptedNorVerified(t *testing.T) {
	t.Attr("threat", "F10")
	long := strings.Repeat("correct horse ", 75_000)
	if got := codes(password.Policy{}.Check(long)); got != "too_long" {
		t.Errorf("for a new password: %q", got)
	}
	if got := verify(t, hash(t, long), long); got != no {
		t.Errorf("for a password: %+v", got)
	}
}

func TestBlankPasswordsNeverMatch(t *testing.T) {
	t.Attr("threat", "F12")
	for _, plain := range []string{"", "\t \n", "\u00a0\u2003"} {
		for _, stored := range []string{hash(t, plain), django(t, 10, plain)} {
			if got := verify(t, stored, plain); got != no {
				t.Errorf("%q passes for %s", plain, stored)
			}
		}
	}
}

func TestTextsThatAreNotHashesMatchNothing(t *testing.T) {
	for _, stored := range unusable {
		for _, plain := range []string{good, "no password"} {
			if got := verify(t, stored, plain); got != no {
				t.Errorf("%q passes for %q", plain, stored)
			}
		}
	}
}

// unusable are texts that no password matches.
var unusable = []string{
	"", "!", "!abcdefghijklmnopqrstuvwxyzabcdefghijklmn", "garbage", "md5$salt$a688caa5421707d129ded6976b25d97a",
	"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$", "pbkdf2_sha256$1000$salt$", strings.Repeat("$", 1000),
}
