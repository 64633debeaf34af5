package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CanonicalLogin returns the form in which usernames and e-mail addresses are compared: NFKC and case-folded, so that two
// texts that a person would take for the same name are equal. CanonicalLogin(CanonicalLogin(s)) == CanonicalLogin(s).
func CanonicalLogin(s string) string {
	// Folding can undo NFKC, and NFKC can undo folding. A few characters need a second round, and none needs a third; but
	// the text is untrusted, so nothing may depend on that.
	for range 4 {
		next := norm.NFKC.String(fold(norm.NFKC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// fold is Unicode's full case folding. The library swaps the two cases of Cherokee, where it should fold the lower one to
// the upper one.
func fold(s string) string {
	fold := cases.Fold()
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cherokee, r) {
			return unicode.ToUpper(r)
		}
		return r
	}, fold.String(s))
}
