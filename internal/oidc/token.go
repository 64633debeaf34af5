package oidc

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// claimSet are the claims of a token or of UserInfo by their exact names. encoding/json, and with it the library, takes a member of
// a struct from any spelling of its name, so a claim that users can name themselves could stand for another.
type claimSet map[string]json.RawMessage

// ours are the claims that are read here or by the library.
var ours = []string{
	"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "jti", "sid", "events", "auth_time", "acr", "amr",
	"email", "email_verified", "name", "preferred_username", "_claim_names", "_claim_sources",
}

// exact returns an error if a claim has the name of another but for capital letters.
func (c claimSet) exact() error {
	for name := range c {
		for _, ours := range ours {
			if name != ours && strings.EqualFold(name, ours) {
				return mismatch("the claim %.40q is spelled like %s", name, ours)
			}
		}
	}
	return nil
}

// text returns a claim that is a string, and "" if there is none.
func (c claimSet) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// texts returns a claim that is a list of strings.
func (c claimSet) texts(name string) []string {
	var all []string
	if json.Unmarshal(c[name], &all) != nil {
		return nil
	}
	return all
}

// time returns a claim that is a time in Unix seconds, and 0 if there is none. Some providers send it with a fraction.
func (c claimSet) time(name string) int64 {
	var n float64
	if json.Unmarshal(c[name], &n) != nil || n < 1 || n > 1<<40 {
		return 0
	}
	return int64(math.Floor(n))
}

// yes reports whether a claim is true. Some providers send it as text; anything else is false.
func (c claimSet) yes(name string) bool {
	value := string(bytes.TrimSpace(c[name]))
	return value == "true" || value == `"true"`
}

// describe sets what the claims say about the person.
func (c claimSet) describe(to *Claims) {
	if email := c.text("email"); isText(email, 254) && strings.Count(email, "@") == 1 {
		to.Email, to.EmailVerified = email, c.yes("email_verified")
	}
	if name := c.text("preferred_username"); to.Username == "" && isText(name, maxText) {
		to.Username = name
	}
	if name := c.text("name"); to.Name == "" && isText(name, maxText) {
		to.Name = name
	}
}

// compact is the only form of a token that is read (RFC 7515 section 7.1).
var compact = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)
})

// typeOf returns the type of a token (RFC 7515 section 4.1.9), in lower case and without "application/".
func typeOf(token string) (string, error) {
	if len(token) > maxToken || !compact().MatchString(token) {
		return "", mismatch("no signed token in compact form")
	}
	encoded, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", mismatch("the header is no base64url")
	}
	var header claimSet
	if err := json.Unmarshal(text, &header); err != nil {
		return "", mismatch("the header is no JSON object")
	}
	if header["typ"] != nil && header.text("typ") == "" {
		return "", mismatch("the type is no text")
	}
	return strings.TrimPrefix(strings.ToLower(header.text("typ")), "application/"), nil
}

const typeLogout = "logout+jwt"

// verifyID returns what a valid ID token says (OpenID Connect Core 3.1.3.7).
func (p *Provider) verifyID(ctx context.Context, m *metadata, a Attempt, token string) (*Claims, error) {
	typ, err := typeOf(token)
	if err != nil {
		return nil, err
	}
	if typ != "" && typ != "jwt" && typ != "id_token+jwt" {
		return nil, mismatch("the type %.40q is not that of an ID token", typ)
	}
	keys := &keySet{p: p}
	verified, err := p.verifier(m, keys).Verify(ctx, token)
	if err != nil {
		return nil, tokenError(keys, err)
	}
	var claims claimSet
	if err := verified.Claims(&claims); err != nil {
		return nil, mismatch("%w", err)
	}
	if err := cmp.Or(claims.exact(), p.checkParty(verified.Audience, claims), checkTimes(claims)); err != nil {
		return nil, err
	}
	if claims["events"] != nil {
		return nil, mismatch("an ID token has no events")
	}
	if a.Nonce == "" || subtle.ConstantTimeCompare([]byte(claims.text("nonce")), []byte(a.Nonce)) != 1 {
		return nil, mismatch("the nonce is another")
	}
	c := &Claims{Issuer: p.Issuer, Subject: claims.text("sub"), AuthAt: claims.time("auth_time")}
	if !isText(c.Subject, maxText) {
		return nil, mismatch("it has no subject")
	}
	if sid := claims.text("sid"); isText(sid, maxText) {
		c.Session = sid
	}
	if c.AuthAt > time.Now().Add(skew).Unix() {
		return nil, mismatch("the person has authenticated in the future")
	}
	c.TwoFactors = p.SecondFactor == "theirs" &&
		(slices.Contains(claims.texts("amr"), "mfa") || slices.Contains(p.ACRValues, claims.text("acr")))
	claims.describe(c)
	c.Groups = p.groupsIn(claims)
	return c, nil
}

// tokenError tells a token that isn't valid from keys that could not be fetched.
func tokenError(keys *keySet, err error) error {
	if keys.err != nil {
		return keys.err
	}
	return mismatch("%w", err)
}

// checkParty returns an error unless a token was issued to us.
func (p *Provider) checkParty(audience []string, claims claimSet) error {
	azp := claims.text("azp")
	if claims["azp"] != nil && azp != p.ClientID {
		return mismatch("it was issued to another client")
	}
	if len(audience) > 1 && azp == "" {
		return mismatch("it has several audiences, and doesn't say to which it was issued")
	}
	return nil
}

// checkTimes returns an error unless a token counts now.
func checkTimes(claims claimSet) error {
	now := time.Now()
	early, late := now.Add(-skew).Unix(), now.Add(skew).Unix()
	switch exp, iat := claims.time("exp"), claims.time("iat"); {
	case exp == 0 || iat == 0:
		return mismatch("it doesn't say when it was issued and when it expires")
	case exp <= early:
		return mismatch("it has expired")
	case iat > late || claims.time("nbf") > late:
		return mismatch("it is from the future")
	}
	return nil
}

// maxLogoutAhead is how far ahead a logout token may expire.
const maxLogoutAhead = 10 * time.Minute

// logoutEvent is the event of a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout returns what a valid logout token says (OpenID Connect Back-Channel Logout 2.4 and 2.6). Whether it was used before is for the
// caller to find out. ErrMismatch, ErrUnavailable.
func (p *Provider) Logout(ctx context.Context, token string) (*LogoutToken, error) {
	if p.Kind == GitHub {
		return nil, mismatch("GitHub has no logout tokens")
	}
	typ, err := typeOf(token)
	if err != nil {
		return nil, err
	}
	if typ != typeLogout && !(p.UntypedLogout && (typ == "" || typ == "jwt")) {
		return nil, mismatch("the type %.40q is not that of a logout token", typ)
	}
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return nil, err
	}
	keys := &keySet{p: p}
	verified, err := p.verifier(m, keys).VerifyLogout(ctx, token)
	if err != nil {
		return nil, tokenError(keys, err)
	}
	var claims, events, event claimSet
	if err := verified.Claims(&claims); err != nil {
		return nil, mismatch("%w", err)
	}
	if json.Unmarshal(claims["events"], &events) != nil || json.Unmarshal(events[logoutEvent], &event) != nil || event == nil {
		return nil, mismatch("it has no event of a logout")
	}
	if err := cmp.Or(claims.exact(), p.checkParty(verified.Audience, claims), checkTimes(claims)); err != nil {
		return nil, err
	}
	t := &LogoutToken{
		ID: claims.text("jti"), Subject: claims.text("sub"), Session: claims.text("sid"),
		Issued: claims.time("iat"), Expires: claims.time("exp"),
	}
	return t, t.check()
}

func (t *LogoutToken) check() error {
	now := time.Now()
	for name, value := range map[string]string{"jti": t.ID, "sub": t.Subject, "sid": t.Session} {
		if value != "" && !isText(value, maxText) {
			return mismatch("%s is too long, or has unprintable characters", name)
		}
	}
	switch {
	case t.ID == "" || t.Subject == "" && t.Session == "":
		return mismatch("it has no jti, or neither sub nor sid")
	case t.Issued < now.Add(-skew).Unix():
		return mismatch("it is old")
	case t.Expires > now.Add(maxLogoutAhead).Unix():
		return mismatch("it expires too far ahead")
	}
	return nil
}
