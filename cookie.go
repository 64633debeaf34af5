package cloakroom

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Cookie changes attributes of the session cookie, so that another program can share it. New returns an error if browsers would
// ignore the cookie or not send it to this server.
type Cookie struct {
	// Name is the name of the cookie. "": __Host-Http-sessionid, but sessionid beside Django or without https.
	Name string

	// Domain lets all subdomains of a domain have the cookie. "": only the host of Config.URL has it.
	Domain string

	// Path is the path below which browsers send the cookie. It must cover /api. "": /.
	Path string

	// SameSite says whether browsers send the cookie with requests that other sites cause. 0: Lax.
	SameSite http.SameSite
}

// setCookie sets the fields of m that describe the session cookie.
func (c *Config) setCookie(m *session.Manager, secure bool) {
	m.CookieName, m.CookieDomain, m.CookiePath = c.Cookie.Name, c.Cookie.Domain, c.Cookie.Path
	m.SameSite, m.InsecureHTTP = c.Cookie.SameSite, !secure
	switch {
	case m.CookieName != "":
	case !secure || c.besideDjango():
		m.CookieName = "sessionid"
	default:
		m.CookieName = session.CookieName
	}
}

// checkCookie returns an error if browsers would ignore the session cookie or not send it back. Otherwise people would sign in
// with success and not be signed in at the next request.
func checkCookie(c Config, base *url.URL) error {
	var m session.Manager
	c.setCookie(&m, base.Scheme == "https")
	for _, taken := range []string{csrf.CookieName, httpapi.DeviceCookie, device.CookieName, texts.AccountCookie} {
		if m.CookieName == taken {
			return fmt.Errorf("the name %s belongs to another cookie of this server, and the two would overwrite each other", taken)
		}
	}
	if err := m.CheckCookieConfig(); err != nil {
		return err
	}
	if err := domainCovers(m.CookieDomain, base.Hostname()); err != nil {
		return err
	}
	if !pathCovers(cmp.Or(m.CookiePath, "/"), "/api/me") || !pathCovers(cmp.Or(m.CookiePath, "/"), "/api/auth/login") {
		return fmt.Errorf("browsers would not send a cookie with the path %s to /api/me and /api/auth, "+
			"where this server needs it: give / or /api", m.CookiePath)
	}
	for _, upstream := range c.Upstreams {
		prefix := "/"
		if before, _, ok := strings.Cut(upstream, "="); ok && strings.HasPrefix(before, "/") {
			prefix = before
		}
		if !pathCovers(cmp.Or(m.CookiePath, "/"), prefix) {
			return fmt.Errorf("browsers would not send a cookie with the path %s to Config.Upstreams %s, "+
				"so that no user would be signed in there: give /", m.CookiePath, upstream)
		}
	}
	return nil
}

// domainCovers returns an error if a host may not set a cookie for a domain (RFC 6265bis, section 5.1.3). "" is the host itself.
func domainCovers(domain, host string) error {
	name, host := strings.ToLower(strings.TrimPrefix(domain, ".")), strings.ToLower(host)
	_, err := netip.ParseAddr(host)
	if name == "" || name == host || err != nil && strings.HasSuffix(host, "."+name) {
		return nil
	}
	return fmt.Errorf("browsers ignore a cookie for the domain %s that comes from %s, the host of Config.URL: "+
		"give that host's own domain, or no domain", domain, host)
}

// pathCovers reports whether browsers send a cookie with a path to another path (RFC 6265bis, section 5.1.4).
func pathCovers(path, to string) bool {
	rest, ok := strings.CutPrefix(to, path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(path, "/"))
}
