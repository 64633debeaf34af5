package password_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/cloakroom-auth/cloakroom/password"
)

// BenchmarkHash compares a hash with that of golang.org/x/crypto alone, which leaves its memory to the collector.
func BenchmarkHash(b *testing.B) {
	b.Run("Hasher", func(b *testing.B) {
		var h password.Hasher
		for b.Loop() {
			if _, err := h.Hash(b.Context(), good); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("x-crypto", func(b *testing.B) {
		salt := make([]byte, 16)
		for b.Loop() {
			argon2.IDKey([]byte(good), salt, 2, 19456, 1, 32)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, encoded := range map[string]string{
		"own": hash(b, good), "no user": "", "weak": django(b, 1000, good), "django-6.1": django(b, 1_500_000, good),
	} {
		b.Run(name, func(b *testing.B) {
			var h password.Hasher
			for b.Loop() {
				if _, err := h.Verify(b.Context(), encoded, good); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheck has the kinds of password that the policy takes longest to check. None may delay a request noticeably.
func BenchmarkCheck(b *testing.B) {
	about := append(alice[:3:3], password.Attribute{
		Name: "email address", Value: strings.Repeat("a-", 32) + "@" + strings.Repeat("b.", 90) + "example",
	})
	for name, plain := range map[string]string{
		"phrase":      good,
		"1024-bytes":  unlike(1024),
		"1024-alike":  strings.Repeat("ab", 511) + "cd",
		"72-bytes":    unlike(72),
		"72-pieces":   strings.Repeat("qwertyui", 8)[:64] + "password",
		"72-walks":    strings.Repeat("abcdefghijklmnopqrstuvwxyz", 3)[:71] + "!",
		"unicode":     strings.Repeat("漢字仮名交文", 4),
		"punctuation": "p-a-s-s-w-o-r-d-" + strings.Repeat("q.w.e.r.t.y.", 4),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				password.Policy{}.Check(plain, about...)
			}
		})
	}
}
