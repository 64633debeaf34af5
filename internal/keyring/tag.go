package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// TagSize is the length of a tag in bytes.
const TagSize = sha256.Size

// Tag returns the tag of these parts under a key (HMAC-SHA256, RFC 2104), by which the server recognises what it has handed out
// without keeping it. The length of each part is covered, so that no other parts have the same input.
func Tag(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// TagFits reports whether a tag is that of these parts under one of the keys. The comparison takes as long whatever the tag is.
func TagFits(tag []byte, keys [][]byte, parts ...string) bool {
	return slices.ContainsFunc(keys, func(key []byte) bool { return hmac.Equal(tag, Tag(key, parts...)) })
}
