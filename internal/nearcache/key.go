package nearcache

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/cloakroom-auth/cloakroom/session"
)

// The kinds of keys.
const (
	aSession    = 's' // one session, by its ID
	aToken      = 't' // one token, by its ID
	anAccount   = 'u' // one account, by its user's ID
	sessionsOf  = 'd' // all sessions of a user
	tokensOf    = 'e' // all tokens of a user
	allAccounts = 'g' // every account: a group has changed
)

const kinds = "studeg"

// sum stands for an ID. Two IDs may have the same sum; that costs a look at the store, and no more.
type sum [16]byte

// key is what a notice is about.
type key struct {
	kind byte
	sum  sum
}

func sessionSum(id session.ID) sum { return sum(id[:16]) }

// textSum takes no time for an ID of up to 15 bytes, such as a number.
func textSum(id string) (s sum) {
	if len(id) >= len(s) {
		hash := sha256.Sum256([]byte(id))
		copy(s[:], hash[:])
		return s
	}
	s[0] = byte(len(id))
	copy(s[1:], id)
	return s
}

var sumText = base64.RawURLEncoding.Strict()

// sumLength is that of a sum as text.
const sumLength = 22

func (k key) append(b []byte) []byte {
	b = append(b, k.kind, ':')
	return sumText.AppendEncode(b, k.sum[:])
}

func parseKey(text string) (k key, ok bool) {
	if len(text) != 2+sumLength || text[1] != ':' {
		return key{}, false
	}
	k.kind = text[0]
	n, err := sumText.Decode(k.sum[:], []byte(text[2:]))
	return k, err == nil && n == len(k.sum) && knownKind(k.kind)
}

func knownKind(kind byte) bool {
	for i := range len(kinds) {
		if kinds[i] == kind {
			return true
		}
	}
	return false
}
