package jwt

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// kind is a kind of token.
type kind struct {
	typ   string // in the header
	claim string // token_type
}

var (
	access  = kind{"JWT", "access"}
	refresh = kind{"refresh+jwt", "refresh"}
	minted  = kind{"minted+jwt", "minted"}
	kinds   = []kind{access, refresh, minted}
)

// maxLength is the length of the longest token that is accepted, in bytes. Ours have about 500.
const maxLength = 4096

// skew is the largest accepted difference between the clocks of two nodes.
const skew = time.Minute

// claims are the claims of a token: first those of simplejwt in its order, then ours. All times are seconds since 1970.
type claims struct {
	Type            string `json:"token_type"`
	Expires         int64  `json:"exp"`
	Issued          int64  `json:"iat"`
	ID              string `json:"jti"`
	User            string `json:"user_id"`
	Issuer          string `json:"iss"`
	Subject         string `json:"sub,omitempty"` // in a minted token, for services that don't read user_id
	Audience        string `json:"aud"`
	Session         string `json:"sid"` // the public ID of the family, or in a minted token of the session
	AuthenticatedAt int64  `json:"auth_time"`
	Epoch           string `json:"epoch,omitempty"` // in a minted token: see epochMark

	Methods []string `json:"amr,omitempty"` // in a minted token (RFC 8176)
}

// newID returns 128 random bits as simplejwt writes them, in hexadecimal.
func newID() string {
	var b [16]byte
	// rand.Read would end the process on an error. A panic fails only the request.
	if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
		panic("jwt: no randomness: " + err.Error())
	}
	return hex.EncodeToString(b[:])
}

// sign returns a token of a kind.
func (s *Service) sign(ctx context.Context, of kind, c claims) (string, error) {
	k, err := s.Keys.signer(ctx, time.Now())
	if err != nil {
		return "", err
	}
	c.Type = of.claim
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	signed := k.header(of) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.method.Sign(signed, k.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// open returns the claims and the kind of a token that we signed for the audience and that hasn't expired. It refuses a text
// that is too long before it parses anything, and verifies the signature before it parses the claims.
func (s *Service) open(ctx context.Context, text, audience string) (*claims, kind, error) {
	signed, payload, signature, ok := split(text)
	if !ok {
		return nil, kind{}, ErrInvalid
	}
	now := time.Now()
	k, of, err := s.Keys.find(ctx, signed[:len(signed)-len(payload)-1], now, s.longest())
	if err != nil {
		return nil, kind{}, err
	}
	if k == nil || k.method.Verify(signed, signature, k.private.Public()) != nil {
		return nil, kind{}, ErrInvalid
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return nil, kind{}, ErrInvalid
	}
	c, err := parse(plain)
	if err != nil {
		return nil, kind{}, err
	}
	return c, of, s.validate(c, of, audience, now.Unix())
}

// split returns the parts of a token: the text that is signed, the payload, which is its second part, and the signature.
func split(text string) (signed, payload string, signature []byte, ok bool) {
	const encoded = (signatureSize*8 + 5) / 6
	if len(text) > maxLength || len(text) < encoded+1 {
		return "", "", nil, false
	}
	signed, last := text[:len(text)-encoded-1], text[len(text)-encoded-1:]
	_, payload, ok = strings.Cut(signed, ".")
	if !ok || last[0] != '.' || strings.Contains(payload, ".") {
		return "", "", nil, false
	}
	// The decoder skips line breaks. If there were any, the signature is too short.
	signature, err := base64.RawURLEncoding.Strict().DecodeString(last[1:])
	return signed, payload, signature, err == nil && len(signature) == signatureSize
}

// validate checks the claims in simplejwt's order, so that a token with several faults gets the error that simplejwt returns.
func (s *Service) validate(c *claims, of kind, audience string, now int64) error {
	switch {
	case c.Expires == 0:
		return ErrNoExpiry
	case c.Expires <= now:
		return ErrExpired
	case c.Issued == 0 || c.Issued > now+int64(skew/time.Second):
		return ErrInvalid
	case c.Issuer != s.Issuer || c.Audience == "" || c.Audience != audience:
		return ErrInvalid
	case c.ID == "":
		return ErrNoID
	case c.Type == "":
		return ErrNoType
	case c.Type != of.claim:
		return ErrWrongType
	case c.User == "":
		return ErrNoUser
	case c.Session == "" || c.AuthenticatedAt == 0:
		return ErrInvalid
	}
	return nil
}

// parse returns the claims of a payload. The fast path takes a payload that is byte for byte what we write.
func parse(plain []byte) (*claims, error) {
	c := &claims{}
	if json.Unmarshal(plain, c) == nil && c.Expires > 0 && c.Issued > 0 && c.AuthenticatedAt > 0 {
		if again, err := json.Marshal(c); err == nil && bytes.Equal(again, plain) {
			return c, nil
		}
	}
	return parseCarefully(plain)
}

// parseCarefully returns the claims that this version knows, and ignores others, which a later version may have written.
// encoding/json alone would accept two claims of the same name, names in another case, and fractions.
func parseCarefully(plain []byte) (*claims, error) {
	values, err := members(plain)
	if err != nil {
		return nil, ErrInvalid
	}
	c := &claims{}
	for name, field := range map[string]*string{
		"token_type": &c.Type, "jti": &c.ID, "user_id": &c.User, "iss": &c.Issuer, "sub": &c.Subject, "aud": &c.Audience,
		"sid": &c.Session, "epoch": &c.Epoch,
	} {
		if raw, ok := values[name]; ok && (raw[0] != '"' || json.Unmarshal(raw, field) != nil) {
			return nil, ErrInvalid
		}
	}
	for name, field := range map[string]*int64{"exp": &c.Expires, "iat": &c.Issued, "auth_time": &c.AuthenticatedAt} {
		raw, ok := values[name]
		if !ok {
			continue
		}
		if *field, err = strconv.ParseInt(string(raw), 10, 64); err != nil || *field <= 0 {
			return nil, ErrInvalid
		}
	}
	if raw, ok := values["amr"]; ok && (raw[0] != '[' || json.Unmarshal(raw, &c.Methods) != nil) {
		return nil, ErrInvalid
	}
	if _, early := values["nbf"]; early {
		return nil, ErrInvalid // we never write nbf and don't implement it, so we must not ignore it
	}
	return c, nil
}

// members returns the members of a JSON object. Two of the same name are an error.
func members(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, ErrInvalid
	}
	values := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := values[name.(string)]; twice { // the decoder accepts only strings as names
			return nil, ErrInvalid
		}
		values[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, ErrInvalid
	}
	return values, nil
}
