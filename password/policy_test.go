package password_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/password"
)

var alice = []password.Attribute{
	{Name: "username", Value: "wonderland.alice"},
	{Name: "first name", Value: "Alice"},
	{Name: "last name", Value: "Liddell"},
	{Name: "email address", Value: "alice.liddell@oxford.example"},
}

func codes(found []password.Problem) string {
	var all []string
	for _, p := range found {
		all = append(all, strings.TrimPrefix(p.Code, "password_"))
	}
	return strings.Join(all, " ")
}

func TestFifteenCharactersUnlessConfigured(t *testing.T) {
	t.Attr("threat", "P01")
	for _, c := range []struct {
		min   int
		plain string
		want  string
	}{
		{0, "kRv9 wQzj Lm7p", "too_short"},
		{0, "kRv9 wQzj Lm7px", ""},
		{0, "ßéø漢字🙂kRv9wQzj", "too_short"}, // 14 characters, 26 bytes
		{0, "ßéø漢字🙂kRv9wQzjL", ""},
		{0, "e\u0301e\u0301kRv9wQzjLm7", "too_short"}, // 13 characters when composed
		{8, "kRv9wQz", "too_short"},
		{8, "kRv9wQzj", ""},
	} {
		if got := codes(password.Policy{MinLength: c.min}.Check(c.plain)); got != c.want {
			t.Errorf("at least %d: %q: %q, want %q", c.min, c.plain, got, c.want)
		}
	}
	if n := (password.Policy{}).Length(); n != 15 {
		t.Errorf("%d by default", n)
	}
}

func TestLongPasswordsAreAllowedUpToALimit(t *testing.T) {
	t.Attr("threat", "P02")
	t.Attr("threat", "P03")
	for n, want := range map[int]string{64: "", 1024: "", 1025: "too_long", 1 << 20: "too_long"} {
		if got := codes(password.Policy{}.Check(unlike(n))); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

// unlike returns n bytes without a pattern.
func unlike(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'a' + byte(x>>24)%26
	}
	return string(b)
}

func TestNoRulesAboutKindsOfCharacters(t *testing.T) {
	t.Attr("threat", "P04")
	for _, plain := range []string{
		"correct horse battery staple", "weshalb nicht ein ganzer satz", "KVJHQWZXNPLDRTM", "漢字仮名交文漢詩和歌俳句川柳狂歌",
		"kv jh qw zx np ld rt", "$#^%*!&@)(~`+=_", "dragon monkey sunshine castle",
	} {
		if found := (password.Policy{}).Check(plain, alice...); len(found) > 0 {
			t.Errorf("%q: %v", plain, found)
		}
	}
}

func TestCommonPasswordsAndVariationsAreRefused(t *testing.T) {
	t.Attr("threat", "P05")
	policy := password.Policy{Words: []string{"Looking-Glass", "acme"}}
	for _, plain := range []string{
		// entries of the list, also with substituted letters
		"1q2w3e4r5t6y7u8", "1Q2W3E4R5T6Y7U8", "qwertyuiop123456789",
		// repetitions
		"aaaaaaaaaaaaaaa", "abababababababab", "passwordpassword", "PasswordPassword", "password1password1", "xk9xk9xk9xk9xk9",
		"               ", "漢字漢字漢字漢字漢字漢字漢字漢字",
		// keyboard walks
		"qwertyuiopasdfgh", "123456789012345", "987654321098765", "abcdefghijklmnop", "zyxwvutsrqponml", "1qaz2wsx3edc4rfv",
		"!@#$%^&*()!@#$%^&*()", "qwertzuiopasdfgh", "azertyuiopqsdfgh",
		// two parts
		"password1234567", "1234567password", "iloveyouprincess", "password20241231", "31121999dragon12",
		"qwertyuiop1234567", "password!!!!!!!!!",
		// with punctuation
		"password-password", "pass.word.1234567", "password 12345678", "iloveyou princess!",
		// the user's names and the site's
		"cloakroomcloakroom", "cloakroom123456", "looking-glass1234", "lookingglass2024!", "acmeacmeacmeacme", "alice.liddell2024",
		"wonderland.alice1", "aliceliddell1999", "liddell123456789",
	} {
		if got := codes(policy.Check(plain, alice...)); !strings.Contains(got, "too_common") {
			t.Errorf("%q: %q", plain, got)
		}
	}
}

func TestDjangosCodesAndMessages(t *testing.T) {
	for _, c := range []struct {
		plain string
		want  []password.Problem
	}{
		{"liddell", []password.Problem{
			{"password_too_similar", "The password is too similar to the last name."},
			{"password_too_similar", "The password is too similar to the email address."},
			{"password_too_short", "This password is too short. It must contain at least 15 characters."},
			{"password_too_common", "This password is too common."},
		}},
		{"12345", []password.Problem{
			{"password_too_short", "This password is too short. It must contain at least 15 characters."},
			{"password_too_common", "This password is too common."},
			{"password_entirely_numeric", "This password is entirely numeric."},
		}},
		{"٣١٤١٥٩٢٦٥٣٥٨٩٧٩٣", []password.Problem{
			{"password_entirely_numeric", "This password is entirely numeric."},
		}},
		{strings.Repeat("kv", 600), []password.Problem{
			{"password_too_long", "This password is too long. It must contain at most 1024 bytes."},
		}},
		{"kRv9 wQzj\x00Lm7px", []password.Problem{
			{"null_characters_not_allowed", "Null characters and bytes that are no text are not allowed."},
		}},
		{"kRv9 wQzj\xffLm7px", []password.Problem{
			{"null_characters_not_allowed", "Null characters and bytes that are no text are not allowed."},
		}},
	} {
		if got := (password.Policy{}).Check(c.plain, alice...); !slices.Equal(got, c.want) {
			t.Errorf("%q:\n got %v\nwant %v", c.plain, got, c.want)
		}
	}
}

// The verdicts are those of Django 3.2's UserAttributeSimilarityValidator, whose rule hasn't changed since.
func TestSimilarityIsDjangos(t *testing.T) {
	for _, c := range []struct {
		plain, value string
		want         bool
	}{
		{"testclient", "testclient", true},
		{"example.com", "testclient@example.com", true},
		{"tenrylyyf", "Flynn Terry", true},   // letters in any order
		{"abcdefghij", "abcdefgxyz", true},   // 14 of 20: exactly 0.7
		{"abcdefghij", "abcdefwxyz", false},  // 12 of 20
		{"TESTCLIENT", "testclient", true},   // without regard to case
		{"xtestclientx", "testclient", true}, // 20 of 22
		{"kRv9 wQzj Lm7px", "", false},       //
		{"kRv9 wQzj Lm7px", "k", false},      // 2 of 16
		{"aaaaaaaaaa", "a", false},           // ten times as long: not even compared
		{"one two three four five", "one", false},
	} {
		found := password.Policy{MinLength: 1}.Check(c.plain, password.Attribute{Name: "x", Value: c.value})
		if got := strings.Contains(codes(found), "too_similar"); got != c.want {
			t.Errorf("%q and %q: %v", c.plain, c.value, got)
		}
	}
}

func TestTheListIsThereInFull(t *testing.T) {
	for _, plain := range []string{"bigpimpin1", "mewtwo", "sandy123", "password"} {
		if got := codes(password.Policy{MinLength: 1}.Check(plain)); got != "too_common" {
			t.Errorf("%q: %q", plain, got)
		}
	}
}

// TestTheVerdictsAreThoseOfDjango compares with the verdicts of Django 3.2's validators, whose rules haven't changed since,
// with a minimum length of 15. Of several attributes that the password is similar to, Django names the first. Passwords that
// Django's list has are common here, too, but not the other way round.
func TestTheVerdictsAreThoseOfDjango(t *testing.T) {
	for _, v := range djangoVectors(t) {
		found := (password.Policy{}).Check(v.plain, v.about...)
		similar, common := 0, false
		got := slices.DeleteFunc(slices.Clone(found), func(p password.Problem) bool {
			if p.Code == "password_too_similar" {
				similar++
				return similar > 1
			}
			common = common || p.Code == "password_too_common"
			return p.Code == "password_too_common"
		})
		want := slices.DeleteFunc(slices.Clone(v.found), func(p password.Problem) bool { return p.Code == "password_too_common" })
		if !slices.Equal(got, want) || len(want) < len(v.found) && !common {
			t.Errorf("%q of %v:\n    got %v\n Django %v", v.plain, v.about, found, v.found)
		}
	}
}

type djangoVector struct {
	plain string
	about []password.Attribute
	found []password.Problem
}

// djangoVectors reads [password, username, first name, last name, e-mail, [[code, message], …]].
func djangoVectors(t *testing.T) []djangoVector {
	text, err := os.ReadFile("testdata/django_validators.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][6]json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	var all []djangoVector
	for _, row := range rows {
		var texts [5]string
		for i := range texts {
			if err := json.Unmarshal(row[i], &texts[i]); err != nil {
				t.Fatal(err)
			}
		}
		var found [][2]string
		if err := json.Unmarshal(row[5], &found); err != nil {
			t.Fatal(err)
		}
		v := djangoVector{plain: texts[0]}
		for i, a := range alice {
			v.about = append(v.about, password.Attribute{Name: a.Name, Value: texts[i+1]})
		}
		for _, f := range found {
			v.found = append(v.found, password.Problem{Code: f[0], Message: f[1]})
		}
		all = append(all, v)
	}
	return all
}

// FuzzCheck checks that accepted passwords keep the rules that need no list, and that others are refused with a reason.
func FuzzCheck(f *testing.F) {
	f.Add("alice", good)
	f.Add("wonderland.alice", "liddell123456789")
	f.Add("e\u0301", "passwordpassword")
	f.Add("a-b-c", "12341234123412341234")
	f.Add("", "\xff\x00                 ")
	f.Fuzz(func(t *testing.T, value, plain string) {
		found := (password.Policy{}).Check(plain, password.Attribute{Name: "username", Value: value})
		for _, p := range found {
			if p.Code == "" || !strings.HasSuffix(p.Message, ".") {
				t.Errorf("%q: %+v", plain, p)
			}
		}
		if len(found) > 0 {
			return
		}
		composed := norm.NFC.String(plain)
		switch {
		case len(plain) > password.MaxLength, !utf8.ValidString(plain), utf8.RuneCountInString(composed) < 15,
			strings.Trim(composed, "0123456789") == "", strings.TrimSpace(composed) == "",
			value != "" && strings.EqualFold(composed, value):
			t.Errorf("%q will do", plain)
		}
		if again := (password.Policy{}).Check(composed, password.Attribute{Name: "username", Value: value}); len(again) > 0 {
			t.Errorf("%q will do and, composed, will not: %v", plain, again)
		}
	})
}
