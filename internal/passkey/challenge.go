package passkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// A challenge is 32 random bytes, the Unix time in seconds at which it expires (8 bytes, big-endian), and the tag of
// these, of its purpose and of what it is bound to. The server recognises its own challenges by computing the tag again, so it
// keeps none, and a stranger who asks for options leaves no trace. A challenge is spent once its answer has been verified: its
// hash is marked, before anything is made of the answer.

// Purpose is what the answer to a challenge is for. The values are part of the tag.
type Purpose string

const (
	SignIn Purpose = "login"  // the first and only step of a sign-in
	Second Purpose = "second" // the second step of a sign-in
	Again  Purpose = "again"  // re-authentication
	add    Purpose = "add"    // of a new credential
)

// Ceremony is what an answer is for. A challenge counts only in the ceremony that it was made for.
type Ceremony struct {
	Purpose Purpose
	User    string // whose passkey is asked for; "" for SignIn, where the passkey says it
	Bound   string // the pending sign-in or the session; "" for SignIn
	Verify  bool   // the authenticator must verify its user
}

// adding returns the ceremony of a new credential. Its challenge is bound to the kind, because the options of a security key
// ask less of the authenticator than those of a passkey.
func adding(user string, kind factor.Kind, bound string) Ceremony {
	return Ceremony{Purpose: add, User: user, Bound: string(kind) + " " + bound, Verify: kind == factor.Passkey}
}

const (
	randomSize    = 32
	expirySize    = 8
	challengeSize = randomSize + expirySize + keyring.TagSize

	// markMargin is how much longer a mark is kept than its challenge lives, for nodes whose clocks differ.
	markMargin = 5 * time.Minute
)

func (s *Service) newChallenge(c Ceremony) []byte {
	challenge := make([]byte, randomSize, challengeSize)
	_, _ = rand.Read(challenge) // never fails
	challenge = binary.BigEndian.AppendUint64(challenge, uint64(time.Now().Add(Lifetime).Unix()))
	return append(challenge, keyring.Tag(s.Keys()[0], c.parts(challenge)...)...)
}

// parts returns what the tag of a challenge covers.
func (c Ceremony) parts(head []byte) []string {
	verify := "not verified"
	if c.Verify {
		verify = "verified"
	}
	return []string{string(head), string(c.Purpose), c.User, c.Bound, verify}
}

// mark is what remains of a challenge that was answered.
type mark struct {
	hash    [sha256.Size]byte
	expires int64
}

// openChallenge checks the challenge of an answer, in base64url as it is in the client data.
func (s *Service) openChallenge(text string, c Ceremony) (mark, error) {
	challenge, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(challenge) != challengeSize {
		return mark{}, refused("the challenge is not one of ours")
	}
	if base64.RawURLEncoding.EncodeToString(challenge) != text {
		return mark{}, refused("the challenge is spelled in another way") // Go's decoder skips line ends
	}
	head, sum := challenge[:randomSize+expirySize], challenge[randomSize+expirySize:]
	if !keyring.TagFits(sum, s.Keys(), c.parts(head)...) {
		return mark{}, refused("the challenge was made for something else")
	}
	expires := int64(binary.BigEndian.Uint64(head[randomSize:]))
	if time.Now().Unix() >= expires {
		return mark{}, refused("the challenge has expired")
	}
	return mark{sha256.Sum256(challenge), expires + int64(markMargin/time.Second)}, nil
}

// spend marks a challenge as answered. ErrRefused if it was answered before.
func (s *Service) spend(ctx context.Context, m mark) error {
	err := s.Signins.MarkSpent(ctx, m.hash, m.expires)
	if errors.Is(err, signin.ErrSpent) {
		return refused("the challenge was answered before")
	}
	return err
}
