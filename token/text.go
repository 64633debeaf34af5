package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/hex"
	"hash/crc32"
	"io"
	"strings"
)

// The texts of tokens, as clients send them:
//
//	DRF       40 hexadecimal digits, 160 random bits (rest_framework.authtoken)
//	Knox      64 hexadecimal digits, 256 random bits (django-rest-knox 5)
//	Personal  "cloak_", 43 random letters and digits (at least 256 bits), and 6 that are the CRC-32 of all before them,
//	          so that scanners for leaked secrets recognise one, and we recognise one that was truncated or mistyped
const (
	drfSize        = 20 // random bytes
	knoxSize       = 32
	personalPrefix = "cloak_"
	personalRandom = 43
	personalCheck  = 6

	maxDRF  = 40  // characters: the width of Django REST framework's column
	maxText = 128 // characters of any token, even with the longest prefix of knox
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newText returns the text of a new token. It panics if the operating system provides no randomness, since no token is safe
// then.
func newText(kind Kind) string {
	switch kind {
	case DRF:
		return hex.EncodeToString(random(drfSize))
	case Knox:
		return hex.EncodeToString(random(knoxSize))
	case Personal:
		text := personalPrefix + letters(personalRandom)
		return text + checksum(text)
	}
	panic("token: no text can be made for the kind " + string(kind))
}

// letters returns n uniformly random characters of base62.
func letters(n int) string {
	text := make([]byte, 0, n)
	for len(text) < n {
		for _, b := range random(2 * n) {
			if b < 4*62 && len(text) < n {
				text = append(text, base62[b%62])
			}
		}
	}
	return string(text)
}

// checksum returns the CRC-32 (IEEE) of a text as six digits of base62.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	digits := make([]byte, personalCheck)
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(digits)
}

// IsPersonal reports whether a text has the form of a personal token with the right checksum.
func IsPersonal(text string) bool {
	if len(text) != len(personalPrefix)+personalRandom+personalCheck || !strings.HasPrefix(text, personalPrefix) {
		return false
	}
	return checksum(text[:len(text)-personalCheck]) == text[len(text)-personalCheck:]
}

// kindOf returns the kind that a text has by its form; false if it can't be a token.
func kindOf(text string) (kind Kind, ok bool) {
	switch {
	case strings.HasPrefix(text, personalPrefix):
		return Personal, IsPersonal(text)
	case text == "" || len(text) > maxText:
		return "", false
	case len(text) <= maxDRF:
		return DRF, true
	}
	return Knox, true
}

// Hash returns the ID of a token by default: the SHA-256 of its text, and for Knox the first half of the SHA-512, since that
// is the hash that imported tokens have.
func Hash(kind Kind, text string) (ID, bool) {
	if kind == Knox {
		digest := sha512.Sum512([]byte(text))
		return ID(digest[:32]), true
	}
	return sha256.Sum256([]byte(text)), true
}

// NewPublicID returns a new public ID: 128 random bits as letters and digits. It authenticates nothing.
func NewPublicID() string { return publicEncoding.EncodeToString(random(16)) }

var publicEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// random reads from rand.Reader instead of calling rand.Read, which would crash the process where failing the request is
// enough.
func random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand.Reader, b); err != nil {
		panic("token: no randomness: " + err.Error())
	}
	return b
}
