package letters_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/letters"
)

// TestWhatIsStoredOfACodeNeedsTheKey: who has a copy of the database can't try out all codes. It differs for each purpose and holder.
func TestWhatIsStoredOfACodeNeedsTheKey(t *testing.T) {
	t.Attr("threat", "MC01")
	stored := map[string]string{}
	for what, secret := range map[string]string{
		"a code": letters.CodeSecret([]byte("key"), "code", "holder", "12345678"), "another key": letters.CodeSecret([]byte("other"), "code", "holder", "12345678"),
		"another purpose": letters.CodeSecret([]byte("key"), "code_again", "holder", "12345678"), "another holder": letters.CodeSecret([]byte("key"), "code", "other", "12345678"),
		"another code": letters.CodeSecret([]byte("key"), "code", "holder", "12345679"), "a shifted text": letters.CodeSecret([]byte("key"), "codeh", "older", "12345678"),
	} {
		if before, there := stored[secret]; there {
			t.Errorf("%s and %s are stored alike", what, before)
		}
		stored[secret] = what
	}
}

// FuzzCode: whatever is accepted has eight digits, in the order in which they were typed.
func FuzzCode(f *testing.F) {
	for _, typed := range []string{"12345678", "1234 5678", "1234-5678", " 12 34 56 78 ", "1234567", "", "١٢٣٤٥٦٧٨", "12345678\x00", "1234\u00a05678"} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := letters.ParseCode(typed)
		if !ok {
			return
		}
		if len(code) != 8 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q gives %q", typed, code)
		}
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, typed)
		if digits != code {
			t.Fatalf("%q gives %q", typed, code)
		}
	})
}
