package account

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key is the form in which a username or e-mail address is compared: NFKC and case-folded, so that two texts which a
// person would take for the same name have the same key. Key(Key(s)) == Key(s).
func Key(s string) string {
	fold := cases.Fold()
	for {
		// Folding can undo NFKC and NFKC can undo folding; a few characters need a second round.
		next := norm.NFKC.String(fold.String(norm.NFKC.String(s)))
		if next == s {
			return s
		}
		s = next
	}
}
