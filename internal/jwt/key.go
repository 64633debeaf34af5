package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	jose "github.com/golang-jwt/jwt/v5"
)

// The algorithms for which a signing key can be generated.
const (
	EdDSA = "EdDSA" // Ed25519, RFC 8037
	ES256 = "ES256" // ECDSA on P-256 with SHA-256, RFC 7518 section 3.4
)

// signatureSize is the size of a signature of either algorithm, in bytes.
const signatureSize = 64

// key is a signing key. It is used with one algorithm only.
type key struct {
	number      int   // counts from 1; a later key has a higher number
	made        int64 // seconds since 1970
	revokesPast bool  // whether no earlier key is accepted any more
	id          string
	method      jose.SigningMethod
	private     crypto.Signer
	public      webKey
}

// storedKey is the JSON of a key, which is sealed in the store.
type storedKey struct {
	Algorithm string `json:"alg"`
	Made      int64  `json:"made"`
	Alone     bool   `json:"alone,omitempty"`
	Private   []byte `json:"pkcs8"` // RFC 5958
}

// generate returns a new private key.
func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case EdDSA:
		_, private, err := ed25519.GenerateKey(nil)
		return private, err
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, fmt.Errorf("no such algorithm %q: want %s or %s", algorithm, EdDSA, ES256)
}

func encodeKey(algorithm string, made int64, revokesPast bool) ([]byte, error) {
	private, err := generate(algorithm)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	return json.Marshal(storedKey{Algorithm: algorithm, Made: made, Alone: revokesPast, Private: der})
}

// decodeKey returns the key of a storedKey in JSON. Its errors reveal nothing of the key.
func decodeKey(number int, plain []byte) (*key, error) {
	var stored storedKey
	if json.Unmarshal(plain, &stored) != nil {
		return nil, errors.New("not a signing key")
	}
	private, err := x509.ParsePKCS8PrivateKey(stored.Private)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	k := &key{number: number, made: stored.Made, revokesPast: stored.Alone}
	switch private := private.(type) {
	case ed25519.PrivateKey:
		k.method, k.private = jose.SigningMethodEdDSA, private
		k.public = okp(private.Public().(ed25519.PublicKey))
	case *ecdsa.PrivateKey:
		if private.Curve != elliptic.P256() {
			return nil, errors.New("not a key on P-256")
		}
		k.method, k.private = jose.SigningMethodES256, private
		if k.public, err = ec(&private.PublicKey); err != nil {
			return nil, err
		}
	}
	if k.method == nil || k.method.Alg() != stored.Algorithm {
		return nil, fmt.Errorf("not a key for %q", stored.Algorithm)
	}
	k.id = k.public.thumbprint()
	k.public.ID, k.public.Algorithm, k.public.Use = k.id, stored.Algorithm, "sig"
	return k, nil
}

// webKey is a public key as RFC 7517 and RFC 8037 write it.
type webKey struct {
	Curve     string `json:"crv"`
	Type      string `json:"kty"`
	X         string `json:"x"`
	Y         string `json:"y,omitempty"`
	ID        string `json:"kid,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Use       string `json:"use,omitempty"`
}

func okp(public ed25519.PublicKey) webKey {
	return webKey{Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(public)}
}

func ec(public *ecdsa.PublicKey) (webKey, error) {
	point, err := public.Bytes() // 4, x, y: SEC 1 section 2.3.3
	if err != nil {
		return webKey{}, fmt.Errorf("encode public key: %w", err)
	}
	x, y := point[1:33], point[33:]
	encode := base64.RawURLEncoding.EncodeToString
	return webKey{Type: "EC", Curve: "P-256", X: encode(x), Y: encode(y)}, nil
}

// thumbprint returns the name of the key (RFC 7638): the hash of its required members in alphabetical order, without blanks.
// Those are the first fields of webKey.
func (k webKey) thumbprint() string {
	text, err := json.Marshal(webKey{Curve: k.Curve, Type: k.Type, X: k.X, Y: k.Y})
	if err != nil {
		panic(err) // strings always encode
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
