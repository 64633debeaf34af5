package cmdline

import (
	"fmt"
	"strings"
)

// Suggest returns an error about a word that isn't known, with the known words that it may be meant for.
func Suggest(message, word string, known []string) error {
	var close []string
	for _, k := range known {
		if strings.HasPrefix(k, word) || distance(k, word) <= 2 {
			close = append(close, k)
		}
	}
	switch len(close) {
	case 0:
		return fmt.Errorf("%s", message)
	case 1:
		return fmt.Errorf("%s, did you mean %q?", message, close[0])
	}
	return fmt.Errorf("%s, did you mean one of %s?", message, quoted(close))
}

// distance is the Levenshtein distance of two words: how many bytes must be changed, added or removed.
func distance(a, b string) int {
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := []int{i + 1}
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row = append(row, min(change, above[j+1]+1, row[j]+1))
		}
		above = row
	}
	return above[len(b)]
}
