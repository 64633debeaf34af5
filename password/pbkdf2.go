package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// Django's pbkdf2_sha256 is pbkdf2_sha256$ITERATIONS$SALT$KEY: the salt as it is, the 32 bytes of the key in base64 with
// padding; pbkdf2_sha1 has 20 bytes. Django hashes the password's UTF-8 without normalising it.

// maxIterations is the maximum of a stored hash.
const maxIterations = 10_000_000

// iterationsPerKiB is how many iterations take about as long as a pass over 1 KiB does in Argon2.
const iterationsPerKiB = 4

type pbkdf2Hash struct {
	algorithm  string
	iterations int
	salt, key  string
}

// pbkdf2Digests has the algorithms by Django's names.
var pbkdf2Digests = map[string]struct {
	new  func() hash.Hash
	size int
}{
	"pbkdf2_sha256": {sha256.New, sha256.Size},
	"pbkdf2_sha1":   {sha1.New, sha1.Size},
}

func (h pbkdf2Hash) derive(password string) ([]byte, error) {
	digest := pbkdf2Digests[h.algorithm]
	return pbkdf2.Key(digest.new, password, []byte(h.salt), h.iterations, digest.size)
}

func (h pbkdf2Hash) verify(password string) bool {
	key, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

func (h pbkdf2Hash) rehash(password string) (string, error) {
	h.salt = djangoSalt()
	key, err := h.derive(password)
	return fmt.Sprintf("%s$%d$%s$%s", h.algorithm, h.iterations, h.salt, base64.StdEncoding.EncodeToString(key)), err
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
	if !ok1 || !ok2 || len(key) != pbkdf2Digests[parts[0]].size || !between(len(parts[2]), 1, 128) {
		return nil, false
	}
	return pbkdf2Hash{parts[0], iterations, parts[2], key}, true
}
