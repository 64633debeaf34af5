package courier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// secretPrefix begins a secret in the form of Standard Webhooks 1.0.
const secretPrefix = "whsec_"

// The length of a secret in bytes, as Standard Webhooks asks for.
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecrets returns the keys in a text that has one secret a line, each "whsec_" and the base64 of 24 to 64 random bytes. The
// error quotes nothing of the text.
func ParseSecrets(text string) ([][]byte, error) {
	var keys [][]byte
	for i, secret := range strings.Fields(text) {
		encoded, ok := strings.CutPrefix(secret, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			return nil, fmt.Errorf("secret %d isn't %s and base64; make one with: echo whsec_$(openssl rand -base64 32)", i+1, secretPrefix)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secret %d has %d bytes; it must have %d to %d", i+1, len(key), minSecret, maxSecret)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no secret; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return keys, nil
}

// signatures returns the header webhook-signature: one signature for each key, so that a receiver accepts the former secret or the
// new one while it is replaced. at is a Unix time in seconds.
func signatures(keys [][]byte, id string, at int64, body []byte) string {
	var all []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at, 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
