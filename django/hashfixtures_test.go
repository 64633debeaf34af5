package django_test

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"
)

// Hashes that the Django at hand may not know how to make any more, or not yet.

const salt = "saltsaltsaltsaltsaltsa"

func hexSum(algorithm, plain string) string {
	if algorithm == "sha1" {
		return fmt.Sprintf("%x", sha1.Sum([]byte(plain)))
	}
	return fmt.Sprintf("%x", md5.Sum([]byte(plain)))
}

func sha1Hash(plain string) string { return "sha1$" + salt + "$" + hexSum("sha1", salt+plain) }

func scryptHash(t testing.TB, plain string, n int) string {
	key, err := scrypt.Key([]byte(plain), []byte(salt), n, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("scrypt$%d$%s$8$1$%s", n, salt, base64.StdEncoding.EncodeToString(key))
}

// argon2idHash is one with a tag of 32 bytes, as Django makes it with argon2-cffi from 21.2 on; before that it had 16.
func argon2idHash(plain string) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return "argon2$argon2id$v=19$m=102400,t=2,p=8$" + b64([]byte(salt)) + "$" + b64(argon2.IDKey([]byte(plain), []byte(salt), 2, 102400, 8, 32))
}

// argon2iHash is what follows the name of the algorithm, with so many KiB.
func argon2iHash(plain string, memory uint32) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$v=19$m=%d,t=2,p=2$", memory) + b64([]byte(salt)) + "$" + b64(argon2.Key([]byte(plain), []byte(salt), 2, memory, 2, 16))
}
