package authenticator

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

const (
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: no I, L, O and U
	codeLength   = 24
	codeGroup    = 6

	// recoveryCodes is how many codes a user gets at a time.
	recoveryCodes = 10
)

// NewRecoveryCodes returns new recovery codes, and their hashes in the same order. A code is 24 characters of Crockford's base32, 120
// random bits, so that its SHA-256 can be stored without a salt (OWASP ASVS 5.0, 6.5.2). It is written in four groups of six.
func NewRecoveryCodes() (codes []string, hashes [][32]byte) {
	for range recoveryCodes {
		random := make([]byte, codeLength)
		_, _ = rand.Read(random) // never fails
		for i, b := range random {
			random[i] = codeAlphabet[int(b)%len(codeAlphabet)] // 256 is a multiple of 32, so every character is as likely
		}
		codes = append(codes, hyphenated(string(random)))
		hashes = append(hashes, sha256.Sum256(random))
	}
	return codes, hashes
}

func hyphenated(code string) string {
	var groups []string
	for ; code != ""; code = code[codeGroup:] {
		groups = append(groups, code[:codeGroup])
	}
	return strings.Join(groups, "-")
}

// ReadRecoveryCode returns the hash of a recovery code as it was typed, and false if the text isn't of a code's form. Blanks, hyphens
// and case don't matter, and letters that look like digits are those: O is 0, and I and L are 1.
func ReadRecoveryCode(typed string) (hash [32]byte, ok bool) {
	code := make([]byte, 0, codeLength)
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
		if len(code) == codeLength || r == 0 || !strings.ContainsRune(codeAlphabet, r) {
			return hash, false
		}
		code = append(code, byte(r))
	}
	if len(code) != codeLength {
		return hash, false
	}
	return sha256.Sum256(code), true
}

// ignored are blanks, and the hyphens and dashes that keyboards and word processors put where a hyphen was typed.
func ignored(r rune) bool {
	return strings.ContainsRune(" \t\r\n\u00a0\u2007\u2009\u202f-\u00ad\u2010\u2011\u2012\u2013\u2014\u2212", r)
}
