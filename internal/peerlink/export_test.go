package peerlink

import "net/netip"

// Seal returns the datagram with a message.
func Seal(key, message []byte) []byte { return seal(key, message) }

// Unseal returns the message of a datagram.
func Unseal(key, datagram []byte) (message string, ok bool) { return unseal(key, datagram) }

// ParsePlace returns what a place says.
func ParsePlace(place string) (at netip.AddrPort, key []byte, ok bool) { return parsePlace(place) }
