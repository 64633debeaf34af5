package authenticator_test

import (
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
)

var form = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{6}(-[0-9A-HJKMNP-TV-Z]{6}){3}$`)

func TestASetIsTenCodesOf120Bits(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 20 {
		codes, hashes := authenticator.NewRecoveryCodes()
		if len(codes) != 10 || len(hashes) != 10 {
			t.Fatalf("%d codes, %d hashes", len(codes), len(hashes))
		}
		for i, code := range codes {
			if !form.MatchString(code) || seen[code] {
				t.Errorf("the code %q", code)
			}
			seen[code] = true
			if hash, ok := authenticator.ReadRecoveryCode(code); !ok || hash != hashes[i] {
				t.Errorf("%q doesn't read as itself", code)
			}
			for _, r := range code {
				letters[r] = true
			}
		}
	}
	if len(letters) != 33 { // with the hyphen
		t.Errorf("%d different characters are used in 200 codes", len(letters))
	}
}

func TestEverySpellingOfACodeIsRead(t *testing.T) {
	const code = "01ABCD-EFGHJK-MNPQRS-TVWXYZ"
	want := sha256.Sum256([]byte(strings.ReplaceAll(code, "-", "")))
	for _, typed := range []string{
		code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " "), "  " + code + "\n",
		strings.ReplaceAll(code, "-", " - "), strings.ReplaceAll(code, "-", "–"), strings.ReplaceAll(code, "-", "\u00a0"),
		"O" + code[1:], "o" + code[1:], "0I" + code[2:], "0l" + code[2:], "0L" + code[2:], "oiabcd efghjk mnpqrs tvwxyz",
		"0 1 A B C D E F G H J K M N P Q R S T V W X Y Z",
	} {
		if hash, ok := authenticator.ReadRecoveryCode(typed); !ok || hash != want {
			t.Errorf("%q is not read as %s", typed, code)
		}
	}
	for _, typed := range []string{
		"", "123456", code[:len(code)-1], code + "0", "U" + code[1:], "0ı" + code[2:], "٠" + code[1:], "\u212a1" + code[2:], code[:26] + "\x00", strings.Repeat("0", 1<<16),
	} {
		if _, ok := authenticator.ReadRecoveryCode(typed); ok {
			t.Errorf("%.30q is read as a code", typed)
		}
	}
}

// FuzzReadRecoveryCode compares with a reader that goes the other way round: it looks for each code's characters in the text.
func FuzzReadRecoveryCode(f *testing.F) {
	f.Add("01ABCD-EFGHJK-MNPQRS-TVWXYZ", uint8(0))
	f.Add("oiabcd efghjk mnpqrs tvwxyz", uint8(3))
	f.Add("\u00a0–", uint8(9))
	f.Fuzz(func(t *testing.T, typed string, at uint8) {
		hash, ok := authenticator.ReadRecoveryCode(typed)
		clean := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n\u00a0\u2007\u2009\u202f-\u00ad\u2010\u2011\u2012\u2013\u2014\u2212", r) {
				return -1
			}
			if r > 'z' {
				return '?' // ToLower makes ASCII of some of them
			}
			return r
		}, strings.TrimSpace(typed))))
		want := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{24}$`).MatchString(clean)
		if ok != want || ok && hash != sha256.Sum256([]byte(strings.ToUpper(clean))) {
			t.Errorf("%q is read as %t, want %t", typed, ok, want)
		}
		if !ok {
			return
		}
		// A hyphen or a blank anywhere between two characters changes nothing.
		runes := []rune(typed)
		i := int(at) % (len(runes) + 1)
		if again, ok := authenticator.ReadRecoveryCode(string(runes[:i]) + "- " + string(runes[i:])); !ok || again != hash {
			t.Errorf("%q with a hyphen at %d is another code", typed, i)
		}
	})
}
