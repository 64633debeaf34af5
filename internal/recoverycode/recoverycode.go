// Package recoverycode makes recovery codes and reads what people type of them.
//
// A code is 24 characters of Crockford's base32, 120 random bits, so that its SHA-256 can be stored without a salt (OWASP ASVS
// 5.0, 6.5.2). It is written in four groups of six.
package recoverycode

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

const (
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: no I, L, O and U
	length   = 24
	group    = 6

	// SetSize is how many codes a user gets at a time.
	SetSize = 10
)

// NewSet returns new codes, and their hashes in the same order.
func NewSet() (codes []string, hashes [][32]byte) {
	for range SetSize {
		random := make([]byte, length)
		_, _ = rand.Read(random) // never fails
		for i, b := range random {
			random[i] = alphabet[int(b)%len(alphabet)] // 256 is a multiple of 32, so every character is as likely
		}
		codes = append(codes, spaced(string(random)))
		hashes = append(hashes, sha256.Sum256(random))
	}
	return codes, hashes
}

func spaced(code string) string {
	var groups []string
	for ; code != ""; code = code[group:] {
		groups = append(groups, code[:group])
	}
	return strings.Join(groups, "-")
}

// Read returns the hash of a code as it was typed, and false if the text isn't of a code's form. Blanks, hyphens and case don't
// matter, and letters that look like digits are those: O is 0, and I and L are 1.
func Read(typed string) (hash [32]byte, ok bool) {
	code := make([]byte, 0, length)
	for _, r := range strings.TrimSpace(typed) {
		switch {
		case ignored(r):
			continue
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		}
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if len(code) == length || r == 0 || !strings.ContainsRune(alphabet, r) {
			return hash, false
		}
		code = append(code, byte(r))
	}
	if len(code) != length {
		return hash, false
	}
	return sha256.Sum256(code), true
}

// ignored are blanks, and the hyphens and dashes that keyboards and word processors put where a hyphen was typed.
func ignored(r rune) bool {
	return strings.ContainsRune(" \t\r\n\u00a0\u2007\u2009\u202f-\u00ad\u2010\u2011\u2012\u2013\u2014\u2212", r)
}
