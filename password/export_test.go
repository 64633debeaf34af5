package password

import (
	"context"
	"encoding/base64"
	"fmt"
)

var (
	bg    = context.Background()
	raw64 = func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }
	std64 = func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
)

// Spent returns the work of all hashes that h has computed, in parts of a current one's.
func (h *Hasher) Spent() float64 { return float64(h.pool.spent.Load()) / float64(current.cost()) }

// Waiting returns how many calls wait for their turn.
func (h *Hasher) Waiting() int { return int(h.pool.waiting.Load()) }

// Hold takes the place of n workers until release is called.
func (h *Hasher) Hold(n int) (release func()) {
	entered, done := make(chan struct{}), make(chan struct{})
	go func() {
		err := h.run(bg, int64(n), func() error {
			close(entered)
			<-done
			return nil
		})
		if err != nil {
			panic(err)
		}
	}()
	<-entered
	return func() { close(done) }
}

// Form is the kind of hash that a text was parsed as.
type Form struct {
	Memory, Passes, Lanes, Iterations, Salt, Tag int    // Iterations: of PBKDF2; of bcrypt, 256 for each round
	Text                                         string // written anew
}

// Parse parses an encoded hash.
func Parse(encoded string) (Form, bool) {
	s, ok := parse(encoded)
	if !ok {
		return Form{}, false
	}
	switch h := s.(type) {
	case argon2idHash:
		text := fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.passes, h.lanes, raw64(h.salt), raw64(h.tag))
		return Form{int(h.memory), int(h.passes), int(h.lanes), 0, len(h.salt), len(h.tag), text}, true
	case djangoArgon2Hash:
		text := fmt.Sprintf("argon2$%s$v=19$m=%d,t=%d,p=%d$%s$%s", h.kind(), h.memory, h.passes, h.lanes, raw64(h.salt), raw64(h.tag))
		return Form{int(h.memory), int(h.passes), int(h.lanes), 0, len(h.salt), len(h.tag), text}, true
	case pbkdf2Hash:
		text := fmt.Sprintf("%s$%d$%s$%s", h.algorithm, h.iterations, h.salt, std64(h.key))
		return Form{0, 0, 0, h.iterations, len(h.salt), len(h.key), text}, true
	case scryptHash:
		text := fmt.Sprintf("scrypt$%d$%s$%d$%d$%s", h.n, h.salt, h.r, h.p, std64(h.key))
		return Form{int(h.kib()), h.p, 0, 0, len(h.salt), len(h.key), text}, true
	case bcryptHash:
		return Form{0, 0, 0, 256 << h.rounds, 16, 23, h.algorithm + "$" + h.text}, true
	case digestHash:
		return Form{0, 0, 0, 0, len(h.salt), len(h.sum), h.encode()}, true
	}
	panic("a scheme without a form")
}

func (h digestHash) encode() string {
	if h.bare {
		return fmt.Sprintf("%x", h.sum)
	}
	return fmt.Sprintf("%s$%s$%x", h.algorithm, h.salt, h.sum)
}
