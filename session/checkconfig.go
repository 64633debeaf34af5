package session

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

var errNoStore = errors.New("session: Manager.Store is nil; give it a store, such as that of package sqlite")

// CheckConfig returns an error if there is no Store, if a limit is shorter than a second, such as a number that was meant in seconds,
// or if no browser would keep the cookie, so that people would sign in and be signed out at the next request. It can't know for which host the cookie is, so it can't check that CookieDomain fits
// the host. Handler panics with the error, and SignIn returns it.
func (m *Manager) CheckConfig() error {
	if m.Store == nil {
		return errNoStore
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{{"Idle", m.Idle}, {"Lifetime", m.Lifetime}, {"BrowserIdle", m.BrowserIdle}, {"BrowserLifetime", m.BrowserLifetime}} {
		if limit.value != 0 && limit.value < time.Second {
			return fmt.Errorf("session: Manager.%s is %v: give at least a second, such as 2*time.Hour; 0 is the default", limit.name, limit.value)
		}
	}
	if m.MaxSessions < 0 {
		return fmt.Errorf("session: Manager.MaxSessions is %d: give a positive number; 0 is no limit", m.MaxSessions)
	}
	if err := m.CheckCookieConfig(); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// needsStore returns an error if there is no Store, for methods that work without a request.
func (m *Manager) needsStore() error {
	if m.Store == nil {
		return errNoStore
	}
	return nil
}

// Limits of browsers (RFC 6265bis, section 5.7), which ignore longer cookies and longer attributes.
const (
	maxCookie    = 4096 // of name and value together, in bytes
	maxAttribute = 1024
	maxTicket    = 1024 // more than any of [Tickets] takes
)

// CheckCookieConfig is the part of [Manager.CheckConfig] that is about the cookie. It returns an error if browsers ignore the cookie
// (RFC 6265bis, sections 4.1.3 and 5.7), or would not send it to the path and the domain that CookiePath and CookieDomain
// seem to name.
func (m *Manager) CheckCookieConfig() error {
	c := m.cookie("")
	switch {
	case (&http.Cookie{Name: c.Name}).Valid() != nil:
		return fmt.Errorf("%q can't be the name of a cookie: blanks, control characters and any of ( ) < > @ , ; : \\ \" / [ ] ? = { } can't be in one", c.Name)
	case len(c.Name) > maxCookie-maxTicket:
		return fmt.Errorf("the name of the session cookie is %d bytes long, and browsers ignore cookies of more than %d", len(c.Name), maxCookie)
	case c.SameSite == http.SameSiteNoneMode && !c.Secure:
		return errors.New("browsers ignore a cookie with SameSite=None without Secure, and so without https")
	}
	if err := checkPath(c.Path); err != nil {
		return err
	}
	if err := checkDomain(c.Domain); err != nil {
		return err
	}
	return checkPrefix(c)
}

// checkPath returns an error unless browsers can compare the path with the paths of requests.
func checkPath(path string) error {
	written := func(r rune) bool { return r > ' ' && r < 0x7f && !strings.ContainsRune("\"#;<>?`{}", r) }
	if path[0] != '/' || len(path) > maxAttribute || strings.ContainsFunc(path, func(r rune) bool { return !written(r) }) {
		return fmt.Errorf("%q can't be the path of a cookie: a path begins with /, has at most %d bytes, and is written as in an address", path, maxAttribute)
	}
	return nil
}

// checkDomain returns an error unless all hosts of the domain can belong to one owner.
func checkDomain(domain string) error {
	if domain == "" {
		return nil
	}
	name := strings.ToLower(strings.TrimPrefix(domain, ".")) // a dot before it is an old way to write the same
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return fmt.Errorf("%q can't be the domain of a cookie: it is an address, which has no subdomains", domain)
	}
	if (&http.Cookie{Name: "a", Domain: name}).Valid() != nil || name == "" || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return fmt.Errorf("%q can't be the domain of a cookie: a domain is written like example.com", domain)
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
		return fmt.Errorf("%q can't be the domain of a cookie: it is a public suffix, below which different owners have their hosts", domain)
	}
	return nil
}

// prefixes are the prefixes of cookie names to which browsers tie conditions, whatever the case of the letters, the longest
// first. Each needs Secure. __Host-Http- and __Http- also need HttpOnly, which our cookie always has.
var prefixes = []struct {
	prefix string
	host   bool // without a Domain, and with the Path "/"
}{
	{"__Host-Http-", true}, {"__Host-", true}, {"__Http-", false}, {"__Secure-", false},
}

func checkPrefix(c *http.Cookie) error {
	for _, p := range prefixes {
		if len(c.Name) < len(p.prefix) || !strings.EqualFold(c.Name[:len(p.prefix)], p.prefix) {
			continue
		}
		switch {
		case !c.Secure:
			return fmt.Errorf("browsers ignore the cookie %s without https: give it a name that doesn't begin with %s", c.Name, p.prefix)
		case p.host && (c.Domain != "" || c.Path != "/"):
			return fmt.Errorf("browsers ignore the cookie %s with the domain %q and the path %q: a name that begins with %s "+
				"allows no domain, and only the path /. Give the cookie another name, such as __Secure-sessionid",
				c.Name, c.Domain, c.Path, p.prefix)
		}
		return nil
	}
	return nil
}
