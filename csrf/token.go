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

// Django's CSRF_COOKIE_PATH and so on, with its defaults. Scripts must read the cookie, so it is not HttpOnly; it
// authenticates nothing.
const (
	cookiePath     = "/"
	cookieAge      = 364 * 24 * time.Hour
	cookieSameSite = http.SameSiteLaxMode
)

const (
	alphabet  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" // Django's, in its order
	tokenSize = 32
	nonceSize = 16 // random characters of a token without a session; the rest is a MAC of them
)

// Issue returns the token of the session with this public ID, or with "" the token of a visitor without one, and sets it as
// the cookie csrftoken. A visitor keeps the token of the request, so that other open pages continue to work. Issue also
// forbids caches to store the response.
func (p *Protection) Issue(w http.ResponseWriter, r *http.Request, binding string) string {
	token := p.token(r, binding)
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Value: token, Path: cookiePath, SameSite: cookieSameSite, Secure: p.secure,
		MaxAge: int(cookieAge / time.Second), Expires: time.Now().Add(cookieAge), // Expires is for clients that don't know Max-Age
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
	rand.Read(random) // crashes the program instead of failing
	nonce := derive(random, "nonce", "", nonceSize)
	return nonce + derive(p.keys()[0], "visitor", nonce, tokenSize-nonceSize)
}

// sealed reports whether an unmasked token was made by Issue for a visitor without a session.
func (p *Protection) sealed(token string) bool {
	nonce, seal := token[:nonceSize], token[nonceSize:]
	return p.equalsAny(seal, "visitor", nonce, tokenSize-nonceSize)
}

// checkToken compares a token with the expected one. from says where it was sent, for the error.
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
	// A browser keeps the token of a session that ended elsewhere, and its page sends it with the next sign-in. The origin
	// has been checked already, so the token is accepted if it repeats the cookie. Strict mode accepts only tokens that the
	// server made, which a planted cookie hasn't.
	if subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 || (p.strict && !p.sealed(token)) {
		return failed("CSRF token %s incorrect.", from)
	}
	return nil
}

// repeatsCookie reports whether an unmasked token equals the cookie's.
func repeatsCookie(r *http.Request, token string) bool {
	text, _ := cookie(r)
	want, flaw := unmasked(text)
	return flaw == "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
}

// unmasked returns the token as Issue makes it, or what is wrong with its form, in Django's words. Django's own pages mask a
// token: they send 32 random characters, and then each character of the token, shifted in the alphabet by the index of the
// random one.
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

// cookie returns the csrftoken cookie of a request; none if there are two, since a sibling domain may have planted one.
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

// derive returns the HMAC-SHA256 of a text, extended by a counter as needed, as characters of the alphabet. It skips bytes
// from 248 on, since 248 is the largest multiple of 62: they would make some characters likelier.
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
