package tag_test

import (
	"bytes"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/tag"
)

// TestATagCoversEveryPartAndItsLength: parts that are divided in another way, and tags of another key, don't fit.
func TestATagCoversEveryPartAndItsLength(t *testing.T) {
	t.Attr("threat", "N03")
	key, former := []byte("current"), []byte("former")
	made := tag.Of(key, "purpose", "ada", "")
	if len(made) != tag.Size {
		t.Errorf("a tag has %d bytes", len(made))
	}
	for _, parts := range [][]string{{"purposeada"}, {"purpose", "ada"}, {"purpos", "eada", ""}, {"", "purpose", "ada"}, {"purpose", "ada", "x"}} {
		if tag.Fits(made, [][]byte{key}, parts...) {
			t.Errorf("it fits %q", parts)
		}
	}
	if tag.Fits(made, [][]byte{former}, "purpose", "ada", "") || tag.Fits(made, nil, "purpose", "ada", "") {
		t.Error("it fits another key")
	}
	if !tag.Fits(made, [][]byte{former, key}, "purpose", "ada", "") {
		t.Error("it doesn't fit the second of the keys")
	}
	for i := range made {
		wrong := bytes.Clone(made)
		wrong[i] ^= 1
		if tag.Fits(wrong, [][]byte{key}, "purpose", "ada", "") {
			t.Errorf("it fits with another byte %d", i)
		}
	}
	if tag.Fits(made[:16], [][]byte{key}, "purpose", "ada", "") {
		t.Error("half a tag fits")
	}
}
