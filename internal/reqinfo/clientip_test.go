package reqinfo_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

func mustTrust(t testing.TB, list ...string) reqinfo.Proxies {
	t.Helper()
	trust, err := reqinfo.ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func request(peer string, forwardedFor ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	if forwardedFor != nil {
		r.Header["X-Forwarded-For"] = forwardedFor
	}
	return r
}

func TestAddr(t *testing.T) {
	trust := mustTrust(t, "10.0.0.0/8", "::1", "fd00::/8", "192.0.2.10", "fe80::/10")
	for _, c := range []struct {
		name string
		peer string
		xff  []string
		want string
	}{
		{"no proxy", "198.51.100.7:4711", nil, "198.51.100.7"},
		{"an untrusted peer's word", "198.51.100.7:4711", []string{"203.0.113.1"}, "198.51.100.7"},
		{"one proxy", "10.0.0.1:80", []string{"203.0.113.1"}, "203.0.113.1"},
		{"a proxy that says nothing", "10.0.0.1:80", nil, "10.0.0.1"},
		{"a proxy that says nothing, at length", "10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"a client's own entry before the proxy's", "10.0.0.1:80", []string{"1.1.1.1, 203.0.113.1"}, "203.0.113.1"},
		{"two proxies", "10.0.0.1:80", []string{"1.1.1.1, 203.0.113.1, 10.9.9.9"}, "203.0.113.1"},
		{"several lines are one list", "10.0.0.1:80", []string{"1.1.1.1", "203.0.113.1", "10.9.9.9,10.9.9.8"}, "203.0.113.1"},
		{"all trusted", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage before the client", "10.0.0.1:80", []string{"x, 203.0.113.1"}, "203.0.113.1"},
		{"garbage after the client", "10.0.0.1:80", []string{"203.0.113.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"garbage as the client", "10.0.0.1:80", []string{"_hidden"}, "10.0.0.1"},
		{"an empty entry", "10.0.0.1:80", []string{"203.0.113.1,,10.0.0.2"}, "10.0.0.2"},
		{"a port", "10.0.0.1:80", []string{"203.0.113.1:1234"}, "203.0.113.1"},
		{"no port after the colon", "10.0.0.1:80", []string{"203.0.113.1:"}, "10.0.0.1"},
		{"too high a port", "10.0.0.1:80", []string{"203.0.113.1:65536"}, "10.0.0.1"},
		{"IPv6", "[::1]:80", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets", "[::1]:80", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 in brackets with a port", "[::1]:80", []string{"[2001:db8::7]:99"}, "2001:db8::7"},
		{"an open bracket", "[::1]:80", []string{"[2001:db8::7"}, "::1"},
		{"IPv4 in brackets", "[::1]:80", []string{"[203.0.113.1]"}, "::1"},
		{"after the bracket no port", "[::1]:80", []string{"[2001:db8::7]x"}, "::1"},
		{"a zone of the peer", "[fe80::1%eth0]:80", []string{"203.0.113.1"}, "203.0.113.1"},
		{"a zone of the client", "10.0.0.1:80", []string{"[2001:db8::7%eth0]:80"}, "2001:db8::7"},
		{"a mapped peer", "[::ffff:10.0.0.1]:80", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		{"blanks", "10.0.0.1:80", []string{" \t203.0.113.1 \t"}, "203.0.113.1"},
		{"other blanks", "10.0.0.1:80", []string{"203.0.113.1\u00a0"}, "10.0.0.1"},
		{"quotes", "10.0.0.1:80", []string{`"203.0.113.1"`}, "10.0.0.1"},
		{"leading zeros", "10.0.0.1:80", []string{"203.0.113.01"}, "10.0.0.1"},
		{"a single trusted address", "192.0.2.10:80", []string{"203.0.113.1"}, "203.0.113.1"},
		{"its neighbour", "192.0.2.11:80", []string{"203.0.113.1"}, "192.0.2.11"},
		{"a Unix socket", "@", []string{"203.0.113.1"}, "invalid IP"},
		{"no peer", "", []string{"203.0.113.1"}, "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := trust.Addr(request(c.peer, c.xff...)).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestAPeerOnAUnixSocketIsTrustedByTheWordUnix: it has no address, and counts as any other trusted proxy.
func TestAPeerOnAUnixSocketIsTrustedByTheWordUnix(t *testing.T) {
	t.Attr("threat", "C9")
	trust, without := mustTrust(t, "10.0.0.0/8", "unix"), mustTrust(t, "10.0.0.0/8")
	by := func(network, peer string, forwardedFor ...string) *http.Request {
		r := request(peer, forwardedFor...)
		var local net.Addr = &net.UnixAddr{Name: "/run/app.sock", Net: network}
		if network == "tcp" {
			local = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
		}
		return r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local))
	}
	for _, c := range []struct {
		name    string
		r       *http.Request
		want    string
		trusted bool
	}{
		{"what the proxy says", by("unix", "@", "203.0.113.1"), "203.0.113.1", true},
		{"a socket with a name", by("unix", "/run/nginx.sock", "203.0.113.1"), "203.0.113.1", true},
		{"no name at all", by("unix", "", "203.0.113.1"), "203.0.113.1", true},
		{"without what net/http knows", request("@", "203.0.113.1"), "203.0.113.1", true},
		{"a proxy before it", by("unix", "@", "1.1.1.1, 203.0.113.1, 10.0.0.2"), "203.0.113.1", true},
		{"the client's own entry", by("unix", "@", "1.1.1.1, 203.0.113.1"), "203.0.113.1", true},
		{"a proxy that says nothing", by("unix", "@"), "invalid IP", true},
		{"garbage", by("unix", "@", "unknown"), "invalid IP", true},
		{"a client with an address", by("tcp", "198.51.100.7:80", "203.0.113.1"), "198.51.100.7", false},
		{"a peer without an address, not by a Unix socket", by("tcp", "@", "203.0.113.1"), "invalid IP", false},
		{"an unknown kind of peer", request("pipe", "203.0.113.1"), "invalid IP", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := trust.Addr(c.r).String(); got != c.want || trust.TrustsPeer(c.r) != c.trusted {
				t.Errorf("%s, trusted: %t; want %s, %t", got, trust.TrustsPeer(c.r), c.want, c.trusted)
			}
			if got := without.Addr(c.r).String(); (got != "invalid IP" && got != "198.51.100.7") || without.TrustsPeer(c.r) {
				t.Errorf("unnamed: %s, trusted: %t", got, without.TrustsPeer(c.r))
			}
		})
	}
}

func TestNoOtherHeaderIsTrusted(t *testing.T) {
	t.Attr("threat", "C5")
	for _, peer := range []struct{ name, addr, want, wantForwarded string }{
		{"trusted", "10.0.0.1:80", "10.0.0.1", "203.0.113.1"},
		{"untrusted", "198.51.100.7:80", "198.51.100.7", "198.51.100.7"},
	} {
		for _, header := range []string{
			"Forwarded: for=203.0.113.66", `Forwarded: for="1;host=evil"`, "X-Real-Ip: 203.0.113.66",
			"True-Client-Ip: 203.0.113.66", "Cf-Connecting-Ip: 203.0.113.66", "X-Client-Ip: 203.0.113.66",
			"X-Forwarded: 203.0.113.66", "Forwarded-For: 203.0.113.66", "X-Cluster-Client-Ip: 203.0.113.66",
			"X_Forwarded_For: 203.0.113.66", "X-Original-Forwarded-For: 203.0.113.66", "X-Forwarded-Host: evil.test",
			"X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /x", "Fastly-Client-Ip: 203.0.113.66",
		} {
			t.Run(peer.name+" "+header, func(t *testing.T) {
				trust := mustTrust(t, "10.0.0.0/8")
				name, value, _ := strings.Cut(header, ": ")
				r := request(peer.addr)
				r.Header[name] = []string{value}
				if got := trust.Addr(r).String(); got != peer.want {
					t.Errorf("alone: %s, want %s", got, peer.want)
				}
				r.Header["X-Forwarded-For"] = []string{"203.0.113.1"}
				if got := trust.Addr(r).String(); got != peer.wantForwarded {
					t.Errorf("with X-Forwarded-For: %s, want %s", got, peer.wantForwarded)
				}
			})
		}
	}
}

func TestWithoutConfigurationNoProxyIsTrusted(t *testing.T) {
	t.Attr("threat", "C9")
	for _, peer := range []string{"127.0.0.1:1", "[::1]:1", "10.0.0.1:1", "192.168.0.1:1", "[fd00::1]:1"} {
		for _, trust := range []reqinfo.Proxies{{}, mustTrust(t)} {
			want := netip.MustParseAddrPort(peer).Addr()
			if got := trust.Addr(request(peer, "203.0.113.1")); got != want {
				t.Errorf("peer %s: %s", peer, got)
			}
		}
	}
}

func TestTrustInAllAddressesIsRefused(t *testing.T) {
	t.Attr("threat", "C9")
	for _, list := range []string{
		"0.0.0.0/0", "::/0", "::ffff:0:0/96", "0.0.0.0/1", "128.0.0.0/1", "2000::/3", "::ffff:0.0.0.0/97",
		"*", "", "all", "localhost", "proxy.example.com", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "10.0.0.1/8",
		"fe80::1%eth0", "fe80::%eth0/64", " 10.0.0.1", "10.0.0.1 ", "10.0.0.1:80", "[::1]", "10.0.0.0/8,::1",
		"Unix", "unix:", "unix:/run/app.sock", "@",
	} {
		if _, err := reqinfo.ParseProxies([]string{"10.0.0.0/8", list}); err == nil {
			t.Errorf("%q is accepted", list)
		} else if !strings.Contains(err.Error(), `"`+list+`"`) {
			t.Errorf("%q is not named in %q", list, err)
		}
	}
	mustTrust(t, "10.0.0.0/8", "fc00::/7", "::ffff:10.0.0.0/104", "0.0.0.0", "::1/128")
}

func TestUnreadableHeadersChangeNothing(t *testing.T) {
	t.Attr("threat", "C13")
	trust := mustTrust(t, "10.0.0.0/8")
	for _, xff := range []string{
		"x", "1.2.3", "::ffff:", strings.Repeat("9", 1<<20), strings.Repeat(",", 1<<20), strings.Repeat("a,", 1<<19),
		"\x00", "1.2.3.4\x00", "1.2.3.4\n", "%", "[", "]", "[]", "[]:80", ":", ":80", "::1]", "1.2.3.4%eth0", "unknown",
	} {
		if got := trust.Addr(request("10.0.0.1:80", xff)).String(); got != "10.0.0.1" {
			t.Errorf("%.20q: %s", xff, got)
		}
	}
	long := strings.Repeat("10.0.0.2, ", 100_000) + "10.0.0.3"
	if got := trust.Addr(request("10.0.0.1:80", "203.0.113.1, "+long)).String(); got != "203.0.113.1" {
		t.Errorf("a megabyte of proxies: %s", got)
	}
}

func TestAddrDoesNotAllocate(t *testing.T) {
	trust := mustTrust(t, "10.0.0.0/8", "fd00::/8")
	r := request("10.0.0.1:80", "1.1.1.1, 203.0.113.1:99", "[fd00::1]:80, 10.9.9.9")
	if n := testing.AllocsPerRun(100, func() { trust.Addr(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzForwardedHeaders(f *testing.F) {
	f.Add("198.51.100.7:80", "203.0.113.1", "10.0.0.2, x", "1.1.1.1")
	f.Add("10.0.0.1:80", "203.0.113.1, 10.0.0.2", "[fd00::1]:80", "1.1.1.1")
	f.Add("[::ffff:10.0.0.1]:80", "[2001:db8::1%eth0]:80", "::ffff:10.1.2.3", "for=1.1.1.1")
	f.Add("@", "", ",", "")
	isTrusted := func(a netip.Addr) bool {
		return a.Is4() && a.As4()[0] == 10 || a.Is6() && a.As16()[0] == 0xfd
	}
	f.Fuzz(func(t *testing.T, peer, line1, line2, other string) {
		trust := mustTrust(t, "10.0.0.0/8", "fd00::/8")
		alone := trust.Addr(request(peer))
		r := request(peer, line1, line2)
		for _, name := range []string{"Forwarded", "X-Real-Ip", "True-Client-Ip", "X-Forwarded-Host"} {
			r.Header[name] = []string{other}
		}
		got := trust.Addr(r)

		if parsed, err := netip.ParseAddrPort(peer); err == nil && alone != parsed.Addr().Unmap().WithZone("") {
			t.Fatalf("peer %q is said to be %v", peer, alone)
		}
		if !isTrusted(alone) && got != alone {
			t.Fatalf("the untrusted peer %v claimed to be %v", alone, got)
		}
		if got.Zone() != "" || got.Is4In6() || got.IsValid() != alone.IsValid() {
			t.Fatalf("%v from peer %v", got, alone)
		}
		if got != trust.Addr(request(peer, line1+","+line2)) {
			t.Fatal("two lines differ from one list")
		}
		// What comes before the client's own address is the client's to write, and has no say.
		if !isTrusted(got) && got != trust.Addr(request(peer, other, line1, line2)) {
			t.Fatalf("%q before the list turned %v into another", other, got)
		}
	})
}
