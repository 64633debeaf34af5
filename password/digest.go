package password

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"
)

// Django's oldest hashes, which are fast to guess: md5$SALT$HEX and sha1$SALT$HEX are one digest of salt and password;
// without a salt they are md5$$HEX, sha1$$HEX and, bare, 32 hex digits of MD5.

type digestHash struct {
	algorithm, salt, sum string
	bare                 bool
}

var digests = map[string]struct {
	new  func() hash.Hash
	size int
}{
	"md5":  {md5.New, md5.Size},
	"sha1": {sha1.New, sha1.Size},
}

func (h digestHash) verify(password string) bool {
	d := digests[h.algorithm].new()
	d.Write([]byte(h.salt + password))
	return subtle.ConstantTimeCompare(d.Sum(nil), []byte(h.sum)) == 1
}

func (h digestHash) weak() bool    { return true }
func (h digestHash) cost() int64   { return 0 }
func (h digestHash) weight() int64 { return 1 }

func parseDigest(encoded string) (scheme, bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 3 || len(parts[1]) > 128 {
		return nil, false
	}
	sum, ok := unhex(parts[2], digests[parts[0]].size)
	return digestHash{parts[0], parts[1], sum, false}, ok
}

func parseBareMD5(encoded string) (scheme, bool) {
	sum, ok := unhex(encoded, md5.Size)
	return digestHash{"md5", "", sum, true}, ok
}

// unhex accepts only lower-case digits, so that each value has one text.
func unhex(s string, size int) (string, bool) {
	b, err := hex.DecodeString(s)
	return string(b), err == nil && len(b) == size && hex.EncodeToString(b) == s
}
