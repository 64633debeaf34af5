package fence

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The kinds of keys.
const (
	Session     = 's' // one session, by its ID
	Token       = 't' // one token, by its ID
	Account     = 'u' // one account, by its user's ID
	SessionsOf  = 'd' // all sessions of a user
	TokensOf    = 'e' // all tokens of a user
	AllAccounts = 'g' // every account: a group has changed
	Everything  = 'a' // every entry: the database was restored
)

const kinds = "studega"

// Sum stands for an ID. Two IDs with the same sum cost an extra read of the store, nothing more.
type Sum [16]byte

// Key names what a revocation is about.
type Key struct {
	Kind byte
	Sum  Sum
}

// IDSum returns the sum of the ID of a session or token.
func IDSum(id [32]byte) Sum { return Sum(id[:16]) }

// UserSum returns the sum of a user's ID. One of up to 15 bytes, such as a number, isn't hashed.
func UserSum(id string) (s Sum) {
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

// sumLength is the length of a sum in text form.
const sumLength = 22

func (k Key) append(b []byte) []byte {
	b = append(b, k.Kind, ':')
	return sumText.AppendEncode(b, k.Sum[:])
}

func parseKey(text string) (k Key, ok bool) {
	if len(text) != 2+sumLength || text[1] != ':' {
		return Key{}, false
	}
	k.Kind = text[0]
	n, err := sumText.Decode(k.Sum[:], []byte(text[2:]))
	return k, err == nil && n == len(k.Sum) && strings.IndexByte(kinds, k.Kind) >= 0
}
