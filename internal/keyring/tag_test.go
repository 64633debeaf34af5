package keyring_test

import (
	"bytes"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/keyring"
)

// TestATagCoversEveryPartAndItsLength: parts that are divided in another way, and tags of another key, don't fit.
func TestATagCoversEveryPartAndItsLength(t *testing.T) {
	t.Attr("threat", "N03")
	key, former := []byte("current"), []byte("former")
	made := keyring.Tag(key, "purpose", "ada", "")
	if len(made) != keyring.TagSize {
		t.Errorf("a tag has %d bytes", len(made))
	}
	for _, parts := range [][]string{{"purposeada"}, {"purpose", "ada"}, {"purpos", "eada", ""}, {"", "purpose", "ada"}, {"purpose", "ada", "x"}} {
		if keyring.TagFits(made, [][]byte{key}, parts...) {
			t.Errorf("it fits %q", parts)
		}
	}
	if keyring.TagFits(made, [][]byte{former}, "purpose", "ada", "") || keyring.TagFits(made, nil, "purpose", "ada", "") {
		t.Error("it fits another key")
	}
	if !keyring.TagFits(made, [][]byte{former, key}, "purpose", "ada", "") {
		t.Error("it doesn't fit the second of the keys")
	}
	for i := range made {
		wrong := bytes.Clone(made)
		wrong[i] ^= 1
		if keyring.TagFits(wrong, [][]byte{key}, "purpose", "ada", "") {
			t.Errorf("it fits with another byte %d", i)
		}
	}
	if keyring.TagFits(made[:16], [][]byte{key}, "purpose", "ada", "") {
		t.Error("half a tag fits")
	}
}
