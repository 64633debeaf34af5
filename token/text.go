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

// The texts of tokens, as those who hold them send them:
//
//	DRF       40 hexadecimal digits, 160 random bits (rest_framework.authtoken)
//	Knox      64 hexadecimal digits, 256 random bits (django-rest-knox 5)
//	Personal  "cloak_", 43 letters and digits that are 256 random bits and more, and 6 that are the CRC-32 of what comes
//	          before, so that a scanner for leaked secrets knows one when it sees it, and we one that was cut or mistyped
const (
	drfSize        = 20 // random bytes
	knoxSize       = 32
	personalPrefix = "cloak_"
	personalRandom = 43
	personalCheck  = 6

	maxDRF  = 40  // characters: what the column of Django REST framework holds
	maxText = 128 // characters of any token: no prefix of knox's makes one longer
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newText returns the text of a new token. It panics if the operating system gives no randomness: there is no safe token
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
	panic("token: no text is made for the kind " + string(kind))
}

// letters returns n characters of base62, each as likely as any other.
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

// checksum writes the CRC-32 (IEEE) of a text as six digits of base62.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	digits := make([]byte, personalCheck)
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(digits)
}

// IsPersonal reports whether a text has the form of a personal token, checksum and all.
func IsPersonal(text string) bool {
	if len(text) != len(personalPrefix)+personalRandom+personalCheck || !strings.HasPrefix(text, personalPrefix) {
		return false
	}
	return checksum(text[:len(text)-personalCheck]) == text[len(text)-personalCheck:]
}

// kindOf returns the kinds that a text may be of by its form; false if it is no token's.
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

// Hash is how a Store knows a token unless [Service] is told otherwise: by the SHA-256 of its text. Knox keeps the SHA-512, and
// whoever comes from there has nothing else; half of it is as good.
func Hash(kind Kind, text string) (ID, bool) {
	if kind == Knox {
		digest := sha512.Sum512([]byte(text))
		return ID(digest[:32]), true
	}
	return sha256.Sum256([]byte(text)), true
}

// NewPublicID returns a name for a token: 128 random bits as letters and digits. It opens nothing.
func NewPublicID() string { return publicEncoding.EncodeToString(random(16)) }

var publicEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// random reads from rand.Reader rather than calling rand.Read, which would end the process where the request can fail.
func random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand.Reader, b); err != nil {
		panic("token: no randomness: " + err.Error())
	}
	return b
}
