package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// djangoArgon2Hash is Django's argon2$argon2id$… and argon2$argon2i$…: argon2-cffi's text with the word argon2 in front.
type djangoArgon2Hash struct {
	argon2idHash
	independent bool // argon2i
}

func (h djangoArgon2Hash) verify(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), []byte(h.tag)) == 1
}

func (h djangoArgon2Hash) derive(password string) []byte {
	if !h.independent {
		return h.argon2idParams.tag(password, h.salt, len(h.tag))
	}
	return argon2.Key([]byte(password), []byte(h.salt), h.passes, h.memory, uint8(h.lanes), uint32(len(h.tag)))
}

func (h djangoArgon2Hash) rehash(password string) (string, error) {
	h.salt = djangoSalt()
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("argon2$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", h.kind(), argon2.Version, h.memory, h.passes, h.lanes,
		b64([]byte(h.salt)), b64(h.derive(password))), nil
}

func (h djangoArgon2Hash) kind() string {
	if h.independent {
		return "argon2i"
	}
	return "argon2id"
}

func (h djangoArgon2Hash) weak() bool { return h.independent || h.argon2idHash.weak() }

func parseDjangoArgon2(encoded string) (scheme, bool) {
	text := strings.TrimPrefix(encoded, "argon2")
	independent := strings.HasPrefix(text, "$argon2i$")
	if independent {
		text = strings.Replace(text, "argon2i", "argon2id", 1)
	}
	if !strings.HasPrefix(text, "$argon2id$") {
		return nil, false
	}
	h, ok := parseArgon2id(text)
	if !ok {
		return nil, false
	}
	return djangoArgon2Hash{h.(argon2idHash), independent}, true
}
