package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// An argon2id hash is a PHC string: $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$TAG, with salt and tag in base64 without
// padding. Numbers have no leading zeros, and the base64 is canonical, so each hash has one text. Django puts the word
// argon2 in front, and used argon2i before version 3.2.

const (
	saltLength = 16
	tagLength  = 32
)

type argon2idParams struct {
	memory, passes, lanes uint32 // memory in KiB
}

// current has the parameters of new hashes.
var current = argon2idParams{memory: 19456, passes: 2, lanes: 1}

// The maximum parameters of a stored hash.
const (
	maxMemory = 1 << 20 // KiB
	maxPasses = 10
	maxLanes  = 16
)

// onePass is the memory, in KiB, from which a single pass is enough according to OWASP.
const onePass = 47104

type argon2idHash struct {
	argon2idParams
	salt, tag string
}

// dummy is the hash that passwords are compared with if there is no account. No password matches it.
var dummy scheme = argon2idHash{current, strings.Repeat("\x00", saltLength), strings.Repeat("\x00", tagLength)}

// padding returns a hash that costs about this much.
func padding(cost int64) scheme {
	if cost > current.cost() {
		return pbkdf2Hash{algorithm: "pbkdf2_sha256", iterations: int(cost) * iterationsPerKiB}
	}
	p := argon2idParams{memory: uint32(cost), passes: 1, lanes: 1}
	if p.memory > current.memory {
		p.memory, p.passes = p.memory/2, 2
	}
	p.memory = min(max(p.memory, 8), current.memory)
	return argon2idHash{p, strings.Repeat("\x00", saltLength), strings.Repeat("\x00", tagLength)}
}

// tag computes the tag and then runs the garbage collector: otherwise the memory of a few hashes adds up to several times
// what the pool allows. If the rest of the heap is large, or the hash needs little memory, a collection costs more than it saves,
// so the collector runs at its own pace then.
func (p argon2idParams) tag(password, salt string, length int) []byte {
	tag := argon2.IDKey([]byte(password), []byte(salt), p.passes, p.memory, uint8(p.lanes), uint32(length))
	if p.memory < littleMemory {
		return tag
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	underWay := uint64(runtime.GOMAXPROCS(0)) * uint64(current.memory) << 10
	if live[0].Value.Uint64() < largeHeap+underWay {
		runtime.GC()
	}
	return tag
}

// littleMemory is in KiB. Below it, some twenty hashes together need as much as one of ours.
const littleMemory = 1024

// largeHeap is in bytes. Collecting a heap of this size takes about a fifth of the time of a hash, and ten times this size
// three times that of a hash.
const largeHeap = 32 << 20

func (p argon2idParams) encode(password, salt string) string {
	b64 := base64.RawStdEncoding.EncodeToString
	tag := p.tag(password, salt, tagLength)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.passes, p.lanes, b64([]byte(salt)), b64(tag))
}

func (h argon2idHash) verify(password string) bool {
	computed := h.argon2idParams.tag(password, h.salt, len(h.tag))
	return subtle.ConstantTimeCompare(computed, []byte(h.tag)) == 1
}

func (p argon2idParams) cost() int64 { return int64(p.memory) * int64(p.passes) }

// weak is false for a stronger hash of another program.
func (h argon2idHash) weak() bool {
	return h.memory < current.memory || h.passes < current.passes && h.memory < onePass || len(h.salt) < saltLength ||
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
	salt, ok4 := unbase64(base64.RawStdEncoding, parts[4])
	tag, ok5 := unbase64(base64.RawStdEncoding, parts[5])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return nil, false
	}
	if memory < 8*lanes || !between(len(salt), 8, 64) || !between(len(tag), 16, 64) {
		return nil, false
	}
	return argon2idHash{argon2idParams{uint32(memory), uint32(passes), uint32(lanes)}, salt, tag}, true
}

// number parses a prefix and then a decimal number from 1 to most, without sign or leading zeros.
func number(s, prefix string, most int) (int, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= most && strconv.Itoa(n) == digits
}

// unbase64 accepts only canonical base64: no line breaks, which the standard library skips, and no stray bits.
func unbase64(e *base64.Encoding, s string) (string, bool) {
	b, err := e.Strict().DecodeString(s)
	return string(b), err == nil && e.EncodeToString(b) == s
}

func between(n, least, most int) bool { return n >= least && n <= most }
