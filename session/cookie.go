package session

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// CookieName is the default name of the session cookie. Browsers let a cookie with this prefix be set only by a server,
// over https, for one host and the path "/" (draft-ietf-httpbis-layered-cookies; those that don't know "__Host-Http-"
// still enforce "__Host-").
const CookieName = "__Host-Http-sessionid"

// plainCookieName is the default name where InsecureHTTP is set, since a browser refuses the prefix without https.
const plainCookieName = "sessionid"

func (m *Manager) cookieName() string {
	switch {
	case m.CookieName != "":
		return m.CookieName
	case m.InsecureHTTP:
		return plainCookieName
	}
	return CookieName
}

func (m *Manager) cookie(value string) *http.Cookie {
	c := &http.Cookie{
		Name: m.cookieName(), Value: value, Path: cmp.Or(m.CookiePath, "/"), Domain: m.CookieDomain,
		HttpOnly: true, Secure: !m.InsecureHTTP, SameSite: m.SameSite,
	}
	if c.SameSite != http.SameSiteStrictMode && c.SameSite != http.SameSiteNoneMode {
		c.SameSite = http.SameSiteLaxMode // set explicitly: browsers are laxer with a cookie that lacks the attribute
	}
	return c
}

// maxCookieAge is the longest that browsers keep a cookie (RFC 6265bis, section 5.5): 400 days.
const maxCookieAge = 400 * 24 * time.Hour

func (m *Manager) setCookie(w http.ResponseWriter, ticket string, browser bool) {
	c := m.cookie(ticket)
	if !browser {
		age := min(m.lifetime(false), maxCookieAge)
		c.MaxAge = int(age / time.Second)
		// Some clients know only Expires, and Java's takes a cookie with Max-Age alone for one of RFC 2965, which it
		// would send back in quotes.
		c.Expires = time.Now().Add(age)
	}
	writeCookie(w, c)
}

func (m *Manager) deleteCookie(w http.ResponseWriter) {
	c := m.cookie("")
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	writeCookie(w, c)
}

// expireHostOnly deletes the cookie that a browser may still have from before CookieDomain was set. Beside the new cookie it
// would be a second one of the same name, and then neither would count. Call it before the new cookie is set, since some
// clients take the two for one.
func (m *Manager) expireHostOnly(w http.ResponseWriter, r *http.Request) {
	if m.CookieDomain == "" || m.present(r).count == 0 {
		return
	}
	c := m.cookie("")
	c.Domain, c.MaxAge, c.Expires = "", -1, time.Unix(1, 0)
	writeCookie(w, c)
}

// writeCookie sets a cookie, and keeps shared caches from storing the answer.
func writeCookie(w http.ResponseWriter, c *http.Cookie) {
	http.SetCookie(w, c)
	w.Header().Set("Cache-Control", "no-store")
	if !slices.Contains(w.Header()["Vary"], "Cookie") {
		w.Header().Add("Vary", "Cookie")
	}
}

// cookieValues goes through the values of the cookies with exactly this name.
//
// net/http's parser is not used: it trims blanks around names and strips quotes from values, and a name that only looks
// like ours must not count (RFC 6265bis, section 5.7: names are compared as they are).
func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				key, value, ok := strings.Cut(strings.TrimLeft(pair, " "), "=")
				if ok && key == name && !yield(strings.TrimRight(value, " ")) {
					return
				}
			}
		}
	}
}
