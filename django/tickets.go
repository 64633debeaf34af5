package django

import (
	"crypto/rand"
	"strings"

	"github.com/cloakroom-auth/cloakroom/session"
)

// Tickets are Django's session keys: 32 lower-case letters and digits, about 165 bits. Unlike others they are stored as
// they are, so their IDs tell them.
type Tickets struct{}

const keyAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// New returns a key that nobody can guess.
func (Tickets) New() string {
	key := make([]byte, 0, len(session.ID{}))
	var random [48]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: it ends the process instead
		for _, b := range random {
			if b >= 252 { // the last whole multiple of 36: each character is as likely as any other
				continue
			}
			if key = append(key, keyAlphabet[b%36]); len(key) == cap(key) {
				return string(key)
			}
		}
	}
}

// ID accepts what New and Django make. Django takes any text of eight characters and more from a client, but has never
// given out another.
func (Tickets) ID(ticket string) (session.ID, bool) {
	var id session.ID
	if len(ticket) != len(id) || strings.Trim(ticket, keyAlphabet) != "" {
		return session.ID{}, false
	}
	copy(id[:], ticket)
	return id, true
}
