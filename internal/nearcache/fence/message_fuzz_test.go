package fence_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// FuzzMessage checks that every message that parses prints as the same text. A text with two readings might be a notice that
// drops the wrong entry.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"B NODE 1", "B NODE 1@PLACE", "P NODE 1", "G NODE N 1 NODE 2", "G NODE N", "M NODE NODE-1 N", "Q NODE 1", "R NODE N 1 NODE", "R NODE N 1", "L NODE", "A NODE N-1 N-2", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA u:AQAAAAAAAAAAAAAAAAAAAA g:AAAAAAAAAAAAAAAAAAAAAA",
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

// FuzzDirect checks the same for messages that come without the feed.
func FuzzDirect(f *testing.F) {
	for _, seed := range []string{"H NODE PLACE", "W NODE", "B NODE 1", "A NODE N-1", "M NODE N-1", "W NODE x", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA", " ", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if again, ok := fence.ReprintDirect(text); ok && again != text {
			t.Errorf("%q was read as %q", text, again)
		}
	})
}
