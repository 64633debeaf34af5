package device

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// A proof is a JWS in the compact form (RFC 7515), in the header Secure-Session-Response. Its protected header has typ, alg, and
// in a registration the public key as jwk. Its payload has jti, the challenge, and may have aud, the address that the proof was
// sent to. The draft makes the header a string in quotes; Chromium sends it without.

// maxProof is the length in bytes from which on a proof is refused unread. With an RSA key it has a good thousand.
const maxProof = 8 << 10

// proofType is the typ of a proof, which no other JSON Web Token has.
const proofType = "dbsc+jwt"

// algorithms are those that are offered, and all that the protocol has but "none".
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}

// proof is a proof whose signature wasn't verified yet.
type proof struct {
	signed    *jose.JSONWebSignature
	algorithm string
	key       *jose.JSONWebKey // nil: it carries none
	challenge string
}

func refusal(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// parse reads a proof that was sent to the address audience.
func parse(header, audience string) (*proof, error) {
	if len(header) > maxProof {
		return nil, refusal("it is over %d bytes long", maxProof)
	}
	if inner, ok := strings.CutPrefix(header, `"`); ok {
		if header, ok = strings.CutSuffix(inner, `"`); !ok {
			return nil, refusal("its quotes don't match")
		}
	}
	signed, err := jose.ParseSignedCompact(header, algorithms)
	if err != nil {
		return nil, refusal("%v", err)
	}
	h := signed.Signatures[0].Protected
	if h.ExtraHeaders[jose.HeaderType] != proofType {
		return nil, refusal("its typ isn't %s", proofType)
	}
	p := &proof{signed: signed, algorithm: h.Algorithm, key: h.JSONWebKey}
	if p.key != nil && !p.suits(p.key) {
		return nil, refusal("its key is not one for %s", p.algorithm)
	}
	return p, p.readClaims(audience)
}

// readClaims reads the payload. Names of claims are compared as they are, which encoding/json does only for maps.
func (p *proof) readClaims(audience string) error {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(p.signed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return refusal("its payload is no object")
	}
	if json.Unmarshal(claims["jti"], &p.challenge) != nil || p.challenge == "" {
		return refusal("it has no jti")
	}
	if claims["aud"] == nil {
		return nil
	}
	var aud string
	if json.Unmarshal(claims["aud"], &aud) != nil || aud != audience {
		return refusal("it was made for another address")
	}
	return nil
}

// suits reports whether a key is one for the algorithm of the proof. The library has checked that a point is on its curve.
func (p *proof) suits(key *jose.JSONWebKey) bool {
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return p.algorithm == string(jose.ES256) && k.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return p.algorithm == string(jose.RS256) && k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096 && k.E >= 65537
	}
	return false
}

// verify checks the signature with a key. A key that the proof itself carries doesn't count.
func (p *proof) verify(key *jose.JSONWebKey) error {
	if !p.suits(key) {
		return refusal("it is signed by another algorithm than that of the key")
	}
	if _, err := p.signed.Verify(key.Key); err != nil {
		return refusal("its signature is wrong")
	}
	return nil
}
