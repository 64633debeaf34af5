package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// TooLongError says that a password is longer than the algorithm uses. Nothing was computed.
type TooLongError struct {
	Max int // bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the password has more than %d bytes", e.Max)
}

// rehasher is a scheme that can make new hashes for Django.
type rehasher interface {
	scheme
	rehash(password string) (encoded string, err error) // with the same parameters and a new salt
}

// IsTemplate reports whether [Hasher.HashByTemplate] can make hashes like this one: Django's formats that have a salt and a
// cost.
func IsTemplate(encoded string) bool {
	s, _ := parse(encoded)
	_, ok := s.(rehasher)
	return ok
}

var errUnlike = errors.New("password: no hash can be made like this one")

// HashByTemplate returns the hash of a password with the algorithm and parameters of another hash and a new salt.
// [IsTemplate] must be true for the other hash. It is for databases shared with Django, which hashes the bytes of a password
// without normalising them; so does HashByTemplate. Errors: *[BusyError], *[TooLongError], or the error of ctx while
// waiting.
func (h *Hasher) HashByTemplate(ctx context.Context, encoded, password string) (string, error) {
	s, _ := parse(encoded)
	like, ok := s.(rehasher)
	if !ok {
		return "", errUnlike
	}
	var made string
	err := h.run(ctx, like.weight(), func() (err error) {
		made, err = like.rehash(password)
		if err == nil {
			h.pool.spent.Add(like.cost())
		}
		return err
	})
	return made, err
}

const djangoSaltAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// djangoSalt returns 22 letters and digits, as Django makes its salts: 131 bits.
func djangoSalt() string {
	salt := make([]byte, 0, 22)
	var random [32]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: it crashes the process instead
		for _, b := range random {
			if b >= 248 { // the largest multiple of 62: a greater one would make some characters likelier
				continue
			}
			if salt = append(salt, djangoSaltAlphabet[b%62]); len(salt) == cap(salt) {
				return string(salt)
			}
		}
	}
}
