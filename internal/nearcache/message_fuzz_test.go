package nearcache_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
)

// FuzzMessage holds that a message which is understood has one meaning: put together again it is the same text. A text that
// could be read in two ways might be a notice that drops the wrong thing.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"B NODE 1", "P NODE 1", "L NODE", "A NODE N-1 N-2", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA u:AQAAAAAAAAAAAAAAAAAAAA g:AAAAAAAAAAAAAAAAAAAAAA",
		"I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAB", "I NODE N-1", "B  1", " ", "", "X", "I NODE N-1 s:AAAAAAAAAAAAAAAAAAAAAA=", "L NODE x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if again, ok := nearcache.Parse(text); ok && again != text {
			t.Errorf("%q was read as %q", text, again)
		}
	})
}
