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

// These hashes are made without Django, since the installed version may no longer, or not yet, support them.

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

// argon2idHash has a tag of 32 bytes, as argon2-cffi makes it since 21.2; before, it had 16.
func argon2idHash(plain string) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return "argon2$argon2id$v=19$m=102400,t=2,p=8$" + b64([]byte(salt)) + "$" + b64(argon2.IDKey([]byte(plain), []byte(salt), 2, 102400, 8, 32))
}

// argon2iHash is what follows the name of the algorithm, with the memory in KiB.
func argon2iHash(plain string, memory uint32) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$v=19$m=%d,t=2,p=2$", memory) + b64([]byte(salt)) + "$" + b64(argon2.Key([]byte(plain), []byte(salt), 2, memory, 2, 16))
}
