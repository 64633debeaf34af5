package hint_test

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/hint"
)

func TestASetRemembersAndForgets(t *testing.T) {
	var s hint.Set
	s.Put(7, false)
	if s.Has(7) || s.Has(8) {
		t.Error("an empty set has a key")
	}
	s.Put(7, true)
	s.Put(8, true)
	s.Put(7+1<<20, false) // has the place of 7
	if !s.Has(7) || !s.Has(8) || s.Has(7+1<<20) {
		t.Error("want 7 and 8 alone")
	}
	s.Put(7+1<<20, true)
	s.Put(8, false)
	if s.Has(7) || s.Has(8) || !s.Has(7+1<<20) {
		t.Error("want the one that has taken the place of 7, alone")
	}
}
