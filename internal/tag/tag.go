// Package tag computes tags (HMAC-SHA256, RFC 2104), by which the server recognises what it has handed out without keeping it.
package tag

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Size is the length of a tag in bytes.
const Size = sha256.Size

// Of returns the tag of these parts under a key. The length of each part is covered, so that no other parts have the same input.
func Of(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// Fits reports whether a tag is that of these parts under one of the keys. The comparison takes as long whatever the tag is.
func Fits(tag []byte, keys [][]byte, parts ...string) bool {
	return slices.ContainsFunc(keys, func(key []byte) bool { return hmac.Equal(tag, Of(key, parts...)) })
}
