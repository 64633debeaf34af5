package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CanonicalLogin is the form in which a username or e-mail address is compared: NFKC and case-folded, so that two texts which a
// person would take for the same name have the same key. CanonicalLogin(CanonicalLogin(s)) == CanonicalLogin(s).
func CanonicalLogin(s string) string {
	// Folding can undo NFKC and NFKC can undo folding; a few characters need a second round, and none a third. The
	// text is a stranger's, so nothing may depend on that.
	for range 4 {
		next := norm.NFKC.String(fold(norm.NFKC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// fold is Unicode's full case folding. The library's swaps the two cases of Cherokee instead of folding the lower one to
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
