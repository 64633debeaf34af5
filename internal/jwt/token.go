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

// kind is what a token is for.
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

// maxLength bounds a token, in bytes. Ours have some 500.
const maxLength = 4096

// skew is how far the clocks of two nodes may be apart.
const skew = time.Minute

// claims are what a token says: simplejwt's claims in its order, then ours. All times are seconds since 1970.
type claims struct {
	Type            string `json:"token_type"`
	Expires         int64  `json:"exp"`
	Issued          int64  `json:"iat"`
	ID              string `json:"jti"`
	User            string `json:"user_id"`
	Issuer          string `json:"iss"`
	Subject         string `json:"sub,omitempty"` // of a minted token, for services that know no user_id
	Audience        string `json:"aud"`
	Session         string `json:"sid"` // the family; of a minted token, the session
	AuthenticatedAt int64  `json:"auth_time"`
	Epoch           string `json:"epoch,omitempty"` // of a minted token: see epochMark
}

// newID returns 128 random bits as simplejwt writes them, in hexadecimal.
func newID() string {
	var b [16]byte
	// Not rand.Read, which would end the process where the request can fail.
	if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
		panic("jwt: no randomness: " + err.Error())
	}
	return hex.EncodeToString(b[:])
}

// sign writes a token of a kind.
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

// open returns what a token says if it is of one of our kinds, signed by us for this audience, and not expired. What isn't
// as short as a token is refused before anything looks into it, and nothing reads the claims before the signature is right.
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
	return c, of, s.judge(c, of, audience, now.Unix())
}

// split takes a token apart: what is signed, the second part of that, and the signature.
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
	// The decoder passes over line breaks, so the length says whether there were any.
	signature, err := base64.RawURLEncoding.Strict().DecodeString(last[1:])
	return signed, payload, signature, err == nil && len(signature) == signatureSize
}

// judge looks at the claims in simplejwt's order, so that the reason is the one that it would give.
func (s *Service) judge(c *claims, of kind, audience string, now int64) error {
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

// parse reads the claims. What is written just as we write it is read fast, and what isn't, with care.
func parse(plain []byte) (*claims, error) {
	c := &claims{}
	if json.Unmarshal(plain, c) == nil && c.Expires > 0 && c.Issued > 0 && c.AuthenticatedAt > 0 {
		if again, err := json.Marshal(c); err == nil && bytes.Equal(again, plain) {
			return c, nil
		}
	}
	return parseCarefully(plain)
}

// parseCarefully reads the claims that we know; others may come from a later version of ours. encoding/json alone would let
// the last of two claims of a name win, take a name in another case, and round a fraction.
func parseCarefully(plain []byte) (*claims, error) {
	values, err := members(plain)
	if err != nil {
		return nil, ErrInvalid
	}
	c := &claims{}
	for name, place := range map[string]*string{
		"token_type": &c.Type, "jti": &c.ID, "user_id": &c.User, "iss": &c.Issuer, "sub": &c.Subject, "aud": &c.Audience,
		"sid": &c.Session, "epoch": &c.Epoch,
	} {
		if raw, ok := values[name]; ok && (raw[0] != '"' || json.Unmarshal(raw, place) != nil) {
			return nil, ErrInvalid
		}
	}
	for name, place := range map[string]*int64{"exp": &c.Expires, "iat": &c.Issued, "auth_time": &c.AuthenticatedAt} {
		raw, ok := values[name]
		if !ok {
			continue
		}
		if *place, err = strconv.ParseInt(string(raw), 10, 64); err != nil || *place <= 0 {
			return nil, ErrInvalid
		}
	}
	if _, early := values["nbf"]; early {
		return nil, ErrInvalid // we never write it, so nothing here knows how to heed it
	}
	return c, nil
}

// members returns those of a JSON object, none of them twice.
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
		if _, twice := values[name.(string)]; twice { // the decoder lets nothing else be a name
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
