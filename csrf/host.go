package csrf

import "strings"

// AllowedHost reports whether a Host header is the host and port of the URL or of a trusted origin; a proxy or development
// server there may pass its Host on. Case, a dot at the end and an explicit default port don't matter. Any other Host is a
// misdirected request, or a name that an attacker has pointed at the server (DNS rebinding); answer it with 421 (RFC 9110
// section 15.5.20).
func (p *Protection) AllowedHost(host string) bool {
	if p.hosts[host] {
		return true
	}
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i:]
	}
	return p.hosts[lower(strings.TrimSuffix(name, "."))+port]
}

// addHosts adds the forms of a Host header for o.
func (o origin) addHosts(hosts map[string]bool) {
	host := strings.TrimPrefix(o.String(), o.scheme+"://")
	hosts[host] = true
	if o.port == "" {
		hosts[host+":"+o.impliedPort()] = true
	}
}

// lower is strings.ToLower for ASCII letters only. ToLower also turns letters such as the Kelvin sign into ASCII, which
// would make two hosts equal.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}
