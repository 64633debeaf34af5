package cloakroom

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Cookie says how the session cookie differs from the safest one, to be the one that another program shares. New refuses one
// that browsers ignore, or that they would not send to this server.
type Cookie struct {
	Name     string        // "": __Host-Http-sessionid, and sessionid beside Django or without https
	Domain   string        // "": this host alone
	Path     string        // "": /
	SameSite http.SameSite // 0: Lax
}

// setCookie makes the session cookie that of the Config.
func (c *Config) setCookie(m *session.Manager, secure bool) {
	m.CookieName, m.CookieDomain, m.CookiePath = c.Cookie.Name, c.Cookie.Domain, c.Cookie.Path
	m.SameSite, m.InsecureHTTP = c.Cookie.SameSite, !secure
	switch {
	case m.CookieName != "":
	case !secure || strings.HasPrefix(c.DB, djangoScheme):
		m.CookieName = session.PlainCookieName
	default:
		m.CookieName = session.CookieName
	}
}

// checkCookie refuses a session cookie that browsers would ignore in silence, or not send back, so that a sign-in succeeds
// and the next request is nobody's.
func checkCookie(c Config, base *url.URL) error {
	var m session.Manager
	c.setCookie(&m, base.Scheme == "https")
	for _, taken := range []string{csrf.CookieName, httpapi.DeviceCookie} {
		if m.CookieName == taken {
			return fmt.Errorf("the name %s is that of another cookie of this server, and each would overwrite the other", taken)
		}
	}
	if err := m.CheckCookie(); err != nil {
		return err
	}
	if err := domainCovers(m.CookieDomain, base.Hostname()); err != nil {
		return err
	}
	if !pathCovers(or(m.CookiePath, "/"), "/api/me") || !pathCovers(or(m.CookiePath, "/"), "/api/auth/login") {
		return fmt.Errorf("browsers would not send a cookie with the path %s to /api/me and /api/auth, "+
			"where this server needs it: give / or /api", m.CookiePath)
	}
	for _, upstream := range c.Upstreams {
		prefix := "/"
		if before, _, ok := strings.Cut(upstream, "="); ok && strings.HasPrefix(before, "/") {
			prefix = before
		}
		if !pathCovers(or(m.CookiePath, "/"), prefix) {
			return fmt.Errorf("browsers would not send a cookie with the path %s to Config.Upstreams %s, "+
				"so that nobody would be signed in there: give /", m.CookiePath, upstream)
		}
	}
	return nil
}

// domainCovers tells whether a host may set a cookie for a domain (RFC 6265bis, section 5.1.3). "" is the host itself.
func domainCovers(domain, host string) error {
	name, host := strings.ToLower(strings.TrimPrefix(domain, ".")), strings.ToLower(host)
	_, err := netip.ParseAddr(host)
	if name == "" || name == host || err != nil && strings.HasSuffix(host, "."+name) {
		return nil
	}
	return fmt.Errorf("browsers ignore a cookie for the domain %s that comes from %s, the host of Config.URL: "+
		"give that host's own domain, or no domain", domain, host)
}

// pathCovers tells whether browsers send a cookie with a path to another path (RFC 6265bis, section 5.1.4).
func pathCovers(path, to string) bool {
	rest, ok := strings.CutPrefix(to, path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(path, "/"))
}
