package password_test

import (
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/cloakroom-auth/cloakroom/password"
)

// BenchmarkHash compares a hash with golang.org/x/crypto's alone, which leaves its memory to the collector.
func BenchmarkHash(b *testing.B) {
	b.Run("Hasher", func(b *testing.B) {
		var h password.Hasher
		for b.Loop() {
			if _, err := h.Hash(b.Context(), "correct horse battery staple"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("x/crypto", func(b *testing.B) {
		salt := make([]byte, 16)
		for b.Loop() {
			argon2.IDKey([]byte("correct horse battery staple"), salt, 2, 19456, 1, 32)
		}
	})
}
