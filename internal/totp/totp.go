// Package totp makes and checks the codes of authenticator apps: time-based one-time passwords (RFC 6238) with what every app
// understands, which is SHA-1, six digits and steps of 30 seconds.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// Digits is the length of a code.
	Digits = 6

	period     = 30 // seconds
	modulus    = 1_000_000
	secretSize = 20 // bytes; RFC 4226, section 4, R6 recommends 160 bits
)

// NewSecret returns a random secret of 160 bits.
func NewSecret() []byte {
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// Text returns a secret as people type it into an app: base32 without padding.
func Text(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// Step returns the number of the time step in which t lies.
func Step(t time.Time) int64 { return t.Unix() / period }

// Code returns the code of a time step (RFC 4226, section 5.3).
func Code(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fff_ffff
	return fmt.Sprintf("%0*d", Digits, number%modulus)
}

// Match returns the time step whose code this is. It accepts the step of now, and one before and after it, for clocks that are
// not exact and people who are not quick (RFC 6238, section 6). A code that is that of two steps is the later one's, so that
// a caller who counts each step once counts each code once. A code that was accepted must not be accepted again: that is up to the
// caller, who remembers the step.
func Match(secret []byte, code string, now time.Time) (step int64, ok bool) {
	current := Step(now)
	for candidate := current - 1; candidate <= current+1; candidate++ {
		if subtle.ConstantTimeCompare([]byte(Code(secret, candidate)), []byte(code)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// URI returns what a QR code for authenticator apps says: an address of the scheme otpauth. The issuer and the account are what
// the app shows. A colon separates the two, so the issuer can't contain one.
func URI(issuer, account string, secret []byte) string {
	issuer = strings.ReplaceAll(issuer, ":", "-")
	return "otpauth://totp/" + escape(issuer) + ":" + escape(account) + "?secret=" + Text(secret) + "&issuer=" + escape(issuer)
}

// escape encodes everything but letters, digits and "-_.~". A blank becomes %20, since some apps show a plus sign as it is.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
