package csrf

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// CookieName is the name of the token's cookie, and Django's default for its CSRF_COOKIE_NAME.
const CookieName = "csrftoken"

// What Django calls CSRF_COOKIE_PATH and so on, with its defaults. The cookie is for scripts to read, so it is not
// HttpOnly; it carries nothing that opens anything.
const (
	cookiePath     = "/"
	cookieAge      = 364 * 24 * time.Hour
	cookieSameSite = http.SameSiteLaxMode
)

const (
	alphabet  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" // Django's, in its order
	tokenSize = 32
	nonceSize = 16 // of a token without a session: so much is random, the rest is its seal
)

// Issue returns the token of the session with this public ID, or with "" that of a visitor without one, and sets it as
// the cookie csrftoken. A visitor keeps the token that the request carries, so that other open pages go on working. The
// answer must not be kept by a cache, and says so.
func (p *Protection) Issue(w http.ResponseWriter, r *http.Request, binding string) string {
	token := p.token(r, binding)
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Value: token, Path: cookiePath, SameSite: cookieSameSite, Secure: p.secure,
		MaxAge: int(cookieAge / time.Second), Expires: time.Now().Add(cookieAge), // the latter for clients that know no Max-Age
	})
	w.Header().Set("Cache-Control", "no-store")
	if !slices.Contains(w.Header().Values("Vary"), "Cookie") {
		w.Header().Add("Vary", "Cookie")
	}
	return token
}

func (p *Protection) token(r *http.Request, binding string) string {
	if binding != "" {
		return derive(p.keys()[0], "session", binding, tokenSize)
	}
	if token, ok := cookie(r); ok {
		if token, flaw := unmasked(token); flaw == "" && p.sealed(token) {
			return token
		}
	}
	random := make([]byte, sha256.Size)
	rand.Read(random) // ends the program rather than fail
	nonce := derive(random, "nonce", "", nonceSize)
	return nonce + derive(p.keys()[0], "visitor", nonce, tokenSize-nonceSize)
}

// sealed reports whether a token, unmasked, is one that Issue makes for a visitor without a session.
func (p *Protection) sealed(token string) bool {
	nonce, seal := token[:nonceSize], token[nonceSize:]
	return p.equalsAny(seal, "visitor", nonce, tokenSize-nonceSize)
}

// checkToken compares a token that came from the place of that name with what it must be.
func (p *Protection) checkToken(r *http.Request, c Caller, token, from string) error {
	token, flaw := unmasked(token)
	if flaw != "" {
		return failed("CSRF token %s %s.", from, flaw)
	}
	binding := ""
	if c.Binding != nil {
		var err error
		if binding, err = c.Binding(); err != nil {
			return err
		}
	}
	if binding != "" {
		if p.equalsAny(token, "session", binding, tokenSize) || p.shared && fromBrowser(r) && repeatsCookie(r, token) {
			return nil
		}
		return failed("CSRF token %s incorrect.", from)
	}
	want, ok := cookie(r)
	if !ok {
		return failed("CSRF cookie not set.")
	}
	if want, flaw = unmasked(want); flaw != "" {
		return failed("CSRF cookie %s.", flaw)
	}
	// A browser keeps the token of a session that ended elsewhere, and its page sends it with the next sign-in. It is the
	// browser's own, and the origin has been judged; strict mode asks for a seal, which no planted cookie has.
	if subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 || (p.strict && !p.sealed(token)) {
		return failed("CSRF token %s incorrect.", from)
	}
	return nil
}

// repeatsCookie reports whether a token, unmasked, is the one in the cookie.
func repeatsCookie(r *http.Request, token string) bool {
	text, _ := cookie(r)
	want, flaw := unmasked(text)
	return flaw == "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
}

// unmasked returns the token as Issue makes it, or what is wrong with its form, in Django's words. Django's own pages mask
// a token: 32 random characters, and then each of the token's moved on in the alphabet by the place of the random one.
func unmasked(token string) (plain, flaw string) {
	switch {
	case len(token) != tokenSize && len(token) != 2*tokenSize:
		return "", "has incorrect length"
	case !consistsOf(token, alphabet):
		return "", "has invalid characters"
	case len(token) == tokenSize:
		return token, ""
	}
	mask, cipher := token[:tokenSize], token[tokenSize:]
	secret := make([]byte, tokenSize)
	for i := range secret {
		place := strings.IndexByte(alphabet, cipher[i]) - strings.IndexByte(alphabet, mask[i])
		secret[i] = alphabet[(place+len(alphabet))%len(alphabet)]
	}
	return string(secret), ""
}

func consistsOf(s, characters string) bool { return strings.Trim(s, characters) == "" }

// cookie returns the csrftoken of a request. Two of them are none: one may have been planted by a sibling domain.
func cookie(r *http.Request) (string, bool) {
	all := r.CookiesNamed(CookieName)
	if len(all) != 1 {
		return "", false
	}
	return all[0].Value, true
}

func (p *Protection) equalsAny(got, purpose, text string, size int) bool {
	equal := 0
	for _, key := range p.keys() {
		equal |= subtle.ConstantTimeCompare([]byte(got), []byte(derive(key, purpose, text, size)))
	}
	return equal == 1
}

// derive writes HMAC-SHA256 of a text, continued by a counter as long as is needed, as characters of the alphabet. Bytes
// from 248 on are passed over, since 248 is the last multiple of 62: with them some characters would be likelier.
func derive(key []byte, purpose, text string, size int) string {
	out := make([]byte, 0, size)
	for counter := byte(0); len(out) < size; counter++ {
		h := hmac.New(sha256.New, key)
		h.Write([]byte{counter})
		h.Write([]byte(purpose + "\x00" + text))
		for _, b := range h.Sum(nil) {
			if b < 248 && len(out) < size {
				out = append(out, alphabet[b%62])
			}
		}
	}
	return string(out)
}
