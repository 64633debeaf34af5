package csrf

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// ErrOriginNotSameSite says that a trusted origin is another site than the URL, so that browsers would not send the session cookie
// from there: another scheme or another registrable domain (HTML, "same site"; RFC 6265bis section 5.2).
var ErrOriginNotSameSite = errors.New("another site")

// origin is an origin as browsers write it in the Origin header (HTML, "serialization of an origin"): in lower case,
// addresses in canonical form, and without a default port.
type origin struct {
	scheme string
	host   string // without brackets
	port   string // "": the default of the scheme
}

func (o origin) String() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port != "" {
		host += ":" + o.port
	}
	return o.scheme + "://" + host
}

func (o origin) impliedPort() string {
	if o.scheme == "https" {
		return "443"
	}
	return "80"
}

func (o origin) loopback() bool {
	addr, err := netip.ParseAddr(o.host)
	return o.host == "localhost" || strings.HasSuffix(o.host, ".localhost") || err == nil && addr.IsLoopback()
}

// parseOrigins returns the origins of c.URL, with that of c.URL first, and the trusted ones.
func parseOrigins(c Config) (own, extra []origin, err error) {
	main, err := parseOrigin(c.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("URL %q: %w", c.URL, err)
	}
	if main.scheme == "http" && !main.loopback() && !c.InsecureHTTP {
		return nil, nil, fmt.Errorf("URL %q: anyone on the network path could read and change requests; use https", c.URL)
	}
	own = aliases(main)
	seen := map[origin]bool{main: true}
	for _, s := range c.Origins {
		o, err := parseOrigin(s)
		if err != nil {
			return nil, nil, fmt.Errorf("origin %q: %w", s, err)
		}
		if seen[o] {
			return nil, nil, fmt.Errorf("origin %q: given twice", s)
		}
		if err := sameSiteAsOne(own, o); err != nil {
			return nil, nil, fmt.Errorf("origin %q: %w", s, err)
		}
		seen[o] = true
		extra = append(extra, o)
	}
	return own, extra, nil
}

// aliases returns o, and if it is this machine, its other names.
func aliases(o origin) []origin {
	names := []string{"localhost", "127.0.0.1", "::1"}
	all := []origin{o}
	for _, name := range names {
		if o.host != names[0] && o.host != names[1] && o.host != names[2] {
			return all
		}
		if alias := (origin{o.scheme, name, o.port}); alias != o {
			all = append(all, alias)
		}
	}
	return all
}

func parseOrigin(s string) (origin, error) {
	switch s {
	case "":
		return origin{}, errors.New("empty")
	case "*", "null":
		return origin{}, errors.New("any page can send this origin; list each trusted origin, such as https://app.example.com")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return origin{}, errors.New("not an origin, which is written https://app.example.com")
	}
	if u.User != nil {
		return origin{}, fmt.Errorf("has a user name; write %s://%s", u.Scheme, u.Host)
	}
	if !strings.EqualFold(s, u.Scheme+"://"+u.Host) {
		return origin{}, fmt.Errorf("has more than scheme, host and port; write %s://%s", u.Scheme, u.Host)
	}
	o := origin{scheme: u.Scheme}
	if o.host, err = parseHost(u.Hostname()); err != nil {
		return origin{}, err
	}
	if o.port, err = parsePort(u); err != nil {
		return origin{}, err
	}
	if o.port == o.impliedPort() {
		o.port = ""
	}
	return o, nil
}

func parsePort(u *url.URL) (string, error) {
	port := u.Port()
	if port == "" && strings.HasSuffix(u.Host, ":") {
		return "", errors.New("has a colon without a port")
	}
	if port == "" {
		return "", nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", fmt.Errorf("has the invalid port %q", port)
	}
	return port, nil
}

// parseHost returns a host as browsers write it. It refuses whatever it can't convert with certainty.
func parseHost(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" || addr.Is4In6() {
			return "", errors.New("has an address that browsers write differently")
		}
		return addr.String(), nil
	}
	s = lower(s)
	if len(s) > 253 {
		return "", errors.New("has too long a host")
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return "", fmt.Errorf("has the host %q, with a dot too many", s)
		case strings.Contains(label, "*"):
			return "", errors.New("has a wildcard; name each origin")
		case !consistsOf(label, "abcdefghijklmnopqrstuvwxyz0123456789-_"):
			return "", fmt.Errorf("has the host %q; write it in ASCII, an international name in its xn-- form", s)
		}
	}
	// Browsers take a host for an IPv4 address if its last label is a number (WHATWG URL, "ends in a number").
	last := labels[len(labels)-1]
	if consistsOf(last, "0123456789") || strings.HasPrefix(last, "0x") {
		return "", fmt.Errorf("has the host %q, which browsers take for an address; write it as four numbers", s)
	}
	return s, nil
}

func sameSiteAsOne(own []origin, o origin) error {
	var first error
	for _, ours := range own {
		err := sameSite(ours, o)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func sameSite(ours, o origin) error {
	if ours.scheme != o.scheme {
		return fmt.Errorf("%w: its scheme is %s, and that of %v is %s", ErrOriginNotSameSite, o.scheme, ours, ours.scheme)
	}
	if ours.host == o.host {
		return nil
	}
	mine, err := site(ours.host)
	if err != nil {
		return fmt.Errorf("%w: %w, so only %s itself is the same site as %v", ErrOriginNotSameSite, err, ours.host, ours)
	}
	theirs, err := site(o.host)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOriginNotSameSite, err)
	}
	if mine != theirs {
		return fmt.Errorf("%w: it belongs to %s, and %v to %s; use a host below %s", ErrOriginNotSameSite, theirs, ours, mine, mine)
	}
	return nil
}

// site returns the registrable domain of a host according to the Public Suffix List.
func site(host string) (string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return "", fmt.Errorf("%s is an address", host)
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return "", fmt.Errorf("%s is not a domain that can be registered", host)
	}
	return domain, nil
}
