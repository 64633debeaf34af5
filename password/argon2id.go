package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// An argon2id hash is a PHC string: $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$TAG, salt and tag in base64 without
// padding. Numbers have no leading zeros, and the base64 is canonical, so each hash has one text.

const (
	saltLength = 16
	tagLength  = 32
)

type argon2idParams struct {
	memory, passes uint32 // memory in KiB
	lanes          uint8
}

// current is how new hashes are made.
var current = argon2idParams{memory: 19456, passes: 2, lanes: 1}

// The most that a stored hash may ask for.
const (
	maxMemory = 1 << 20 // KiB
	maxPasses = 10
	maxLanes  = 16
)

type argon2idHash struct {
	argon2idParams
	salt, tag string
}

// dummy is what a password is compared with that belongs to nobody. Nothing matches it.
var dummy scheme = argon2idHash{current, strings.Repeat("\x00", saltLength), strings.Repeat("\x00", tagLength)}

func (p argon2idParams) tag(password string, salt []byte, length uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memory, p.lanes, length)
}

func (p argon2idParams) encode(password string, salt []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.passes, p.lanes, b64(salt), b64(p.tag(password, salt, tagLength)))
}

func (h argon2idHash) verify(password string) bool {
	computed := h.argon2idParams.tag(password, []byte(h.salt), uint32(len(h.tag)))
	return subtle.ConstantTimeCompare(computed, []byte(h.tag)) == 1
}

func (h argon2idHash) work() uint64   { return uint64(h.memory) * uint64(h.passes) }
func (h argon2idHash) cheap() bool    { return h.work() < argon2idHash{argon2idParams: current}.work() }
func (h argon2idHash) imported() bool { return false }

// weak leaves a stronger hash of another program alone.
func (h argon2idHash) weak() bool {
	return h.memory < current.memory || h.passes < current.passes && h.memory < 47104 || len(h.salt) < saltLength ||
		len(h.tag) < tagLength
}

func (h argon2idHash) weight() int64 {
	return int64((h.memory + current.memory - 1) / current.memory)
}

func parseArgon2id(encoded string) (scheme, bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, false
	}
	params := strings.Split(parts[3], ",")
	if len(params) != 3 {
		return nil, false
	}
	memory, ok1 := number(params[0], "m=", maxMemory)
	passes, ok2 := number(params[1], "t=", maxPasses)
	lanes, ok3 := number(params[2], "p=", maxLanes)
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	tag, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || strings.ContainsAny(encoded, "\r\n") {
		return nil, false
	}
	if memory < 8*lanes || !between(len(salt), 8, 64) || !between(len(tag), 16, 64) {
		return nil, false
	}
	p := argon2idParams{memory: uint32(memory), passes: uint32(passes), lanes: uint8(lanes)}
	return argon2idHash{p, string(salt), string(tag)}, true
}

// number reads a decimal number from 1 to most, without sign or leading zeros, after a prefix.
func number(s, prefix string, most int) (int, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= most && strconv.Itoa(n) == digits
}

func between(n, least, most int) bool { return n >= least && n <= most }
