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

// Keys are Django's SECRET_KEY, followed by its SECRET_KEY_FALLBACKS. The first signs; all verify. There is at least one.
type Keys []string

// shellBanner matches what manage.py shell prints before anything else since Django 5.2. Read as the key it would do silent
// harm: the real key behind it would be a fallback, and every session would be re-signed with the banner.
var shellBanner = regexp.MustCompile(`^\d+ objects? (could not be|imported) `)

// ReadKeys reads a file of keys, one per line: SECRET_KEY, then its fallbacks. It skips empty lines.
func ReadKeys(file string) (Keys, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read Django's secret key: %w", err)
	}
	var keys Keys
	for line := range strings.Lines(string(text)) {
		key := strings.TrimRight(line, "\r\n")
		if shellBanner.MatchString(key) {
			return nil, fmt.Errorf("read Django's secret key: %s begins with a message of manage.py shell instead of a key; "+
				"run it with -v 0, or remove that line", file)
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

// salted is Django's salted_hmac with SHA-256: the HMAC's key is the digest of the salt and the secret.
func salted(salt, secret string, message ...string) []byte {
	key := sha256.Sum256([]byte(salt + secret))
	mac := hmac.New(sha256.New, key[:])
	for _, part := range message {
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

const authHashSalt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"

// authHash is AbstractBaseUser.get_session_auth_hash: the hash of the password column that a session holds, so that the
// session ends when the password changes. It is the account's epoch.
func authHash(secret, password string) string {
	return hex.EncodeToString(salted(authHashSalt, secret, password))
}

// provesPassword reports whether hash is the auth hash of the password column under one of the keys.
func (k Keys) provesPassword(hash, password string) bool {
	found := false
	for _, secret := range k {
		found = hmac.Equal([]byte(hash), []byte(authHash(secret, password))) || found
	}
	return found
}
