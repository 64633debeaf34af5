package password_test

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

// reference encodes a hash that golang.org/x/crypto computed.
func reference(t testing.TB, params string, salt, tag int, plain string) string {
	t.Helper()
	var m, p, l uint32
	if _, err := fmt.Sscanf(params, "m=%d,t=%d,p=%d", &m, &p, &l); err != nil {
		t.Fatal(err)
	}
	saltBytes := bytes.Repeat([]byte{0xa5}, salt)
	sum := argon2.IDKey([]byte(plain), saltBytes, p, m, uint8(l), uint32(tag))
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$%s$%s$%s", params, b64(saltBytes), b64(sum))
}

// django encodes a hash as Django does.
func django(t testing.TB, iterations int, plain string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, plain, []byte("seasalt"), iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("pbkdf2_sha256$%d$seasalt$%s", iterations, base64.StdEncoding.EncodeToString(key))
}

func TestOthersVerifyNewHashes(t *testing.T) {
	parts := strings.Split(hash(t, good), "$")
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		t.Fatal(err)
	}
	want := base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(good), salt, 2, 19456, 1, 32))
	if parts[5] != want {
		t.Errorf("tag %s, golang.org/x/crypto has %s", parts[5], want)
	}
}
