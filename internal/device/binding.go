package device

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// binding is the state of a binding, as it is kept with the session. Times are in Unix seconds.
type binding struct {
	Key        jose.JSONWebKey `json:"jwk"`                // the public key
	Offer      string          `json:"offer"`              // the challenge of the registration, which is spent by it
	At         int64           `json:"at"`                 // when the key was registered
	Generation int64           `json:"generation"`         // of the cookie, from 1
	Refreshed  int64           `json:"refreshed"`          // when this generation was made
	Challenge  string          `json:"challenge"`          // of the next proof
	Asked      int64           `json:"asked"`              // when Challenge was made
	Previous   string          `json:"previous,omitempty"` // the challenge whose proof has made this generation
}

func newBinding(p *proof, now int64) *binding {
	return &binding{Key: *p.key, Offer: p.challenge, At: now, Generation: 1, Refreshed: now, Challenge: rand.Text(), Asked: now}
}

func (b *binding) encode() string {
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // a key that was parsed always encodes
	}
	return string(text)
}

// decode returns nil if the text is empty.
func decode(text string) (*binding, error) {
	if text == "" {
		return nil, nil
	}
	b := &binding{}
	if err := json.Unmarshal([]byte(text), b); err != nil {
		return nil, fmt.Errorf("decode binding: %w", err)
	}
	return b, nil
}

// takenFrom reports whether the registration p has made the binding; b may be nil.
func (b *binding) takenFrom(p *proof) bool {
	if b == nil || b.Offer != p.challenge {
		return false
	}
	theirs, err := p.key.Thumbprint(crypto.SHA256)
	return err == nil && string(b.thumbprint()) == string(theirs)
}

// thumbprint identifies the key (RFC 7638).
func (b *binding) thumbprint() []byte {
	sum, err := b.Key.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err) // a key that was parsed always has one
	}
	return sum
}

// errStale means that the browser must prove another challenge: it has sent no proof yet, or a right one of a challenge that doesn't
// count any more.
var errStale = errors.New("a proof of the present challenge is needed")

// take begins the next generation for a proof of the challenge. It leaves b unchanged for the proof that has made this one, and if it
// returns an error.
func (b *binding) take(header, audience string, now int64) error {
	if header == "" {
		return errStale
	}
	p, err := parse(header, audience)
	if err != nil {
		return err
	}
	if err := p.verify(&b.Key); err != nil {
		return err
	}
	switch {
	case p.challenge == b.Previous && within(b.Refreshed, repeatLife, now):
		return nil
	case p.challenge != b.Challenge, !within(b.Asked, challengeLife, now):
		return errStale
	}
	b.Previous, b.Challenge, b.Asked = b.Challenge, rand.Text(), now
	b.Generation, b.Refreshed = b.Generation+1, now
	return nil
}

// askAnew makes another challenge if the present one is too old, and reports whether it did.
func (b *binding) askAnew(now int64) bool {
	if within(b.Asked, challengeLife, now) {
		return false
	}
	b.Challenge, b.Asked = rand.Text(), now
	return true
}

// within reports whether a span that began at a time has not passed.
func within(began int64, span time.Duration, now int64) bool {
	return now < began+int64(span/time.Second)
}
