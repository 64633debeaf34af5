package jwt

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// The life of a key. Which key signs and which are accepted depends only on when they were made and on the clock, so nodes
// with the same keys agree without exchanging messages.
const (
	// publishAhead is how long a key is published before it signs. It is longer than reloadAfter and PublicFor together, so
	// that each node and each service that verifies minted tokens has the key by then.
	publishAhead = 10 * time.Minute
	// reloadAfter is how old a node's copy of the keys may be.
	reloadAfter = time.Minute
	// PublicFor is how long a service may keep what [Service.PublicKeys] returned.
	PublicFor = 5 * time.Minute
)

// keySet is the keys as they were at one moment, the oldest first. It is immutable.
type keySet struct {
	keys    []*key
	headers map[string]header // by the encoded header, which is the first part of a token
}

// header is the meaning of an encoded header.
type header struct {
	index int // of the key in the set
	kind  kind
}

func newKeySet(keys []*key) *keySet {
	s := &keySet{keys: keys, headers: map[string]header{}}
	for i, k := range keys {
		for _, kind := range kinds {
			s.headers[k.header(kind)] = header{i, kind}
		}
	}
	return s
}

// header returns the encoded header of the tokens of a kind that k signs.
func (k *key) header(of kind) string {
	text, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{k.method.Alg(), k.id, of.typ})
	if err != nil {
		panic(err) // strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signsFrom returns when the key at the index begins to sign: at once if there is no earlier key, or none that is still
// accepted.
func (s *keySet) signsFrom(index int) int64 {
	if index == 0 || s.keys[index].revokesPast {
		return s.keys[index].made
	}
	return s.keys[index].made + int64(publishAhead/time.Second)
}

// signer returns the key that signs at the time now, or nil if there is no key.
func (s *keySet) signer(now int64) *key {
	for i := len(s.keys) - 1; i > 0; i-- {
		if s.signsFrom(i) <= now {
			return s.keys[i]
		}
	}
	if len(s.keys) == 0 {
		return nil
	}
	return s.keys[0]
}

// retired reports whether tokens that the key at the index signed are refused. They are if a later key revokes the past, or if
// the next key has been signing for longest, the longest life of a token, so that all of them have expired.
func (s *keySet) retired(index int, now, longest int64) bool {
	later := s.keys[index+1:]
	if slices.ContainsFunc(later, func(k *key) bool { return k.revokesPast && k.made <= now }) {
		return true
	}
	return len(later) > 0 && now >= s.signsFrom(index+1)+longest
}

// published returns the public keys that are accepted now or will be.
func (s *keySet) published(now, longest int64) []webKey {
	public := []webKey{}
	for i, k := range s.keys {
		if !s.retired(i, now, longest) {
			public = append(public, k.public)
		}
	}
	return public
}
