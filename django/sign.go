package django

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// A signed text is P:T:S, as django.core.signing makes it. P is unpadded base64 for URLs, with a dot in front if the encoded
// data is compressed; T is the time in seconds in base 62; S is the HMAC of P:T, in the same base64.

// sessionSalt is the qualified name of the session store's class, which is the same for db, cached_db and file.
const sessionSalt = "django.contrib.sessions.SessionStore" + "signer"

var errSignature = errors.New("no configured SECRET_KEY matches the signature")

func signature(secret, text string) string {
	return base64.RawURLEncoding.EncodeToString(salted(sessionSalt, secret, text))
}

// sign signs P at a time.
func (k Keys) sign(payload string, at int64) string {
	text := payload + ":" + base62(at)
	return text + ":" + signature(k[0], text)
}

// signed is a signed text whose signature has been verified.
type signed struct {
	payload string // P
	at      int64  // T
	old     bool   // signed by a fallback key
}

// verify verifies a signed text and splits it.
func (k Keys) verify(text string) (signed, error) {
	body, mac, ok := cutLast(text)
	payload, stamp, timed := cutLast(body)
	at, number := unbase62(stamp)
	if !ok || !timed || !number {
		return signed{}, errSignature
	}
	i := slices.IndexFunc(k, func(secret string) bool { return hmac.Equal([]byte(mac), []byte(signature(secret, body))) })
	if i < 0 {
		return signed{}, errSignature
	}
	return signed{payload, at, i > 0}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

const digits62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func base62(n int64) string {
	if n <= 0 {
		return "0"
	}
	var digits []byte
	for ; n > 0; n /= 62 {
		digits = append(digits, digits62[n%62])
	}
	slices.Reverse(digits)
	return string(digits)
}

// unbase62 parses at most eight digits, enough for six million years.
func unbase62(s string) (int64, bool) {
	if s == "" || len(s) > 8 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		digit := strings.IndexByte(digits62, s[i])
		if digit < 0 {
			return 0, false
		}
		n = n*62 + int64(digit)
	}
	return n, true
}
