package django

import (
	"crypto/rand"
	"strings"

	"github.com/cloakroom-auth/cloakroom/session"
)

// SessionKeys are Django's session keys: 32 lower-case letters and digits, about 165 bits. Unlike other tickets they are stored
// in plain text: a session's ID is the ticket itself.
type SessionKeys struct{}

const keyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// New returns a new random key.
func (SessionKeys) New() string {
	key := make([]byte, 0, len(session.ID{}))
	var random [48]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: it crashes the process instead
		for _, b := range random {
			if b >= 252 { // 252 is the largest multiple of 36 in a byte, so all characters are equally likely
				continue
			}
			if key = append(key, keyAlphabet[b%36]); len(key) == cap(key) {
				return string(key)
			}
		}
	}
}

// ID accepts only keys as New and Django make them. Django accepts any text of eight or more characters from a client, but
// makes no others.
func (SessionKeys) ID(ticket string) (session.ID, bool) {
	var id session.ID
	if len(ticket) != len(id) || strings.Trim(ticket, keyAlphabet) != "" {
		return session.ID{}, false
	}
	copy(id[:], ticket)
	return id, true
}
