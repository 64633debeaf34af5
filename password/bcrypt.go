package password

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Django's bcrypt is bcrypt$ and bcrypt's own text, $2b$COST$ with 22 characters of salt and 31 of sum. bcrypt_sha256 hashes
// the lower-case hex of the password's SHA-256, since bcrypt ignores all after 72 bytes.

// The cost is a power of two. At the maximum, a verification takes several seconds.
const (
	leastBcryptCost = 4
	mostBcryptCost  = 16
)

// kibPerRound is how many passes over 1 KiB in Argon2 take about as long as one round of bcrypt.
const kibPerRound = 128

// bcryptMax is the maximum length that bcrypt uses, in bytes.
const bcryptMax = 72

type bcryptHash struct {
	algorithm string
	rounds    int    // the binary logarithm
	text      string // bcrypt's own
}

func (h bcryptHash) input(password string) []byte {
	if h.algorithm == "bcrypt_sha256" {
		sum := sha256.Sum256([]byte(password))
		return hex.AppendEncode(nil, sum[:])
	}
	return []byte(password)
}

func (h bcryptHash) verify(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h.text), h.input(password)) == nil
}

func (h bcryptHash) rehash(password string) (string, error) {
	input := h.input(password)
	if len(input) > bcryptMax {
		return "", &TooLongError{bcryptMax}
	}
	text, err := bcrypt.GenerateFromPassword(input, h.rounds)
	if err != nil {
		return "", err
	}
	// The library's 2a is what others call 2b: it never had the defect that 2a stands for.
	return h.algorithm + "$$2b$" + strings.TrimPrefix(string(text), "$2a$"), nil
}

func (h bcryptHash) weak() bool    { return true }
func (h bcryptHash) cost() int64   { return kibPerRound << h.rounds }
func (h bcryptHash) weight() int64 { return 1 }

func parseBcrypt(encoded string) (scheme, bool) {
	algorithm, text, _ := strings.Cut(encoded, "$")
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != "" || len(parts[3]) != 53 || strings.Trim(parts[3], bcryptAlphabet) != "" {
		return nil, false
	}
	if version := parts[1]; version != "2a" && version != "2b" && version != "2y" {
		return nil, false
	}
	rounds, err := strconv.ParseUint(parts[2], 10, 8)
	if err != nil || len(parts[2]) != 2 || !between(int(rounds), leastBcryptCost, mostBcryptCost) {
		return nil, false
	}
	return bcryptHash{algorithm, int(rounds), text}, true
}

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
