package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// Django's scrypt is scrypt$N$SALT$r$p$KEY: the salt as it is, the 64 bytes of the key in base64 with padding.

// The maximum parameters of a stored hash.
const (
	maxScryptN   = 1 << 20
	maxScryptR   = 32
	maxScryptP   = 16
	maxScryptKiB = 256 << 10
)

const scryptKey = 64

// scryptPasses is how many passes of Argon2 over the same memory take about as long as scrypt.
const scryptPasses = 5

type scryptHash struct {
	n, r, p   int
	salt, key string
}

func (h scryptHash) derive(password string) ([]byte, error) {
	return scrypt.Key([]byte(password), []byte(h.salt), h.n, h.r, h.p, scryptKey)
}

func (h scryptHash) verify(password string) bool {
	key, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

func (h scryptHash) rehash(password string) (string, error) {
	h.salt = djangoSalt()
	key, err := h.derive(password)
	return fmt.Sprintf("scrypt$%d$%s$%d$%d$%s", h.n, h.salt, h.r, h.p, base64.StdEncoding.EncodeToString(key)), err
}

func (h scryptHash) kib() int64    { return int64(h.n) * int64(h.r) / 8 }
func (h scryptHash) weak() bool    { return true }
func (h scryptHash) cost() int64   { return h.kib() * int64(h.p) * scryptPasses }
func (h scryptHash) weight() int64 { return 1 + h.kib()/int64(current.memory) }

func parseScrypt(encoded string) (scheme, bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 {
		return nil, false
	}
	n, ok1 := number(parts[1], "", maxScryptN)
	r, ok2 := number(parts[3], "", maxScryptR)
	p, ok3 := number(parts[4], "", maxScryptP)
	key, ok4 := unbase64(base64.StdEncoding, parts[5])
	h := scryptHash{n, r, p, parts[2], key}
	if !ok1 || !ok2 || !ok3 || !ok4 || n < 2 || bits.OnesCount(uint(n)) != 1 || h.kib() > maxScryptKiB {
		return nil, false
	}
	if len(key) != scryptKey || !between(len(h.salt), 1, 128) {
		return nil, false
	}
	return h, true
}
