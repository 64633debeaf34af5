package csrf

import "strings"

// AllowedHost reports whether a Host header names us: the host and port of the URL or of one of the trusted origins,
// behind which a proxy or a development server may stand that passes Host on. Case doesn't matter, nor does a dot at the
// end, nor whether the port is written that the scheme implies. Any other Host is a request that went astray, or a name
// that an attacker has pointed at us (DNS rebinding); 421 is the answer (RFC 9110 section 15.5.20).
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

// addHosts adds what a Host header says when it names o.
func (o origin) addHosts(hosts map[string]bool) {
	host := strings.TrimPrefix(o.String(), o.scheme+"://")
	hosts[host] = true
	if o.port == "" {
		hosts[host+":"+o.impliedPort()] = true
	}
}

// lower is strings.ToLower for the letters of ASCII. The other knows letters whose lower case is in ASCII, such as the
// Kelvin sign, and so makes two hosts one.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}
