package reqinfo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Proxies is the set of proxies whose X-Forwarded-For is believed. The zero value is the empty set. It is safe for concurrent use.
//
// Of all headers that proxies write, X-Forwarded-For alone counts, and only from a trusted peer. Forwarded, X-Real-IP,
// True-Client-IP, CF-Connecting-IP, X-Client-IP and the like are always ignored: a proxy that sets one of them
// passes the others on as the client sent them, so a server that reads more than one reads the client's own. Scheme and
// host are never taken from a header at all; they are configured.
type Proxies struct {
	prefixes []netip.Prefix
	unix     bool
}

// unixPeers stands in a list for every program that connects to a Unix socket of this server. Such a program has no address;
// the mode of the socket's file says which users may connect.
const unixPeers = "unix"

// ParseProxies makes Proxies of prefixes (10.0.0.0/8), single addresses (10.0.0.1), and the word unix, which stands for the
// programs that connect to a Unix socket. It refuses a prefix that is wider than any operator's own network, /8 in IPv4 and
// /7 in IPv6, and so above all 0.0.0.0/0 and ::/0, since anyone trusted can claim to be any client.
func ParseProxies(list []string) (Proxies, error) {
	var t Proxies
	for _, s := range list {
		if s == unixPeers {
			t.unix = true
			continue
		}
		p, err := parsePrefix(s)
		if err != nil {
			return Proxies{}, fmt.Errorf("trusted proxy %q: %w", s, err)
		}
		t.prefixes = append(t.prefixes, p)
	}
	return t, nil
}

var errNoPrefix = errors.New("neither an address nor a prefix such as 10.0.0.0/8, nor the word unix")

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errNoPrefix
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	widest := 7
	if p.Addr().Is4() {
		widest = 8
	}
	if p.Bits() < widest {
		return netip.Prefix{}, fmt.Errorf("too wide, since every host in it could claim to be any client: "+
			"name the proxies' own network, /%d or narrower", widest)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("both an address and a prefix: write %v or %v", p.Masked(), p.Addr())
	}
	return p, nil
}

// Addr returns the client's address: that of the peer, unless the peer is trusted; then the last address in
// X-Forwarded-For that is not trusted. Where an entry is no address, the walk stops at the proxy that wrote it, and if all
// are trusted, at the first. The address has no zone and is never an IPv4 address mapped into IPv6. It is the zero Addr if
// the client has none, as on a Unix socket.
func (t Proxies) Addr(r *http.Request) netip.Addr {
	client, ok := parseAddr(r.RemoteAddr)
	if !t.trusts(r, client, ok) {
		return client
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more {
			var entry string
			rest, entry, more = cutLast(rest)
			addr, ok := parseAddr(strings.Trim(entry, " \t"))
			if !ok {
				return client
			}
			client = addr
			if !t.contains(client) {
				return client
			}
		}
	}
	return client
}

// TrustsPeer reports whether the request itself comes from a trusted proxy, whomever it forwards.
func (t Proxies) TrustsPeer(r *http.Request) bool {
	peer, ok := parseAddr(r.RemoteAddr)
	return t.trusts(r, peer, ok)
}

// trusts judges the peer of a request: its address, or if it has none, the socket that it came by.
func (t Proxies) trusts(r *http.Request, peer netip.Addr, hasAddress bool) bool {
	if !hasAddress {
		return t.unix && byUnixSocket(r)
	}
	return t.contains(peer)
}

// byUnixSocket reports whether a request whose RemoteAddr isn't an IP address came by a Unix socket. If net/http doesn't say
// so, RemoteAddr shows it: it is then the path of the client's own socket, or "@" if that has none.
func byUnixSocket(r *http.Request) bool {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return local.Network() == "unix"
	}
	return strings.HasPrefix(r.RemoteAddr, "@") || strings.HasPrefix(r.RemoteAddr, "/")
}

func (t Proxies) contains(addr netip.Addr) bool {
	for _, p := range t.prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// cutLast splits the last entry off a comma-separated list.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseAddr reads the forms that servers and proxies write: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:80, each IPv6 address perhaps with a zone.
func parseAddr(s string) (netip.Addr, bool) {
	host := s
	switch colon := strings.LastIndexByte(s, ':'); {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 || !strings.Contains(s[:end], ":") || !isPort(s[end+1:]) {
			return netip.Addr{}, false
		}
		host = s[1:end]
	case colon >= 0 && colon == strings.IndexByte(s, ':'):
		if !isPort(s[colon:]) {
			return netip.Addr{}, false
		}
		host = s[:colon]
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap().WithZone(""), err == nil
}

// isPort reports whether s is empty or a colon and a port.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	_, err := strconv.ParseUint(s[1:], 10, 16)
	return s[0] == ':' && err == nil
}
