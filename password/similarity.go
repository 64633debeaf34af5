package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxSimilarity is Django's max_similarity.
const maxSimilarity = 0.7

// similar applies Django's UserAttributeSimilarityValidator to a value and to each of its words.
func similar(password, value string) bool {
	password, value = strings.ToLower(password), strings.ToLower(norm.NFC.String(value))
	words := strings.FieldsFunc(value, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_'
	})
	for _, word := range append(words, value) {
		if word != "" && worthComparing(password, word) && likeness(password, word) >= maxSimilarity {
			return true
		}
	}
	return false
}

// worthComparing is false if the lengths differ so much that the two can't be similar.
func worthComparing(password, word string) bool {
	p, w := utf8.RuneCountInString(password), utf8.RuneCountInString(word)
	return p < 10*w || float64(w) >= maxSimilarity/2*float64(p)
}

// likeness is twice the number of characters that the two have in common, in any order, divided by the sum of their lengths
// (difflib's quick_ratio).
func likeness(a, b string) float64 {
	left := map[rune]int{}
	total := 0
	for _, r := range b {
		left[r]++
		total++
	}
	same := 0
	for _, r := range a {
		total++
		if left[r] > 0 {
			left[r]--
			same++
		}
	}
	return 2 * float64(same) / float64(total)
}
