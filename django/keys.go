package django

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Keys are Django's SECRET_KEY and, after it, its SECRET_KEY_FALLBACKS: the first signs, all verify. Never empty.
type Keys []string

// chatter is what manage.py shell says before it does anything, since Django 5.2. In the place of a key it would do harm
// silently: the real one behind it counts as a fallback, from which every session is carried over to the new key.
var chatter = regexp.MustCompile(`^\d+ objects? (could not be|imported) `)

// ReadKeys reads a file of keys, one a line: the first is SECRET_KEY, the others its fallbacks. Empty lines don't count.
func ReadKeys(file string) (Keys, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read Django's secret key: %w", err)
	}
	var keys Keys
	for line := range strings.Lines(string(text)) {
		key := strings.TrimRight(line, "\r\n")
		if chatter.MatchString(key) {
			return nil, fmt.Errorf("read Django's secret key: %s begins with what manage.py shell says, and not with a key; "+
				"call it with -v 0, or remove that line", file)
		}
		if key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("read Django's secret key: " + file + " is empty; its first line must be settings.SECRET_KEY")
	}
	return keys, nil
}

// salted is Django's salted_hmac with SHA-256: the key is the digest of the salt and the secret.
func salted(salt, secret string, message ...string) []byte {
	key := sha256.Sum256([]byte(salt + secret))
	mac := hmac.New(sha256.New, key[:])
	for _, part := range message {
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

const authHashSalt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"

// authHash is AbstractBaseUser.get_session_auth_hash: what a session holds of the password column, so that it ends with
// the password. It is the account's epoch.
func authHash(secret, password string) string {
	return hex.EncodeToString(salted(authHashSalt, secret, password))
}

// provesPassword reports whether a session's hash is that of the password column under one of the keys.
func (k Keys) provesPassword(hash, password string) bool {
	found := false
	for _, secret := range k {
		found = hmac.Equal([]byte(hash), []byte(authHash(secret, password))) || found
	}
	return found
}
