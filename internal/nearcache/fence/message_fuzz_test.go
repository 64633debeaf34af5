package fence_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// FuzzMessage checks that every message that parses prints as the same text. A text with two readings might be a notice that
// drops the wrong entry.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"B NODE 1", "P NODE 1", "Q NODE 1", "R NODE N 1 NODE", "R NODE N 1", "L NODE", "A NODE N-1 N-2", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA u:AQAAAAAAAAAAAAAAAAAAAA g:AAAAAAAAAAAAAAAAAAAAAA",
		"I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAB", "I NODE N-1", "B  1", " ", "", "X", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA=", "L NODE x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if again, ok := fence.Reprint(text); ok && again != text {
			t.Errorf("%q was read as %q", text, again)
		}
	})
}
