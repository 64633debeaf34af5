// Package devicetest is a browser's key for tests, which makes proofs of which a test can change every byte.
package devicetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// Key is a key of a browser, for ES256 or RS256.
type Key struct {
	signer crypto.Signer
}

// New returns a new key for ES256, and NewRSA one for RS256.
func New() *Key { return NewOn(elliptic.P256()) }

// NewOn returns a key on a curve, which is no right one but P-256.
func NewOn(curve elliptic.Curve) *Key {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return &Key{key}
}

// NewRSA returns a key for RS256 with a modulus of so many bits.
func NewRSA(bits int) *Key {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return &Key{key}
}

// Proof is what a browser sends. A test may change all of it.
type Proof struct {
	Header  map[string]any
	Payload map[string]any
	Raw     []byte // instead of Payload
	Sign    func(text []byte) []byte
}

// Registration returns the proof with which the browser registers the key, as Chromium makes it.
func (k *Key) Registration(challenge string) *Proof {
	p := k.Refresh(challenge)
	p.Header["jwk"] = k.JWK()
	return p
}

// Refresh returns the proof with which the browser renews a cookie.
func (k *Key) Refresh(challenge string) *Proof {
	return &Proof{
		Header:  map[string]any{"typ": "dbsc+jwt", "alg": k.algorithm()},
		Payload: map[string]any{"jti": challenge}, Sign: k.sign,
	}
}

// String returns the proof in the compact form.
func (p *Proof) String() string {
	payload := p.Raw
	if payload == nil {
		payload = encode(p.Payload)
	}
	text := base64.RawURLEncoding.EncodeToString(encode(p.Header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(p.Sign([]byte(text)))
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Signer returns the key itself.
func (k *Key) Signer() crypto.Signer { return k.signer }

func (k *Key) algorithm() string {
	if _, ok := k.signer.(*rsa.PrivateKey); ok {
		return "RS256"
	}
	return "ES256"
}

// JWK returns the public key.
func (k *Key) JWK() map[string]any {
	number := func(n *big.Int, size int) string {
		return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, size)))
	}
	switch key := k.signer.Public().(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": number(key.N, key.Size()), "e": number(big.NewInt(int64(key.E)), 3)}
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		encode, half := base64.RawURLEncoding.EncodeToString, len(point)/2
		return map[string]any{"kty": "EC", "crv": key.Curve.Params().Name, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}
	}
	panic("a key of another kind")
}

func (k *Key) sign(text []byte) []byte {
	sum := sha256.Sum256(text)
	if key, ok := k.signer.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	signature, err := k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return signature
}
