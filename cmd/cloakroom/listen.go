package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// listenAddr is the value of a flag such as --listen.
type listenAddr struct {
	flag  string // the name of the flag
	host  string // as it was given
	addrs []netip.AddrPort
}

// parseListenAddr parses HOST:PORT. localhost means 127.0.0.1 and [::1]: browsers try both, and if this server had only one,
// any program on the machine could take the other.
func parseListenAddr(ctx context.Context, flag, s string) (listenAddr, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return listenAddr{}, usageError(fmt.Sprintf("%s %q is not of the form HOST:PORT, such as localhost:8000", flag, s))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return listenAddr{}, usageError(fmt.Sprintf("%s %q: the port is not a number from 0 to 65535", flag, s))
	}
	p := listenAddr{flag: flag, host: host}
	ips, err := resolveHost(ctx, host)
	if err != nil {
		return listenAddr{}, fmt.Errorf("%s %q: %w", flag, s, err)
	}
	for _, ip := range ips {
		p.addrs = append(p.addrs, netip.AddrPortFrom(ip, uint16(n)))
	}
	return p, nil
}

func resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "":
		return []netip.Addr{netip.IPv6Unspecified()}, nil // which takes IPv4 as well
	case "localhost":
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	return []netip.Addr{ips[0].Unmap()}, nil
}

// loopback reports whether only programs on this machine can connect.
func (p listenAddr) loopback() bool {
	for _, addr := range p.addrs {
		if !addr.Addr().Unmap().IsLoopback() {
			return false
		}
	}
	return true
}

// onThisMachine reports whether a host name of a URL stands for this machine alone.
func onThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// listen opens the listeners. If the machine has only one of the addresses of localhost, that is enough.
func (p listenAddr) listen(ctx context.Context) ([]net.Listener, error) {
	if p.host == "" {
		return p.listenEverywhere(ctx)
	}
	// The system picks a port for the first address; on the second it may be in use.
	for try := 0; ; try++ {
		listeners, err := p.listenOnce(ctx)
		if err == nil || p.addrs[0].Port() != 0 || try == 10 {
			return listeners, err
		}
	}
}

// listenEverywhere listens on all addresses; the system knows whether it has IPv6.
func (p listenAddr) listenEverywhere(ctx context.Context) ([]net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", ":"+strconv.Itoa(int(p.addrs[0].Port())))
	if err != nil {
		return nil, p.listenError(p.addrs[0], err)
	}
	return []net.Listener{l}, nil
}

func (p listenAddr) listenOnce(ctx context.Context) (listeners []net.Listener, err error) {
	var absent error
	port := p.addrs[0].Port()
	for _, addr := range p.addrs {
		var c net.ListenConfig
		l, err := c.Listen(ctx, "tcp", netip.AddrPortFrom(addr.Addr(), port).String())
		switch {
		case err == nil:
			listeners = append(listeners, l)
			port = portOf(l)
		case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT):
			absent = p.listenError(addr, err)
		default:
			closeAll(listeners)
			return nil, p.listenError(netip.AddrPortFrom(addr.Addr(), port), err)
		}
	}
	if len(listeners) == 0 {
		return nil, absent
	}
	return listeners, nil
}

// listenError says why the system refuses the address, and what to do.
func (p listenAddr) listenError(addr netip.AddrPort, err error) error {
	port := addr.Port()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d of %s is in use by another program, perhaps another cloakroom. Stop that one, "+
			"or choose another port: %s %s", port, addr.Addr(), p.flag, net.JoinHostPort(p.host, strconv.Itoa(int(port)+1)))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("the system doesn't allow this user to listen on port %d. Choose one above 1023, "+
			"such as %s %s", port, p.flag, net.JoinHostPort(p.host, "8000"))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %s: this machine doesn't have that address", p.flag, addr)
	}
	return fmt.Errorf("%s %s: %w", p.flag, addr, err)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }
