package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
)

// TooLongError says that a password is longer than the algorithm looks at. Nothing was computed.
type TooLongError struct {
	Max int // bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the password has more than %d bytes", e.Max)
}

// again is a scheme that Django makes new hashes with.
type again interface {
	scheme
	again(password string) (encoded string, err error) // the same parameters, and a new salt
}

// Like reports whether [Hasher.HashLike] can make hashes like this one: those of Django that have a salt and a price.
func Like(encoded string) bool {
	s, _ := parse(encoded)
	_, ok := s.(again)
	return ok
}

var errUnlike = errors.New("password: no hash can be made like this one")

// HashLike returns the hash of a password by the algorithm and with the parameters of another hash, for which [Like]
// holds; the salt is new. It is for what shares its users with Django, which hashes the bytes of a password as they are:
// so does this. *[BusyError], *[TooLongError], or the error of ctx while waiting.
func (h *Hasher) HashLike(ctx context.Context, encoded, password string) (string, error) {
	s, _ := parse(encoded)
	like, ok := s.(again)
	if !ok {
		return "", errUnlike
	}
	answer, err := h.ask(ctx, like.weight(), assistant.Question{Kind: assistant.MakeLike, Encoded: encoded, Password: password})
	if err == nil && answer.TooLong > 0 {
		err = &TooLongError{Max: answer.TooLong}
	}
	return answer.Encoded, err
}

// makeLike answers a question of its kind.
func makeLike(q assistant.Question) (assistant.Answer, error) {
	s, _ := parse(q.Encoded)
	like, ok := s.(again)
	if !ok {
		return assistant.Answer{}, errUnlike
	}
	made, err := like.again(q.Password)
	if e, ok := errors.AsType[*TooLongError](err); ok {
		return assistant.Answer{TooLong: e.Max}, nil
	}
	return assistant.Answer{Encoded: made, Spent: like.cost()}, err
}

const djangoSaltAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// djangoSalt returns 22 letters and digits, as Django makes its salts: 131 bits.
func djangoSalt() string {
	salt := make([]byte, 0, 22)
	var random [32]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: it ends the process instead
		for _, b := range random {
			if b >= 248 { // the last whole multiple of 62: each character is as likely as any other
				continue
			}
			if salt = append(salt, djangoSaltAlphabet[b%62]); len(salt) == cap(salt) {
				return string(salt)
			}
		}
	}
}
