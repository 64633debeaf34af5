// Package peerlink passes short messages between the nodes of one installation by UDP. A node has a place, its address and a random key,
// which it tells the others on the feed. Each datagram is authenticated with the key of its receiver, so only who hears the feed can send
// one. The messages aren't secret, and one may arrive twice or not at all.
package peerlink

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// keyLength and tagLength are the bytes of a key, and of the tag that a datagram begins with: HMAC-SHA-256 of the message, cut.
	keyLength, tagLength = 16, 16
	// maxMessage is the longest message in bytes. A datagram never needs more than one packet.
	maxMessage = 200
	// pauseAfterError keeps a socket that fails again and again from occupying a processor.
	pauseAfterError = 10 * time.Millisecond
)

var keyText = base64.RawURLEncoding.Strict()

// Link is a node's socket. It is safe for concurrent use.
type Link struct {
	socket *net.UDPConn
	key    []byte
	place  string
}

// ParseAddress reads an address that other nodes can reach, "10.0.0.7:7946" or "10.0.0.7:0" for any port. It resolves no names, and
// refuses an address that names no single machine.
func ParseAddress(address string) (at netip.AddrPort, err error) {
	at, err = netip.ParseAddrPort(address)
	if err != nil {
		return at, fmt.Errorf("%q is not of the form IP:PORT", address)
	}
	if ip := at.Addr(); ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
		return at, fmt.Errorf("other nodes can't reach %q: give this machine's own address", address)
	}
	return at, nil
}

// Open opens a socket at an address that [ParseAddress] accepts.
func Open(address string) (*Link, error) {
	at, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	_ = socket.SetReadBuffer(1 << 20) // the system's limit may be lower; what doesn't fit is sent again
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails
	bound := netip.AddrPortFrom(at.Addr(), socket.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	return &Link{socket, key, bound.String() + "/" + keyText.EncodeToString(key)}, nil
}

// Close closes the socket. Receive returns.
func (l *Link) Close() error { return l.socket.Close() }

// Place returns where others send to: an address, a slash, and a key in base64url. Only nodes may learn it.
func (l *Link) Place() string { return l.place }

// Send sends a message to a place. It neither blocks nor says whether it has arrived.
func (l *Link) Send(place, message string) {
	at, key, ok := parsePlace(place)
	if !ok || len(message) > maxMessage {
		return
	}
	_, _ = l.socket.WriteToUDPAddrPort(seal(key, []byte(message)), at)
}

// Receive calls hear with each authentic message, one at a time, until ctx ends; then it returns nil, and may be called again.
func (l *Link) Receive(ctx context.Context, hear func(message string)) error {
	if err := l.socket.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = l.socket.SetReadDeadline(time.Unix(1, 0))
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken // its deadline must not end the next call
		}
	}()
	buffer := make([]byte, tagLength+maxMessage+1)
	for {
		n, _, err := l.socket.ReadFromUDPAddrPort(buffer)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // of a datagram that was sent before, to a port where nothing listens
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pauseAfterError):
			}
		default:
			if message, ok := unseal(l.key, buffer[:n]); ok {
				hear(message)
			}
		}
	}
}

func seal(key, message []byte) (datagram []byte) {
	return append(tag(key, message), message...)
}

// unseal returns the message of a datagram, if the datagram is authentic.
func unseal(key, datagram []byte) (message string, ok bool) {
	if len(datagram) <= tagLength || len(datagram) > tagLength+maxMessage {
		return "", false
	}
	if !hmac.Equal(datagram[:tagLength], tag(key, datagram[tagLength:])) {
		return "", false
	}
	return string(datagram[tagLength:]), true
}

func tag(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(make([]byte, 0, sha256.Size+maxMessage))[:tagLength]
}

func parsePlace(place string) (at netip.AddrPort, key []byte, ok bool) {
	address, text, ok := strings.Cut(place, "/")
	if !ok {
		return at, nil, false
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().IsMulticast() || at.Port() == 0 {
		return at, nil, false
	}
	key, err = keyText.DecodeString(text)
	return at, key, err == nil && len(key) == keyLength
}
