package password

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// Django's pbkdf2_sha256 is pbkdf2_sha256$ITERATIONS$SALT$KEY: the salt as it is, the 32 bytes of the key in base64 with
// padding. Django hashes the password's UTF-8 without normalising it.

// maxIterations is the most that a stored hash may ask for.
const maxIterations = 10_000_000

// iterationsPerKiB is how many iterations take about as long as a pass over 1 KiB does in Argon2.
const iterationsPerKiB = 4

type pbkdf2Hash struct {
	iterations int
	salt, key  string
}

func (h pbkdf2Hash) verify(password string) bool {
	key, err := pbkdf2.Key(sha256.New, password, []byte(h.salt), h.iterations, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

func (h pbkdf2Hash) weak() bool    { return true }
func (h pbkdf2Hash) cost() int64   { return int64(h.iterations / iterationsPerKiB) }
func (h pbkdf2Hash) weight() int64 { return 1 }

func parsePBKDF2(encoded string) (scheme, bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 4 {
		return nil, false
	}
	iterations, ok1 := number(parts[1], "", maxIterations)
	key, ok2 := unbase64(base64.StdEncoding, parts[3])
	if !ok1 || !ok2 || len(key) != sha256.Size || !between(len(parts[2]), 1, 128) {
		return nil, false
	}
	return pbkdf2Hash{iterations, parts[2], key}, true
}
