package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"io"
)

// TicketFormat makes the secrets that name sessions.
//
// ID reports false for a text that can't be a ticket; such a text never reaches the store. Two tickets never have the same
// ID, and it must be infeasible to compute a ticket from its ID.
type TicketFormat interface {
	New() string
	ID(ticket string) (ID, bool)
}

// randomTickets are 256 random bits in the unpadded URL alphabet of base64 (RFC 4648, section 5). Their ID is their SHA-256.
type randomTickets struct{}

const ticketLength = 43

var ticketEncoding = base64.RawURLEncoding.Strict()

// New panics if the operating system gives no randomness, since no safe ticket can be made then.
func (randomTickets) New() string {
	var secret [32]byte
	fill(secret[:])
	return ticketEncoding.EncodeToString(secret[:])
}

// ID accepts exactly what New makes. The decoder skips line breaks; a text of the right length with a line break decodes to
// too few bytes.
func (randomTickets) ID(ticket string) (ID, bool) {
	if len(ticket) != ticketLength {
		return ID{}, false
	}
	var secret [33]byte // the decoder wants room for 43 × 6 bits, rounded up
	if n, err := ticketEncoding.Decode(secret[:], []byte(ticket)); err != nil || n != 32 {
		return ID{}, false
	}
	return sha256.Sum256(secret[:32]), true
}

// newPublicID returns 128 random bits, which are unique and give no access. It has only letters and digits (RFC 4648,
// section 6), since a command line takes a text that begins with "-" for a flag.
func newPublicID() string {
	var b [16]byte
	fill(b[:])
	return publicEncoding.EncodeToString(b[:])
}

var publicEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// fill reads from rand.Reader rather than calling rand.Read, which would end the process where the request can fail.
func fill(b []byte) {
	if _, err := io.ReadFull(rand.Reader, b); err != nil {
		panic("session: no randomness: " + err.Error())
	}
}
