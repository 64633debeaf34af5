package jwt

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// The life of a key. Which key signs and which are accepted follows from when they were made and the clock alone, so all
// nodes that know the same keys agree without a word.
const (
	// ahead is how long a key is published before it signs, so that each node and each service that checks minted tokens
	// knows it by then: longer than reloadAfter and PublicFor together.
	ahead = 10 * time.Minute
	// reloadAfter is how old a node's knowledge of the keys may be.
	reloadAfter = time.Minute
	// PublicFor is how long a service may keep what [Service.PublicKeys] returned.
	PublicFor = 5 * time.Minute
)

// keySet is the keys at a moment, the oldest first. It never changes.
type keySet struct {
	keys    []*key
	headers map[string]header // what tokens may begin with
}

// header is what the first part of a token means.
type header struct {
	place int // of the key in the set
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

// header returns the first part of the tokens of a kind that k signs.
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

// begins returns when the key at a place begins to sign. One that nobody could have known before, the first, or that has
// no other beside it, begins at once.
func (s *keySet) begins(place int) int64 {
	if place == 0 || s.keys[place].alone {
		return s.keys[place].made
	}
	return s.keys[place].made + int64(ahead/time.Second)
}

// signer returns the key that signs at a time; nil if there is none.
func (s *keySet) signer(now int64) *key {
	for i := len(s.keys) - 1; i > 0; i-- {
		if s.begins(i) <= now {
			return s.keys[i]
		}
	}
	if len(s.keys) == 0 {
		return nil
	}
	return s.keys[0]
}

// over reports whether no token that the key at a place has signed counts: another has taken over, longest ago, or has
// been put in its place after a leak.
func (s *keySet) over(place int, now, longest int64) bool {
	later := s.keys[place+1:]
	if slices.ContainsFunc(later, func(k *key) bool { return k.alone && k.made <= now }) {
		return true
	}
	return len(later) > 0 && now >= s.begins(place+1)+longest
}

// published returns the keys that are accepted now or will be.
func (s *keySet) published(now, longest int64) []webKey {
	public := []webKey{}
	for i, k := range s.keys {
		if !s.over(i, now, longest) {
			public = append(public, k.public)
		}
	}
	return public
}
